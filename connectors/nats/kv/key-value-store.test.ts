import { setTimeout as sleep } from 'node:timers/promises';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { KeyValueChange, KeyValueStore } from '../../../engine/index.ts';
import { startTestNats, type TestNats } from '../../../test/nats.ts';
import { fc } from '../../../test/property.ts';
import { MemoryKeyValueStore } from '../../memory/index.ts';
import { connectNats, type NatsLink } from '../client/index.ts';
import { encodeKey, openKeyValueStore } from './key-value-store.ts';

let nats: TestNats;
let link: NatsLink;
let buckets = 0;

beforeAll(async () => {
  nats = await startTestNats();
  link = await connectNats({ url: nats.url, name: 'test' });
});

afterAll(async () => {
  await link?.close();
  await nats?.stop();
});

const fail = (error: unknown): void => {
  throw error;
};

async function until(condition: () => boolean, what: string): Promise<void> {
  for (const deadline = performance.now() + 60_000; !condition(); await sleep(10)) {
    if (performance.now() > deadline) throw new Error(`It did not happen: ${what}`);
  }
}

describe.each([
  ['a NATS bucket', () => openKeyValueStore(link, `b${++buckets}`)],
  ['memory', async () => new MemoryKeyValueStore()],
] as const)('the contract of a key-value store, on %s', (_, open) => {
  let store: KeyValueStore;

  beforeEach(async () => {
    store = await open();
  });

  /** Writes and expects it to be done. */
  async function create(key: string, value: unknown): Promise<number> {
    const written = await store.create(key, value);
    if (!written.ok) throw new Error(`"${key}" exists`);
    return written.revision;
  }

  it('gives back what was created', async () => {
    expect(await store.get('a')).toBeUndefined();
    const value = { name: 'ä', list: [1, null, true], nested: { x: 1.5 } };
    const revision = await create('a', value);
    expect(await store.get('a')).toEqual({ key: 'a', value, revision });
  });

  it('creates once', async () => {
    const revision = await create('a', 1);
    expect(await store.create('a', 2)).toEqual({ ok: false, current: { key: 'a', value: 1, revision } });
  });

  it('updates only the revision that was read', async () => {
    const first = await create('a', 1);
    const second = await store.update('a', 2, first);
    expect(second.ok).toBe(true);
    const current = await store.get('a');
    expect(current?.value).toBe(2);
    expect(await store.update('a', 3, first)).toEqual({ ok: false, current });
    expect(await store.update('b', 3, first)).toEqual({ ok: false, current: undefined });
    expect(await store.update('b', 3, 0)).toEqual({ ok: false, current: undefined });
  });

  it('lets one of many concurrent updates win', async () => {
    const revision = await create('a', 0);
    const results = await Promise.all([1, 2, 3, 4, 5].map((n) => store.update('a', n, revision)));
    expect(results.filter(({ ok }) => ok)).toHaveLength(1);
  });

  it('lets one of many concurrent creators win', async () => {
    const results = await Promise.all([1, 2, 3, 4, 5].map((n) => store.create('a', n)));
    expect(results.filter(({ ok }) => ok)).toHaveLength(1);
  });

  it('deletes, with and without a revision, and creates again', async () => {
    const first = await create('a', 1);
    expect(await store.delete('a', first + 100)).toMatchObject({ ok: false, current: { revision: first } });
    expect(await store.delete('a', 0)).toMatchObject({ ok: false, current: { revision: first } });
    expect(await store.delete('a', first)).toEqual({ ok: true });
    expect(await store.get('a')).toBeUndefined();
    expect(await store.update('a', 2, first)).toEqual({ ok: false, current: undefined });
    expect(await store.delete('a')).toEqual({ ok: true });
    expect(await store.delete('a', first)).toEqual({ ok: false, current: undefined });
    expect(await create('a', 3)).toBeGreaterThan(first);
    expect(await store.delete('a')).toEqual({ ok: true });
    expect(await store.list()).toEqual([]);
  });

  it('lists what is there, by key', async () => {
    expect(await store.list()).toEqual([]);
    const keys = ['b', 'a.c', 'a', 'Z', 'ümlaut/space x'];
    for (const key of keys) await create(key, { key });
    await create('gone', 1);
    await store.delete('gone');
    const listed = await store.list();
    expect(listed.map(({ key }) => key)).toEqual([...keys].sort());
    for (const { key, value, revision } of listed) {
      expect(value).toEqual({ key });
      expect(await store.get(key)).toEqual({ key, value, revision });
    }
  });

  it('takes any key and any JSON', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.string({ minLength: 1, maxLength: 40, unit: 'grapheme' }).filter((key) => key.length <= 256),
        fc.jsonValue(),
        async (key, json) => {
          const value: unknown = JSON.parse(JSON.stringify(json));
          await store.delete(key);
          await create(key, value);
          expect(await store.get(key)).toMatchObject({ key, value });
        },
      ),
      { numRuns: 40, seed: 7 },
    );
    for (const { key } of await store.list()) expect(await store.get(key)).toBeDefined();
  });

  it('refuses what it cannot keep', async () => {
    await expect(store.get('')).rejects.toMatchObject({ code: 'kv_key_invalid' });
    await expect(store.create('x'.repeat(257), 1)).rejects.toMatchObject({ code: 'kv_key_invalid' });
    await expect(store.create('a', undefined)).rejects.toMatchObject({ code: 'kv_value_invalid' });
    await expect(store.update('a', 1n, 1)).rejects.toMatchObject({ code: 'kv_value_invalid' });
  });

  it('does not let a caller change what is stored', async () => {
    const value = { list: [1] };
    await create('a', value);
    value.list.push(2);
    const read = await store.get('a');
    if (read !== undefined) (read.value as { list: number[] }).list.push(3);
    expect((await store.get('a'))?.value).toEqual({ list: [1] });
  });

  it('tells a watcher of what is there, then of each change, until it stops', async () => {
    await create('a', 1);
    await create('b', 1);
    await store.delete('b');
    const seen: KeyValueChange[] = [];
    const stop = await store.watch((change) => seen.push(change), fail);
    expect(seen).toEqual([{ kind: 'put', key: 'a', value: 1, revision: expect.any(Number) }]);
    const revision = await create('c/d', 'x');
    await until(() => seen.length === 2, 'the creation is seen');
    expect(seen[1]).toEqual({ kind: 'put', key: 'c/d', value: 'x', revision });
    const updated = await store.update('c/d', 'y', revision);
    await until(() => seen.length === 3, 'the update is seen');
    expect(seen[2]).toMatchObject({
      kind: 'put',
      key: 'c/d',
      value: 'y',
      ...(updated.ok ? { revision: updated.revision } : {}),
    });
    await store.delete('c/d');
    await until(() => seen.length === 4, 'the deletion is seen');
    expect(seen[3]).toEqual({ kind: 'delete', key: 'c/d' });
    await stop();
    await create('late', 1);
    await sleep(50);
    expect(seen).toHaveLength(4);
  });

  it('goes on when a watcher throws', async () => {
    const errors: unknown[] = [];
    const seen: string[] = [];
    const stop = await store.watch(
      ({ key }) => {
        seen.push(key);
        if (key === 'bad') throw new Error('bad');
      },
      (error) => errors.push(error),
    );
    await create('bad', 1);
    await create('good', 1);
    await until(() => seen.includes('good'), 'the second is seen');
    expect(errors).toEqual([new Error('bad')]);
    await stop();
  });
});

