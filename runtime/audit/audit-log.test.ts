import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { ManualClock, MemoryMessageQueue, MillraceError } from '../../engine/index.ts';
import { openKeyTrust } from '../trust/index.ts';
import { AuditLog, type NewEntry, WAITING_MAX_ENTRIES } from './audit-log.ts';

const PATIENTLY = { timeout: 60_000, interval: 5 };
const T0 = Date.UTC(2025, 0, 1);

/** A queue that can be away. */
class Breakable extends MemoryMessageQueue {
  away = false;
  override async append(message: Parameters<MemoryMessageQueue['append']>[0]) {
    if (this.away) throw new MillraceError('queue_unavailable', 'away', { retriable: true });
    return await super.append(message);
  }
}

let folder: string;
let clock: ManualClock;
let queue: Breakable;
let logged: unknown[];
let audit: AuditLog;

const opened = (): AuditLog => {
  const log = Object.assign(pino({ level: 'silent' }), { error: (entry: unknown) => logged.push(entry) });
  return new AuditLog({ queue, trust: openKeyTrust(folder, undefined, false), clock, log });
};

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'millrace-audit-'));
  clock = new ManualClock(T0);
  queue = new Breakable(clock);
  logged = [];
  audit = opened();
});
afterEach(async () => {
  queue.away = false;
  await audit.close();
  rmSync(folder, { recursive: true, force: true });
});

const entry = (more: Partial<NewEntry> = {}): NewEntry => ({
  ...{ tenant: 't', action: 'change', operation: 'createKey', resource: '/keys', query: null },
  ...{ status: 201, code: null, ip: '10.0.0.1', request_id: 'r' },
  actor: { kind: 'api_key', key_id: 'key_1', name: 'boss', role: 'admin' },
  ...more,
});
const all = () => true;
const operations = async (tenant: string): Promise<string[]> =>
  (await audit.page({ tenant }, all, 1_000)).entries.map(({ operation }) => operation);

describe('the audit log', () => {
  it('keeps entries by tenant, newest first, in pages', async () => {
    for (let at = 0; at < 25; at++) {
      clock.advance(1_000);
      await audit.record(entry({ operation: `op${at}` }));
      await audit.record(entry({ tenant: 'other', operation: `other${at}` }));
    }
    const found: string[] = [];
    let before: number | undefined;
    for (let pages = 0; pages < 10; pages++) {
      const page = await audit.page({ tenant: 't' }, all, 10, before === undefined ? {} : { before });
      found.push(...page.entries.map(({ operation }) => operation));
      if (page.before === null) break;
      before = page.before;
    }
    expect(found).toEqual(Array.from({ length: 25 }, (_, at) => `op${24 - at}`));
    expect(await operations('nobody')).toEqual([]);
    expect(await audit.since_ms()).toBeNull();
  });

  it('shows no message that it has not written so', async () => {
    await audit.record(entry());
    const [message] = await queue.newest('audit.t.*', 1);
    const text = Buffer.from(message?.data ?? []).toString();
    const forged = [text.replace('boss', 'nobody'), text.replace('"t"', '"u"'), 'rubbish', '{}'];
    for (const [at, data] of forged.entries())
      await queue.append({ subject: 'audit.t.change', id: `f${at}`, data: Buffer.from(data) });
    // A true one, under the name of another tenant or action.
    await queue.append({ subject: 'audit.u.change', id: 'moved', data: Buffer.from(text) });
    const page = await audit.page({ tenant: 't' }, all, 10);
    expect([page.entries.length, page.refused]).toEqual([1, forged.length]);
    expect(await audit.page({ tenant: 'u' }, all, 10)).toMatchObject({ entries: [], refused: 1 });
  });

  it('sums up writes of events by key and outcome, and loses none when it closes', async () => {
    for (let at = 0; at < 50; at++)
      await audit.record(entry({ action: 'ingest', status: at % 5 ? 202 : 422 }));
    expect(await operations('t')).toEqual([]);
    await audit.close();
    const { entries } = await audit.page({ tenant: 't', action: 'ingest' }, all, 10);
    expect(entries.map(({ status, requests }) => [status, requests]).sort()).toEqual([
      [202, 40],
      [422, 10],
    ]);
  });

  it('keeps what the stream does not take, refuses more when that is much, and stores all in the end', async () => {
    queue.away = true;
    const changes = [audit.record(entry({ operation: 'first' }))];
    for (let at = 1; at < WAITING_MAX_ENTRIES; at++) {
      audit.requireRoom();
      await audit.record(entry({ action: 'read', operation: `op${at}` }));
    }
    expect(() => audit.requireRoom()).toThrow(expect.objectContaining({ code: 'audit_unavailable' }));
    // A change is answered although its entry waits; the entry is stored later.
    await Promise.all(changes);
    expect(await operations('t')).toEqual([]);
    queue.away = false;
    await vi.waitFor(() => expect(() => audit.requireRoom()).not.toThrow(), PATIENTLY);
    await audit.close();
    expect(new Set(await operations('t')).size).toBe(WAITING_MAX_ENTRIES);
    expect(logged).toEqual([]);
  });

  it('writes what it could not store to the log of the process', async () => {
    queue.away = true;
    await audit.record(entry({ action: 'read', operation: 'lost' }));
    await audit.close();
    expect(logged).toMatchObject([{ audit: { operation: 'lost', tenant: 't' } }]);
  });
});
