import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { type BlobStore, MemoryKeyValueStore, openBlobStore } from '../../connectors/index.ts';
import { Archive } from './archive.ts';
import { ArchiveKeeper } from './archive-keeper.ts';
import { ArchiveWriter } from './archive-writer.ts';
import type { Erased } from './erase.ts';
import { ListedStream, orders, T0 } from './fixture-archive.ts';
import { spanName } from './manifest.ts';
import { encodeSegment } from './segment.ts';
import { WriterLock } from './writer-lock.ts';

const ALL_MS = T0 + 1e9;
const COUNT = 12;

let folder: string;
let blobs: BlobStore;
let stream: ListedStream;
let keeper: ArchiveKeeper;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'millrace-list-'));
  blobs = openBlobStore(folder, undefined);
  stream = new ListedStream(orders(COUNT));
  keeper = new ArchiveKeeper({
    ...{ archive: new Archive(blobs), lock: new WriterLock(new MemoryKeyValueStore()), stream },
    ...{ applied: () => COUNT, isBuilding: () => false },
  });
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const run = (before_ms: number, isTrimmed = true) =>
  keeper.run({
    ...{ before_ms, now_ms: before_ms, isTrimmed, signal: new AbortController().signal },
    onProgress: () => undefined,
  });

const person = (id: string): Erased => ({
  tenant: 'a',
  owns: ({ customer_id }) => customer_id === id,
  mentions: () => false,
});

const numbers = (from: number, to: number): number[] =>
  Array.from({ length: to - from + 1 }, (_, at) => from + at);

async function sequences(): Promise<number[]> {
  const archive = new Archive(blobs);
  const found: number[] = [];
  for (const ref of await archive.segments(true))
    found.push(...(await archive.messages(ref)).map(({ sequence }) => sequence));
  return found;
}

/** As versions without owners write it. */
async function writeAsBefore(from: number, to: number, incarnation = stream.incarnation): Promise<string> {
  const facts = { ...(await stream.open().facts()), incarnation };
  const messages = orders(COUNT).slice(from - 1, to);
  const { manifest, files } = await encodeSegment(facts, { from, to }, messages, { now_ms: T0 });
  for (const [name, bytes] of files) await blobs.put(name, bytes);
  const name = `manifests/${spanName(from, to)}.json`;
  await blobs.put(name, Buffer.from(JSON.stringify(manifest)));
  return name;
}

/** The folder, with lists of a test. */
const withList = (list: BlobStore['list']): BlobStore => ({
  url: blobs.url,
  put: (...args) => blobs.put(...args),
  remove: (...args) => blobs.remove(...args),
  get: (...args) => blobs.get(...args),
  close: () => blobs.close(),
  list,
});

it('what an earlier version has archived behind a fence counts, and stays', async () => {
  await run(T0 + 8_000);
  await writeAsBefore(8, COUNT);
  await stream.trim(COUNT + 1);
  expect(await sequences()).toEqual(numbers(1, COUNT));
  for (let times = 0; times < 2; times++) {
    expect(await run(ALL_MS)).toMatchObject({ missed: null, archived_through: COUNT });
    expect(await sequences()).toEqual(numbers(1, COUNT));
  }
});

it('what an earlier version has archived partly again stops the next owner by name, and stays', async () => {
  await run(T0 + 8_000, false);
  const name = await writeAsBefore(5, COUNT);
  const before = await blobs.list('');
  await expect(run(ALL_MS)).rejects.toMatchObject({ code: 'archive_damaged' });
  expect(await blobs.list('')).toEqual(before);
  expect(before).toContain(name);
});

it('what an earlier version has archived again goes, unless it is of another stream', async () => {
  await run(T0 + 8_000, false);
  const name = await writeAsBefore(3, 6);
  await run(ALL_MS);
  expect(await blobs.list('')).not.toContain(name);
  expect(await sequences()).toEqual(numbers(1, COUNT));
  await writeAsBefore(3, 6, 'two');
  await expect(run(ALL_MS)).rejects.toMatchObject({ code: 'archive_damaged' });
  expect(await blobs.list('')).toContain(name);
});

it('a fence that is gone when it is read is looked for in a new list', async () => {
  await run(ALL_MS);
  let isFirst = true;
  const reader = new Archive(
    withList(async (prefix) => {
      const names = await blobs.list(prefix);
      if (isFirst) {
        isFirst = false;
        await keeper.erase(person('c1'));
        await keeper.erase(person('c2'));
      }
      return names;
    }),
  );
  expect(await reader.coverage(true)).toMatchObject({ from: 1, to: COUNT });
});

it('a list without a manifest that was being replaced is made again', async () => {
  await run(T0 + 5_000);
  await run(T0 + 9_000);
  await run(ALL_MS);
  let lists = 0;
  const reader = new Archive(
    withList(async (prefix) => {
      const names = await blobs.list(prefix);
      lists += 1;
      return lists === 1 ? names.filter((name) => !name.includes(spanName(5, 8))) : names;
    }),
  );
  expect((await reader.segments(true)).map(({ from }) => from)).toEqual([1, 5, 9]);
});

it('a segment that somebody has removed is missing, and no reason to list for ever', async () => {
  await run(T0 + 5_000);
  await run(T0 + 9_000);
  await run(ALL_MS);
  const [, second] = await new Archive(blobs).segments(true);
  await blobs.remove(second?.name ?? '');
  expect((await new Archive(blobs).segments(true)).map(({ from }) => from)).toEqual([1, 9]);
});

it('lists that change each time are an error that passes', async () => {
  await run(ALL_MS);
  let at = 100;
  const reader = new Archive(
    withList(async (prefix) => {
      at += 10;
      return [...(await blobs.list(prefix)), `manifests/${spanName(at, at + 5)}.json`];
    }),
  );
  await expect(reader.segments(true)).rejects.toMatchObject({ code: 'archive_changing', retriable: true });
});

it('a manifest that the owner before removes while the next one looks is no damage', async () => {
  await run(ALL_MS);
  const [ref] = await new Archive(blobs).segments(true);
  if (ref === undefined) throw new Error('no segment');
  const late = ref.name.replace(/-1\.1\.json$/, '-1.7.json');
  const bytes = await blobs.get(ref.name);
  let lists = 0;
  const slow = withList(async (prefix) => {
    lists += 1;
    // Behind the fence of the next owner: what it lists to tidy up.
    if (lists === 2) await blobs.put(late, bytes ?? new Uint8Array());
    const names = await blobs.list(prefix);
    if (lists === 2) await blobs.remove(late);
    return names;
  });
  await ArchiveWriter.open(new Archive(slow), { epoch: 2, confirm: async () => undefined });
  expect(lists).toBe(2);
  expect(await sequences()).toEqual(numbers(1, COUNT));
});
