import { createHmac } from 'node:crypto';
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { type KeyValueEntry, ManualClock } from '../../engine/index.ts';
import { canonicalJson, type KeyTrust, openKeyTrust, openSigned, signed } from '../../runtime/index.ts';
import { MemoryKeyValueStore } from '../fixture-memory.ts';
import { bootstrapAdminKey } from './bootstrap.ts';
import { type KeyRing, openKeyRing } from './key-ring.ts';

const clock = new ManualClock(1_000);
const log = pino({ level: 'silent' });
const ADMIN = { name: 'k', tenant: 'default', role: 'admin', tenants: '*', expires_at_ms: null } as const;
const ALL = { tenants: '*' } as const;
const NEW = { ...ADMIN, created_by: 'test' };

let keys: MemoryKeyValueStore;
/** The bucket of former versions. */
let former: MemoryKeyValueStore;
let dataDir: string;

beforeEach(async () => {
  keys = new MemoryKeyValueStore();
  former = new MemoryKeyValueStore();
  dataDir = await mkdtemp(join(tmpdir(), 'millrace-trust-'));
  const folder = dataDir;
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
});

const trust = (isUpgrade = false, secret?: string): KeyTrust => openKeyTrust(dataDir, secret, isUpgrade);

async function ringOf(keyTrust = trust()): Promise<KeyRing> {
  const { keys: ring, definitions } = await openKeyRing({ definitions: keys, keyTrust, clock, log });
  onTestFinished(() => definitions.close());
  return ring;
}

const refusals = (ring: KeyRing): number | undefined => ring.samples()[0]?.value;

const placeOf = (id: string): string => `def.api_key.default.${id}`;

async function entryOf(id: string): Promise<KeyValueEntry> {
  const entry = await keys.get(placeOf(id));
  if (entry === undefined) throw new Error(`no key ${id}`);
  return entry;
}

const putBack = async (id: string, value: unknown): Promise<void> => {
  const { revision } = await entryOf(id);
  expect((await keys.update(placeOf(id), value, revision)).ok).toBe(true);
};

type Start = { readonly created: boolean; readonly key?: string };

const start = (keyTrust: KeyTrust, adminKey?: string): Promise<Start> =>
  bootstrapAdminKey({
    ...{ definitions: keys, formerKeys: former, keyTrust, clock, log },
    settings: { adminKey } as never,
  });

/** A key of all tenants as a former version wrote it, before it signed what it wrote. */
function formerKey(id: string, token: string, more: object = {}): Record<string, unknown> {
  const salt = 'ab'.repeat(16);
  const hash = createHmac('sha256', salt).update(token).digest('hex');
  const made = { ...NEW, created_at_ms: 500, revoked_at_ms: null, salt, hash };
  return { id, ...made, ...more };
}

const tokenOf = (id: string): string => `mr_${id}_${'0'.repeat(48)}`;

describe('records of API keys', () => {
  it('count when they were written by the service', async () => {
    const { token } = await (await ringOf()).create(NEW);
    expect((await ringOf()).match(token)).toMatchObject({ role: 'admin' });
    expect((await stat(join(dataDir, 'key-signing.secret'))).mode & 0o777).toBe(0o600);
  });

  it.each([
    ['under another id', (record: object) => ({ ...record, id: 'ffffffffffffffff' })],
    [
      'with another role',
      (record: object) => ({ ...record, body: { ...Object(record).body, role: 'admin' } }),
    ],
    ['with a signature of anything', (record: object) => ({ ...record, signature: 'ab'.repeat(32) })],
    ['with no signature', (record: object) => ({ ...record, signature: undefined })],
    [
      'signed with another secret',
      (record: object) =>
        signed(Buffer.from('x'), placeOf('ffffffffffffffff'), { ...record, id: 'ffffffffffffffff' }),
    ],
  ])('written by hand %s make no key', async (_, forge) => {
    const keyTrust = trust();
    const ring = await ringOf(keyTrust);
    const { record, token } = await ring.create({ ...NEW, role: 'viewer', tenants: 'own' });
    const { value } = await entryOf(record.id);
    const id = 'ffffffffffffffff';
    await keys.create(placeOf(id), forge(value as object));
    const forged = token.replace(record.id, id);
    for (const each of [ring, await ringOf(keyTrust)]) {
      expect(each.match(forged)).toBeUndefined();
      expect(refusals(each)).toBe(1);
      expect(each.list('default', ALL)).toHaveLength(1);
    }
  });

  it('put over a key change nothing of it, and are replaced when it is revoked', async () => {
    const ring = await ringOf();
    const { record, token } = await ring.create({ ...NEW, role: 'viewer' });
    const { value } = await entryOf(record.id);
    await putBack(record.id, { ...Object(value), body: { ...Object(value).body, role: 'admin' } });
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
    expect(refusals(restarted)).toBe(1);
    await keys.delete(placeOf(record.id));
    await keys.create(placeOf(record.id), before);
    expect((await ringOf()).match(token)).toBeUndefined();
  });

  it('of a revoked ADMIN_KEY stay revoked, though the bucket lost it', async () => {
    const preset = (): Promise<Start> => start(trust(), 'a'.repeat(20));
    await preset();
    const ring = await ringOf();
    await ring.revoke('default', 'preset', ALL);
    await keys.delete(placeOf('preset'));
    expect(await preset()).toEqual({ created: false });
    expect((await ringOf()).match('a'.repeat(20))).toBeUndefined();
    expect(await start(trust(), 'b'.repeat(20))).toEqual({ created: true });
    expect((await ringOf()).match('b'.repeat(20))).toMatchObject({ key_id: 'preset' });
  });

  it('are common to processes with the same secret', async () => {
    const secret = 's'.repeat(32);
    const { token } = await (await ringOf(trust(false, secret))).create(NEW);
    expect((await ringOf(trust(false, secret))).match(token)).toBeDefined();
    expect((await ringOf(trust(false, 't'.repeat(32)))).match(token)).toBeUndefined();
  });
});