describe('a NATS bucket', () => {
  it('is the same for all who open it', async () => {
    const [one, other] = [await openKeyValueStore(link, 'shared'), await openKeyValueStore(link, 'shared')];
    const seen: KeyValueChange[] = [];
    const stop = await other.watch((change) => seen.push(change), fail);
    await one.create('a', 1);
    await until(() => seen.length === 1, 'the other sees it');
    expect((await other.get('a'))?.value).toBe(1);
    await stop();
  });

  it('reports a value that is not JSON, and tells of the others', async () => {
    const store = await openKeyValueStore(link, 'poison');
    await jetstream(link.connection).publish('$KV.poison.bad', 'not json');
    await store.create('good', 1);
    const seen: string[] = [];
    const errors: unknown[] = [];
    const stop = await store.watch(
      ({ key }) => seen.push(key),
      (error) => errors.push(error),
    );
    expect(seen).toEqual(['good']);
    expect(errors).toMatchObject([{ code: 'kv_value_invalid', message: expect.stringContaining('"bad"') }]);
    await expect(store.get('bad')).rejects.toMatchObject({ code: 'kv_value_invalid' });
    await expect(store.list()).rejects.toMatchObject({ code: 'kv_value_invalid' });
    await stop();
  });

  it('is watched through a restart of the server, and when it is made anew', async () => {
    let server = await startTestNats();
    const { port, storeDir } = server;
    const own = await connectNats({ url: server.url, name: 'test' });
    const values = new Map<string, unknown>();
    const problems: unknown[] = [];
    try {
      const store = await openKeyValueStore(own, 'defs');
      await store.create('a', 1);
      await store.create('b', 1);
      const stop = await store.watch(
        (change) => {
          if (change.kind === 'put') values.set(change.key, change.value);
          else values.delete(change.key);
        },
        (error) => problems.push(error),
      );
      await server.kill();
      await until(() => !own.connected, 'the server is missed');
      await expect(store.get('a')).rejects.toMatchObject({ code: 'kv_unavailable', retriable: true });
      server = await startTestNats({ port, storeDir });
      await until(() => own.connected, 'the server is back');
      const a = await store.get('a');
      await store.update('a', 2, a?.revision ?? 0);
      await until(() => values.get('a') === 2, 'the watcher sees the update');
      const manager = await jetstreamManager(own.connection);
      await manager.streams.delete('KV_defs');
      const anew = await openKeyValueStore(own, 'defs');
      await anew.create('b', 9);
      await until(() => values.get('b') === 9 && !values.has('a'), 'the watcher sees the new bucket');
      expect(problems).toMatchObject([{ code: 'stream_recreated' }]);
      await stop();
    } finally {
      await own.close();
      await server.stop();
    }
  });

  it('encodes keys as NATS takes them', () => {
    expect(encodeKey('orders.eu-1_x')).toBe('orders.eu-1_x');
    expect(encodeKey('a=b/c')).toBe('a=3db=2fc');
    expect(encodeKey('.a..b.')).toBe('=2ea.=2eb=2e');
    expect(encodeKey('ä')).toBe('=c3=a4');
    expect(encodeKey('>')).toBe('=3e');
  });
});
