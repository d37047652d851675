import { pino } from 'pino';
import { describe, expect, it, vi } from 'vitest';
import { ManualClock } from '../engine/index.ts';
import { durationOf, type KeyTrust, KnownRecords } from '../runtime/index.ts';
import { MAX_KEYS_PER_TENANT, openKeyRing } from './access/index.ts';
import { RateLimiter, rateLimitHeaders } from './app/index.ts';
import { PATIENTLY } from './fixture-api.ts';
import { MemoryKeyValueStore } from './fixture-memory.ts';
import {
  BodyBudget,
  BodyLease,
  Cursors,
  FreshnessTracker,
  type PipelineStatus,
  pageOf,
  problemOf,
  tryParseJson,
} from './http/index.ts';
import { subjectToken } from './sections/ingest/index.ts';

const ALL = { tenants: '*' } as const;

describe('JSON', () => {
  const parse = (text: string) => tryParseJson(Buffer.from(text));

  it('is refused when deep, whatever is in its strings', () => {
    expect(parse(`${'['.repeat(64)}${']'.repeat(64)}`)).toMatchObject({ ok: true });
    expect(parse(`${'{"a":'.repeat(65)}1${'}'.repeat(65)}`)).toMatchObject({
      ok: false,
      code: 'json_too_deep',
    });
    expect(parse(JSON.stringify('['.repeat(1_000)))).toMatchObject({ ok: true });
    expect(parse(JSON.stringify(`\\"${'{'.repeat(1_000)}\\`))).toMatchObject({ ok: true });
    expect(parse(`"${'\\'.repeat(100_000)}`)).toMatchObject({ ok: false, code: 'malformed_json' });
  });
});

describe('durations', () => {
  it.each([
    ['500ms', 500],
    ['30s', 30_000],
    ['5m', 300_000],
    ['1h', 3_600_000],
    ['2d', 172_800_000],
  ])('%s', (text, value_ms) => expect(durationOf(text)).toBe(value_ms));
  it.each(['', '5', 's', '-1s', '1.5s', '5 s', '1M', '999999999999999d'])('%j is none', (text) => {
    expect(durationOf(text)).toBeUndefined();
  });
});

describe('subject tokens', () => {
  it.each([
    ['', '_'],
    ['c-1', 'c-1'],
    ['a.b*c>d e', 'a%2Eb%2Ac%3Ed%20e'],
    ['tab\there', 'tab%09here'],
    ['ünï😀@x%', 'ünï😀@x%'],
  ])('%j', (key, token) => expect(subjectToken(key)).toBe(token));
});

const trust = (secret: string): KeyTrust => ({
  secret: Buffer.from(secret),
  known: new KnownRecords(),
  adoptUnsigned: false,
});

describe('keys', () => {
  it('are bounded for a tenant, and make room by forgetting revoked ones', async () => {
    const clock = new ManualClock(1_000);
    const keyTrust = trust('a');
    const log = pino({ level: 'silent' });
    const store = new MemoryKeyValueStore();
    const { keys: ring, definitions } = await openKeyRing({ definitions: store, keyTrust, clock, log });
    const make = (tenant: string) =>
      ring.create({
        name: 'k',
        tenant,
        role: 'viewer',
        tenants: 'own',
        expires_at_ms: null,
        created_by: 'test',
      });
    for (let count = 0; count < MAX_KEYS_PER_TENANT; count++) await make('a');
    await expect(make('a')).rejects.toMatchObject({ code: 'too_many_keys', status: 429 });
    await make('b');
    const [revoked] = ring.list('a', ALL);
    await ring.revoke('a', revoked?.id ?? '', ALL);
    await make('a');
    expect(ring.list('a', ALL)).toHaveLength(MAX_KEYS_PER_TENANT);
    await expect(ring.revoke('a', revoked?.id ?? '', ALL)).rejects.toMatchObject({ code: 'not_found' });
    await definitions.close();
  });
});

