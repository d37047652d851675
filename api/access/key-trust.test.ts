import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { type KeyValueEntry, ManualClock } from '../../engine/index.ts';
import { canonicalJson, type KeyTrust, openKeyTrust, openSigned, signed } from '../../runtime/index.ts';
import { MemoryKeyValueStore } from '../fixture-memory.ts';
import { bootstrapAdminKey } from './bootstrap.ts';
import { KeyRing } from './key-ring.ts';

const clock = new ManualClock(1_000);
const log = pino({ level: 'silent' });
const ADMIN = { name: 'k', tenant: 'default', role: 'admin', tenants: '*', expires_at_ms: null } as const;
const ALL = { tenants: '*' } as const;
const NEW = { ...ADMIN, created_by: 'test' };

let keys: MemoryKeyValueStore;
let dataDir: string;

beforeEach(async () => {
  keys = new MemoryKeyValueStore();
  dataDir = await mkdtemp(join(tmpdir(), 'millrace-trust-'));
  const folder = dataDir;
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
});

const trust = (isUpgrade = false, secret?: string): KeyTrust => openKeyTrust(dataDir, secret, isUpgrade);

async function ringOf(keyTrust = trust()): Promise<KeyRing> {
  const ring = new KeyRing({ keys, keyTrust, clock, log });
  await ring.open();
  onTestFinished(() => ring.close());
  return ring;
}

async function entryOf(id: string): Promise<KeyValueEntry> {
  const entry = await keys.get(`key.${id}`);
  if (entry === undefined) throw new Error(`no key ${id}`);
  return entry;
}

const putBack = async (id: string, value: unknown): Promise<void> => {
  const { revision } = await entryOf(id);
  expect((await keys.update(`key.${id}`, value, revision)).ok).toBe(true);
};

/** As a version wrote it that did not sign. */
const unsignedOf = ({ value }: KeyValueEntry): object => {
  const { signature: _, version: __, ...record } = value as Record<string, unknown>;
  return record;
};

describe('records of API keys', () => {
  it('count when they were written by the service', async () => {
    const { token } = await (await ringOf()).create(NEW);
    expect((await ringOf()).match(token)).toMatchObject({ role: 'admin' });
    expect((await stat(join(dataDir, 'key-signing.secret'))).mode & 0o777).toBe(0o600);
  });

  it.each([
    ['under another id', (record: object) => ({ ...record, id: 'ffffffffffffffff' })],
    ['with another role', (record: object) => ({ ...record, role: 'admin' })],
    ['with a signature of anything', (record: object) => ({ ...record, signature: 'ab'.repeat(32) })],
    ['with no signature', (record: object) => ({ ...record, signature: undefined })],
    [
      'signed with another secret',
      (record: object) => signed(Buffer.from('x'), 'key.ffffffffffffffff', record),
    ],
  ])('written by hand %s make no key', async (_, forge) => {
    const keyTrust = trust();
    const ring = await ringOf(keyTrust);
    const { record, token } = await ring.create({ ...NEW, role: 'viewer', tenants: 'own' });
    const { value } = await entryOf(record.id);
    const id = 'ffffffffffffffff';
    await keys.create(`key.${id}`, forge(value as object));
    const forged = token.replace(record.id, id);
    for (const each of [ring, await ringOf(keyTrust)]) {
      expect(each.match(forged)).toBeUndefined();
      expect(each.refusals).toBe(1);
      expect(each.list('default', ALL)).toHaveLength(1);
    }
  });

  it('put over a key change nothing of it, and are replaced when it is revoked', async () => {
    const ring = await ringOf();
    const { record, token } = await ring.create({ ...NEW, role: 'viewer' });
    const { value } = await entryOf(record.id);
    await putBack(record.id, { ...(value as object), role: 'admin' });
    expect(ring.match(token)).toMatchObject({ role: 'viewer' });
    await ring.revoke('default', record.id, ALL);
    expect(() => ring.match(token)).toThrow(expect.objectContaining({ code: 'key_revoked' }));
    const again = await ringOf();
    expect(() => again.match(token)).toThrow(expect.objectContaining({ code: 'key_revoked' }));
  });

  it('of before a revocation do not bring the key back, now or after a restart', async () => {
    const ring = await ringOf();
    const { record, token } = await ring.create(NEW);
    const { value: before } = await entryOf(record.id);
    await ring.revoke('default', record.id, ALL);
    await putBack(record.id, before);
    expect(() => ring.match(token)).toThrow(expect.objectContaining({ code: 'key_revoked' }));
    const restarted = await ringOf();
    expect(restarted.match(token)).toBeUndefined();
    expect(restarted.refusals).toBe(1);
    await keys.delete(`key.${record.id}`);
    await keys.create(`key.${record.id}`, before);
    expect((await ringOf()).match(token)).toBeUndefined();
  });

  it('of a revoked ADMIN_KEY stay revoked, though the bucket lost it', async () => {
    const settings = { adminKey: 'a'.repeat(20) } as never;
    const start = (): Promise<unknown> =>
      bootstrapAdminKey({ keys, keyTrust: trust(), clock, log, settings });
    await start();
    const ring = await ringOf();
    await ring.revoke('default', 'preset', ALL);
    await keys.delete('key.preset');
    expect(await start()).toEqual({ created: false });
    expect((await ringOf()).match('a'.repeat(20))).toBeUndefined();
  });

  it('of a version that did not sign are signed at the upgrade, and never after', async () => {
    const { record, token } = await (await ringOf()).create(NEW);
    const old = unsignedOf(await entryOf(record.id));
    await putBack(record.id, old);
    await rm(join(dataDir, 'known-keys.json'), { force: true });
    const settings = { adminKey: undefined } as never;
    const start = (isUpgrade: boolean): Promise<{ readonly created: boolean }> =>
      bootstrapAdminKey({ keys, keyTrust: trust(isUpgrade), clock, log, settings });
    expect(await start(true)).toEqual({ created: false });
    expect((await ringOf()).match(token)).toMatchObject({ role: 'admin' });
    expect(await readFile(join(dataDir, 'known-keys.json'), 'utf8')).toBe('{}');
    await putBack(record.id, old);
    expect((await start(true)).created).toBe(true);
    expect((await ringOf()).match(token)).toBeUndefined();
  });

  it('are common to processes with the same secret', async () => {
    const secret = 's'.repeat(32);
    const { token } = await (await ringOf(trust(false, secret))).create(NEW);
    expect((await ringOf(trust(false, secret))).match(token)).toBeDefined();
    expect((await ringOf(trust(false, 't'.repeat(32)))).match(token)).toBeUndefined();
  });
});

it('a signature is of the value, not of the order of its members', () => {
  const secret = Buffer.from('secret');
  const { signature, ...rest } = signed(secret, 'k', { a: 1, b: { d: [2, { f: 1, e: null }], c: 'x' } });
  const turned = { signature, b: { c: 'x', d: rest.b.d }, a: 1 };
  expect(openSigned(secret, 'k', turned)).toEqual({ kind: 'signed', record: rest });
  expect(openSigned(secret, 'l', turned).kind).toBe('forged');
  expect(openSigned(secret, 'k', rest).kind).toBe('unsigned');
  expect(canonicalJson({ b: 1, a: [{ d: 1, c: 2 }] })).toBe('{"a":[{"c":2,"d":1}],"b":1}');
});