describe('keys of the bucket of former versions', () => {
  const [LIVE, GONE] = ['1'.repeat(16), '2'.repeat(16)];
  const put = async (keyTrust: KeyTrust, record: Record<string, unknown>): Promise<void> => {
    const place = `key.${String(record.id)}`;
    await former.delete(place);
    await former.create(place, signed(keyTrust.secret, place, record));
  };

  it('are moved at the first start, with their tokens, times and revocations', async () => {
    const keyTrust = trust();
    const more = { version: 1, name: ' ci\n', scopes: ['kpis:read'], expires_at_ms: 9_000 };
    await put(keyTrust, formerKey(LIVE, tokenOf(LIVE), more));
    await put(keyTrust, formerKey(GONE, tokenOf(GONE), { version: 2, revoked_at_ms: 700 }));
    await put(keyTrust, formerKey('preset', 'a'.repeat(20), { version: 3, tenants: '*' }));
    await former.create('secret.cursor', { secret: 'x' });
    expect(await start(keyTrust, 'a'.repeat(20))).toEqual({ created: false });
    expect(await former.list()).toEqual([]);
    for (const ring of [await ringOf(), await ringOf(trust())]) {
      expect(ring.match(tokenOf(LIVE))).toMatchObject({
        ...{ key_id: LIVE, name: ' ci\n', role: 'admin', tenants: '*', scopes: ['kpis:read'] },
        ...{ tenant: 'default', rate_limit: null, expires_at_ms: 9_000 },
      });
      expect(() => ring.match(tokenOf(GONE))).toThrow(expect.objectContaining({ code: 'key_revoked' }));
      expect(ring.match('a'.repeat(20))).toMatchObject({ key_id: 'preset' });
      expect(ring.list('default', ALL).map((key) => [key.id, key.created_at_ms, key.revoked_at_ms])).toEqual([
        ...[LIVE, GONE, 'preset'].map((id) => [id, 500, id === GONE ? 700 : null]),
      ]);
    }
  });

  it('are taken by one of two processes that start at once', async () => {
    const secret = 's'.repeat(32);
    await put(trust(false, secret), formerKey(LIVE, tokenOf(LIVE), { version: 1 }));
    const both = [0, 1].map(() => start(trust(false, secret)));
    expect(await Promise.all(both)).toEqual([{ created: false }, { created: false }]);
    expect((await ringOf(trust(false, secret))).list('default', ALL)).toHaveLength(1);
  });

  it.each([
    ['nobody signed', (record: Record<string, unknown>) => record],
    [
      'was signed for another place',
      (record: Record<string, unknown>) => signed(trust().secret, 'key.x', record),
    ],
    [
      'another secret signed',
      (record: Record<string, unknown>) => signed(Buffer.from('x'), `key.${LIVE}`, record),
    ],
  ])('are not taken where a record %s', async (_, forge) => {
    await former.create(`key.${LIVE}`, forge({ ...formerKey(LIVE, tokenOf(LIVE)), version: 1 }));
    expect((await start(trust())).created).toBe(true);
    expect((await ringOf()).match(tokenOf(LIVE))).toBeUndefined();
    expect(await former.list()).toHaveLength(1);
  });

  it('put back there later do not bring back one that was revoked since, deleted or not', async () => {
    const keyTrust = trust();
    const old = formerKey(LIVE, tokenOf(LIVE), { version: 1 });
    await put(keyTrust, old);
    await start(keyTrust);
    await (await ringOf()).revoke('default', LIVE, ALL);
    await put(keyTrust, old);
    await start(trust());
    const ring = await ringOf();
    expect(() => ring.match(tokenOf(LIVE))).toThrow(expect.objectContaining({ code: 'key_revoked' }));
    await put(keyTrust, old);
    await keys.delete(placeOf(LIVE));
    await start(trust());
    expect((await ringOf()).match(tokenOf(LIVE))).toBeUndefined();
  });

  it('older than what was seen of them are not taken; an ADMIN_KEY that was revoked there stays so', async () => {
    const keyTrust = trust();
    const revoked = formerKey('preset', 'a'.repeat(20), { version: 2, revoked_at_ms: 700 });
    keyTrust.known.raise('key.preset', { version: 2, record: revoked });
    keyTrust.known.raise(`key.${LIVE}`, { version: 2 });
    await put(keyTrust, formerKey('preset', 'a'.repeat(20), { version: 1 }));
    await put(keyTrust, formerKey(LIVE, tokenOf(LIVE), { version: 1 }));
    expect(await start(trust(), 'a'.repeat(20))).toEqual({ created: false });
    const ring = await ringOf();
    expect(ring.match(tokenOf(LIVE))).toBeUndefined();
    expect(() => ring.match('a'.repeat(20))).toThrow(expect.objectContaining({ code: 'key_revoked' }));
  });

  it('of a version that did not sign are signed at the upgrade, and never after', async () => {
    const place = `key.${LIVE}`;
    await former.create(place, formerKey(LIVE, tokenOf(LIVE)));
    expect(await start(trust(true))).toEqual({ created: false });
    expect((await ringOf()).match(tokenOf(LIVE))).toMatchObject({ role: 'admin' });
    expect(await readFile(join(dataDir, 'known-keys.json'), 'utf8')).toBe('{}');
    await former.create(place, formerKey(LIVE, tokenOf(LIVE)));
    await keys.delete(placeOf(LIVE));
    expect((await start(trust(true))).created).toBe(true);
    expect((await ringOf()).match(tokenOf(LIVE))).toBeUndefined();
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