describe('a bucket of keys that is deleted', () => {
  it('comes back with the keys, the revoked ones too', async () => {
    const store = new MemoryKeyValueStore();
    const log = pino({ level: 'silent' });
    const parts = { definitions: store, keyTrust: trust('a'), clock: new ManualClock(1_000), log };
    const { keys: ring, definitions } = await openKeyRing(parts);
    const key = { name: 'k', tenant: 'a', role: 'viewer', tenants: 'own', expires_at_ms: null } as const;
    const { token } = await ring.create({ ...key, created_by: 'test' });
    const gone = await ring.create({ ...key, created_by: 'test' });
    await ring.revoke('a', gone.record.id, ALL);
    store.lose();
    await expect(ring.create({ ...key, created_by: 'test' })).rejects.toMatchObject({
      code: 'kv_unavailable',
    });
    expect(definitions.status).toMatchObject({ state: 'unavailable', code: 'kv_unavailable' });
    expect(ring.match(token)).toMatchObject({ tenant: 'a' });
    await vi.waitFor(() => expect(definitions.status).toEqual({ state: 'ok' }), PATIENTLY);
    const { keys: other, definitions: others } = await openKeyRing(parts);
    expect(other.match(token)).toMatchObject({ tenant: 'a' });
    expect(() => other.match(gone.token)).toThrow(expect.objectContaining({ code: 'key_revoked' }));
    await definitions.close();
    await others.close();
  });
});

describe('cursors', () => {
  it('are bound to their filter, whatever the order of its members, and to the secret', async () => {
    const [one, other] = [Cursors.of(trust('a')), Cursors.of(trust('a'))];
    const cursor = one.encode({ a: 1, b: 2 }, ['x', 3]);
    expect(other.decode({ b: 2, a: 1 }, cursor)).toEqual(['x', 3]);
    expect(() => other.decode({ b: 2, a: 2 }, cursor)).toThrow(
      expect.objectContaining({ code: 'cursor_mismatch' }),
    );
    const stranger = Cursors.of(trust('b'));
    for (const bad of [cursor.slice(0, -1), `${cursor}A`, 'x', '😀', cursor.toLowerCase()]) {
      expect(() => one.decode({ a: 1, b: 2 }, bad)).toThrow(
        expect.objectContaining({ code: 'invalid_cursor' }),
      );
    }
    expect(() => stranger.decode({ a: 1, b: 2 }, cursor)).toThrow(
      expect.objectContaining({ code: 'invalid_cursor' }),
    );
  });

  it('go on behind an entry that is gone, before one that is new', async () => {
    const cursors = Cursors.of(trust('a'));
    const key = (value: number): readonly [number, string] => [value, ''];
    const first = pageOf(cursors, [1, 3, 5, 7], key, null, { limit: 2 });
    const cursor = first.next_cursor ?? '';
    expect(pageOf(cursors, [2, 5, 6, 7], key, null, { limit: 2, cursor }).items).toEqual([5, 6]);
    expect(pageOf(cursors, [2, 3], key, null, { limit: 2, cursor })).toEqual({
      items: [],
      next_cursor: null,
    });
  });
});

describe('limits', () => {
  it('refill with time, for each caller', () => {
    const limiter = new RateLimiter({ requests_per_s: 2, burst: 1 });
    expect(limiter.take('a', 0)).toMatchObject({ remaining: 0, full_in_s: 1 });
    expect(limiter.take('a', 400)).toMatchObject({ remaining: 0, wait_s: 1 });
    expect(limiter.take('b', 400)).not.toHaveProperty('wait_s');
    expect(limiter.take('a', 600)).not.toHaveProperty('wait_s');
    const own = { requests_per_s: 0.1, burst: 3 };
    const quota = limiter.take('c', 0, own);
    expect(rateLimitHeaders(quota)).toEqual({
      'RateLimit-Policy': '"requests";q=3;w=30',
      RateLimit: '"requests";r=2;t=10',
    });
    for (let count = 0; count < 2; count++) limiter.take('c', 0, own);
    expect(limiter.take('c', 5_000, own)).toMatchObject({ remaining: 0, wait_s: 5 });
  });

  it('bound the bodies in memory by caller, but let a single one through', () => {
    const budget = new BodyBudget({ all_bytes: 20, tenant_bytes: 15, key_bytes: 10 });
    const pace = { deadline_ms: 1_000, least_bytes_per_s: 1, window_ms: 1_000 };
    const leaseOf = (tenant: string, key: string) => new BodyLease(budget, { tenant, key }, pace);
    const refused = (detail: string) =>
      expect.objectContaining({ code: 'too_busy', message: expect.stringContaining(detail) });
    const large = leaseOf('a', 'a1');
    large.hold(30);
    expect(() => leaseOf('a', 'a1').hold(1)).toThrow(refused('of this key'));
    expect(() => leaseOf('b', 'b1').hold(1)).toThrow(refused('The server holds as'));
    large.hold(9);
    expect(() => leaseOf('a', 'a1').hold(2)).toThrow(refused('of this key'));
    expect(() => leaseOf('a', 'a2').hold(7)).toThrow(refused('of this tenant'));
    const other = leaseOf('b', 'b1');
    other.hold(11);
    expect(budget.held_bytes).toBe(20);
    other.hold(4);
    expect(budget.held_bytes).toBe(13);
    large.release();
    other.release();
    other.release();
    expect(budget.held_bytes).toBe(0);
  });
});

