import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MemoryObjectStore, type ObjectStore } from '../../../engine/index.ts';
import { startTestNats, type TestNats } from '../../../test/nats.ts';
import { connectNats, type NatsLink, openManager } from '../client/index.ts';
import { openObjectStore } from './object-store.ts';

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

describe.each([
  ['NATS', () => openObjectStore(link, `o${++buckets}`)],
  ['memory', async () => new MemoryObjectStore()],
] as const)('the contract of an object store, on %s', (_, open) => {
  it.each([0, 1, 128 * 1024, 700_001])('gives back %i bytes', async (size) => {
    const store: ObjectStore = await open();
    const bytes = randomBytes(size);
    const { size_bytes, sha256 } = await store.put('a/b ü', bytes);
    expect([size_bytes, sha256.length]).toEqual([size, 64]);
    expect(Buffer.from((await store.get('a/b ü')) ?? []).equals(bytes)).toBe(true);
  });

  it('has the newest of a name, and nothing of what was deleted', async () => {
    const store = await open();
    expect(await store.get('a')).toBeUndefined();
    await store.delete('a');
    await store.put('a', Buffer.from('one'));
    await store.put('a', Buffer.from('two'));
    await store.put('b', Buffer.from('other'));
    expect(Buffer.from((await store.get('a')) ?? []).toString()).toBe('two');
    await store.delete('a');
    expect(await store.get('a')).toBeUndefined();
    expect(Buffer.from((await store.get('b')) ?? []).toString()).toBe('other');
    await store.put('a', Buffer.from('again'));
    expect(Buffer.from((await store.get('a')) ?? []).toString()).toBe('again');
  });
});

describe('objects on NATS', () => {
  it('leave no chunks behind, and say where one is missing', async () => {
    const bucket = `o${++buckets}`;
    const store = await openObjectStore(link, bucket);
    await store.put('a', randomBytes(300_000));
    await store.put('a', randomBytes(300_000));
    const manager = await openManager(link);
    // Three chunks and what names them.
    expect((await manager.streams.info(`OBJ_${bucket}`)).state.messages).toBe(4);
    await manager.streams.purge(`OBJ_${bucket}`, { filter: `$O.${bucket}.C.>`, keep: 1 });
    await expect(store.get('a')).rejects.toMatchObject({ code: 'object_damaged' });
    await store.delete('a');
    expect((await manager.streams.info(`OBJ_${bucket}`)).state.messages).toBe(1);
  });

  it('lie where other clients of NATS look for them, whatever the length of the name', async () => {
    const bucket = `o${++buckets}`;
    const store = await openObjectStore(link, bucket);
    const manager = await openManager(link);
    for (const name of ['a', 'ab', 'abc', 'default/model~1.json']) {
      await store.put(name, Buffer.from('one'));
      const encoded = Buffer.from(name).toString('base64').replaceAll('+', '-').replaceAll('/', '_');
      const last_by_subj = `$O.${bucket}.M.${encoded}`;
      const found = await manager.streams.getMessage(`OBJ_${bucket}`, { last_by_subj });
      // That of "one", by sha256sum and base64.
      expect(found?.json()).toMatchObject({
        ...{ name, size: 3, chunks: 1 },
        digest: 'SHA-256=dpLDrTVAu4A8Ags67mbNiIcSMjTqDG5xQ8Ct1z_0Me0=',
      });
    }
  });

  it('come back when their bucket was deleted', async () => {
    const bucket = `o${++buckets}`;
    const store = await openObjectStore(link, bucket);
    await store.put('a', Buffer.from('one'));
    await (await openManager(link)).streams.delete(`OBJ_${bucket}`);
    expect(await store.get('a')).toBeUndefined();
    await store.put('a', Buffer.from('two'));
    expect(Buffer.from((await store.get('a')) ?? []).toString()).toBe('two');
  });
});