describe('freshness', () => {
  const EMPTY: PipelineStatus = {
    ...{ state: 'running', since_ms: 0, metrics: [], nats: { connected: true }, mermaid: '' },
    topology: { name: 'none', nodes: [] },
  };
  const progress = (sequence: number) => ({
    ...{ commit: 1, stream: 'EVENTS', incarnation: 'x', partition: '0', sequence, watermark_ms: null },
    ...{ committed_at_ms: 0, head: 0, outbox_next: 0, notices: {} },
  });

  it('is not told from the last commit while there is a backlog', () => {
    const clock = new ManualClock(1_000);
    let head = 100;
    const tracker = new FreshnessTracker({
      monotonic: () => clock.now(),
      reader: () => undefined,
      pipeline: () => EMPTY,
      stream: { headHint: () => ({ sequence: head, heard_at_ms: clock.now() }) },
    });
    clock.advance(500);
    // Half of what there was when it was first heard of.
    expect(tracker.of(progress(50))).toEqual({
      ...{ sequence: 50, lag_messages: 50, staleness_ms: null, catching_up: 0.5 },
    });
    clock.advance(500);
    head = 200;
    expect(tracker.of(progress(60))).toMatchObject({
      ...{ lag_messages: 140, staleness_ms: null, catching_up: 0.6 },
    });
    // The end as it was seen at 1,500 is reached.
    clock.advance(500);
    expect(tracker.of(progress(100))).toEqual({ sequence: 100, lag_messages: 100, staleness_ms: 1_000 });
    expect(tracker.of(progress(200))).toEqual({ sequence: 200, lag_messages: 0, staleness_ms: 0 });
    tracker.close();
  });

  it('goes by the last word of the server, and claims nothing beside a failed pipeline', () => {
    const clock = new ManualClock(1_000);
    let pipeline = EMPTY;
    const heard = { sequence: 100, heard_at_ms: 1_000 };
    const tracker = new FreshnessTracker({
      monotonic: () => clock.now(),
      reader: () => undefined,
      pipeline: () => pipeline,
      stream: { headHint: () => heard },
    });
    clock.advance(7_000);
    expect(tracker.of(progress(100))).toEqual({ sequence: 100, lag_messages: 0, staleness_ms: 7_000 });
    pipeline = { ...EMPTY, nats: { connected: false } };
    expect(tracker.of(progress(100))).toMatchObject({
      ...{ lag_messages: null, staleness_ms: 7_000, doubt: { code: 'nats_disconnected' } },
    });
    pipeline = { ...EMPTY, state: 'failed', error: { code: 'stream_recreated', message: 'Another one.' } };
    expect(tracker.of(progress(100))).toMatchObject({
      ...{ lag_messages: null, staleness_ms: null },
      doubt: { code: 'stream_recreated', problem: 'stream_recreated' },
    });
    tracker.close();
  });
});

describe('problems', () => {
  it('of unknown errors tell nothing', () => {
    const { problem, fault } = problemOf(new TypeError('secret'), 'r1');
    expect(problem).toMatchObject({ status: 500, code: 'internal', instance: 'urn:request:r1' });
    expect(JSON.stringify(problem)).not.toContain('secret');
    expect(fault?.cause).toBeInstanceOf(TypeError);
  });
});
