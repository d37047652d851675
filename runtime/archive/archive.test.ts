import { appendFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ArchivedMessage } from '../../analytics/index.ts';
import { type BlobStore, MemoryKeyValueStore, openBlobStore } from '../../connectors/index.ts';
import type { SourceRecord } from '../../engine/index.ts';
import { fc } from '../../test/property.ts';
import { Archive } from './archive.ts';
import { ArchiveKeeper } from './archive-keeper.ts';
import { archiveOld } from './archive-run.ts';
import { ArchiveWriter } from './archive-writer.ts';
import { ArchivedPayloads } from './archived-payloads.ts';
import { ArchivedSource } from './archived-source.ts';
import { type Erased, eraseInArchive } from './erase.ts';
import { event, KilledFolder, ListedStream, message, orders, T0 } from './fixture-archive.ts';
import { WriterLock } from './writer-lock.ts';

const ALWAYS = new AbortController().signal;
const LATER_MS = T0 + 1e12;

let folder: string;
let archive: Archive;
let locks: MemoryKeyValueStore;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'millrace-archive-'));
  archive = new Archive(openBlobStore(folder, undefined));
  locks = new MemoryKeyValueStore();
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** As values that can be compared. */
const plain = (messages: readonly ArchivedMessage[]) =>
  messages.map(({ data, ...rest }) => ({ ...rest, data: Buffer.from(data).toString('latin1') }));

async function all(from: Archive): Promise<ArchivedMessage[]> {
  const found: ArchivedMessage[] = [];
  for (const ref of await from.segments(true)) found.push(...(await from.messages(ref)));
  return found;
}

let epoch = 0;
/** An owner that nobody takes the archive from. */
const writerOf = (to: Archive): Promise<ArchiveWriter> =>
  ArchiveWriter.open(to, { epoch: ++epoch, confirm: async () => undefined });

const run = async (stream: ListedStream, to: Archive, more: object = {}) =>
  archiveOld({
    ...{
      writer: await writerOf(to),
      stream,
      before_ms: LATER_MS,
      now_ms: LATER_MS,
      signal: ALWAYS,
      onProgress: () => undefined,
    },
    limits: { max_messages: 7, max_bytes: 1e6 },
    ...more,
  });

/** Every file of events is named by a manifest, and the other way round. */
async function requireNoOrphans(of: BlobStore, from: Archive): Promise<void> {
  const named: string[] = [];
  for (const ref of await from.segments(true))
    named.push(...(await from.manifest(ref)).files.map(({ name }) => name));
  expect([...(await of.list('events/'))]).toEqual(named.sort());
  const others = (await of.list('manifests/')).filter((name) => !/\/\d/.test(name));
  expect(others).toEqual([expect.stringMatching(/^manifests\/fence-\d{16}\.json$/)]);
}

describe('messages of any kind', () => {
  const good = fc.integer({ min: 1, max: 400 });
  const body = fc.oneof(
    good.map((at) => event(at)),
    good.map((at) => `\ufeff ${event(at, { data: { huge: 1, note: '\u0000 é "' } })}\r\n`),
    good.map((at) => event(at).replace('}', ',"big":12345678901234567890}')),
    good.map((at) => `[${event(at)},${event(at + 1)}, {"no":1}]`),
    good.map(
      (at) => `{"specversion":"1.0","id":"c${at}","type":"visit","source":"s","time":"2025-03-02T00:00:00Z"}`,
    ),
    fc.uint8Array({ maxLength: 40 }),
    fc.constantFrom(
      '',
      '[]',
      '[',
      'null',
      '{"no":',
      '{"event_id":"x","type":"t","time":"1999-01-01T00:00:00Z"}',
    ),
  );
  const headers = fc.constantFrom<ArchivedMessage['headers']>(
    [],
    [['Content-Type', 'application/x-ndjson']],
    [
      ['ce-specversion', '1.0'],
      ['ce-id', 'b1'],
      ['ce-type', 'visit'],
      ['ce-source', 'x%20y'],
      ['ce-time', '2025-03-02T00:00:00Z'],
      ['Twice', 'a'],
      ['Twice', 'b'],
    ],
  );
  const subject = fc.constantFrom('events.a.x', 'events.b', 'events.t\u00e9nant.y', 'events.a/b.z', 'events');

  it('come back as they were, byte by byte', { timeout: 60_000 }, async () => {
    const one = fc.tuple(body, headers, subject);
    await fc.assert(
      fc.asyncProperty(fc.array(one, { minLength: 1, maxLength: 20 }), async (made) => {
        const at = mkdtempSync(join(folder, 'run-'));
        const messages = made.map(([data, head, to], index) =>
          message(2 * index + 1, data, { headers: head, subject: to }),
        );
        const stream = new ListedStream(messages);
        const report = await run(stream, new Archive(openBlobStore(at, undefined)));
        expect(report.messages).toBe(messages.length);
        expect(plain(await all(new Archive(openBlobStore(at, undefined))))).toEqual(plain(messages));
      }),
      { numRuns: 40 },
    );
  });

  it('are rows of typed columns, by tenant and day of the event', async () => {
    const odd = message(4, `[${event(13)},${event(50)},{"event_id":"bad"}]`, {
      ...{ subject: 'events.a.x', stored_ms: T0 + 5e8 },
    });
    await run(new ListedStream([...orders(3), odd]), archive);
    const [ref] = await archive.segments();
    const { files, rows } = await archive.manifest(ref ?? { name: '', from: 0, to: 0 });
    expect(files.map(({ name, rows: count }) => [name, count])).toEqual([
      [`events/tenant=a/day=2025-03-01/0000000000000001-0000000000000004-${epoch}.1.parquet`, 2],
      [`events/tenant=a/day=2025-03-02/0000000000000001-0000000000000004-${epoch}.1.parquet`, 1],
      [`events/tenant=a/day=2025-03-05/0000000000000001-0000000000000004-${epoch}.1.parquet`, 1],
      [`events/tenant=a/day=2025-03-06/0000000000000001-0000000000000004-${epoch}.1.parquet`, 1],
      [`events/tenant=b/day=2025-03-01/0000000000000001-0000000000000004-${epoch}.1.parquet`, 1],
    ]);
    expect(rows).toBe(6);
    const read = async (at: number) => (files[at] === undefined ? [] : await archive.rows(files[at]));
    const [[first], [bad]] = [await read(0), await read(3)];
    expect(first).toMatchObject({
      ...{ sequence: 1n, part: 0n, event_id: 'e1', type: 'order.created', order_id: 'o1', customer_id: 'c1' },
      ...{ amount: 101n, currency: 'EUR', payload: event(1), rejected: null, message: null },
      ...{ time: new Date(T0 + 7_200_000), stored_at: new Date(T0 + 1_000) },
    });
    expect(bad).toMatchObject({ sequence: 4n, part: 2n, event_id: null, rejected: 'missing_field' });
  });
});

describe('a run', () => {
  it('takes what is old enough, goes on behind the last one, and says what it did', async () => {
    const stream = new ListedStream(orders(30));
    const before_ms = T0 + 21_000;
    expect(await run(stream, archive, { before_ms })).toMatchObject({
      ...{ segments: 3, messages: 20, rows: 20, archived_through: 20, missed: null },
    });
    expect(await run(stream, archive, { before_ms })).toMatchObject({ segments: 0, archived_through: 20 });
    expect(await run(stream, archive)).toMatchObject({ segments: 2, messages: 10, archived_through: 30 });
    expect(plain(await all(archive))).toEqual(plain(orders(30)));
    expect(await archive.coverage()).toMatchObject({ from: 1, to: 30, incarnation: 'one' });
  });

  it('says what had left the stream before it came, and refuses another stream', async () => {
    const stream = new ListedStream(orders(30));
    await run(stream, archive, { before_ms: T0 + 11_000 });
    await stream.trim(15);
    expect(await run(stream, archive)).toMatchObject({ messages: 16, missed: { first: 11, last: 14 } });
    stream.incarnation = 'two';
    await expect(run(stream, archive)).rejects.toMatchObject({ code: 'archive_of_another_stream' });
    const shorter = new ListedStream(orders(20));
    await expect(run(shorter, archive)).rejects.toMatchObject({ code: 'archive_of_another_stream' });
  });

  it('names a file that is not as it was written', async () => {
    await run(new ListedStream(orders(5)), archive);
    const again = new Archive(openBlobStore(folder, undefined));
    const [ref] = await again.segments();
    if (ref === undefined) throw new Error('nothing was archived');
    const [file] = (await again.manifest(ref)).files;
    appendFileSync(join(folder, file?.name ?? ''), 'x');
    await expect(again.messages(ref)).rejects.toMatchObject({ code: 'archive_damaged' });
  });

  it('that is killed at any step has lost nothing and doubled nothing when it has gone on', {
    timeout: 60_000,
  }, async () => {
    const messages = orders(8);
    let kills = 0;
    for (let step = 0; ; step++) {
      const at = join(folder, `kill-${step}`);
      const local = openBlobStore(at, undefined);
      const killed = new KilledFolder(local, Math.floor(step / 2), step % 2 === 1);
      await run(new ListedStream(messages), new Archive(killed)).catch((error: unknown) => {
        if (!killed.isKilled) throw error;
      });
      // What is there is whole, whatever it is; files that no manifest names are no part of it.
      const partly = await all(new Archive(local));
      expect(plain(partly), `step ${step}`).toEqual(plain(messages.slice(0, partly.length)));
      const next = new Archive(local);
      await run(new ListedStream(messages), next);
      expect(plain(await all(next)), `step ${step}`).toEqual(plain(messages));
      await requireNoOrphans(local, next);
      rmSync(at, { recursive: true, force: true });
      if (!killed.isKilled) break;
      kills++;
    }
    expect(kills).toBeGreaterThan(15);
  });
});

describe('somebody who is erased', () => {
  const C1: Erased = {
    tenant: 'a',
    owns: ({ customer_id }) => customer_id === 'c1',
    mentions: (bytes) => Buffer.from(bytes).includes('"c1"'),
  };
  const keeper = (): ArchiveKeeper =>
    new ArchiveKeeper({
      ...{
        archive,
        lock: new WriterLock(locks),
        stream: new ListedStream([]),
        applied: () => 0,
        isBuilding: () => false,
      },
    });
  const erase = async (from: Archive) => await eraseInArchive(await writerOf(from), C1, LATER_MS);
  const list = (sequence: number): ArchivedMessage =>
    message(sequence, `[${event(1)},${event(2)},{"customer_id":"c1"}, {"big":12345678901234567890}]`, {
      subject: 'events.a.x',
    });
  const bytesOfAll = async (of: BlobStore): Promise<string> => {
    const all = await Promise.all((await of.list('')).map((name) => of.get(name)));
    return Buffer.concat(all.map((one) => Buffer.from(one ?? []))).toString('latin1');
  };

  it('is in no file any more; what others have done is as it was', async () => {
    const messages = [...orders(9), list(10)];
    await run(new ListedStream(messages), archive);
    expect(await keeper().erase(C1)).toEqual({ messages: 4, segments: 2 });
    const left = await all(archive);
    // Orders 1, 4 and 7 are of tenant a and the customer; those of tenant b are another one's.
    expect(left.map(({ sequence }) => sequence)).toEqual([2, 3, 5, 6, 8, 9, 10]);
    expect(Buffer.from(left.at(-1)?.data ?? []).toString()).toBe(
      `[${event(2)},{"big":12345678901234567890}]`,
    );
    expect(plain(left.slice(0, 6))).toEqual(
      plain(messages.filter((_, at) => [1, 2, 4, 5, 7, 8].includes(at))),
    );
    const refs = await archive.segments(true);
    const erased = await Promise.all(refs.map(async (ref) => (await archive.manifest(ref)).erased));
    expect(erased.flat()).toEqual([1, 4, 7, 10]);
    expect(await bytesOfAll(archive.folder)).not.toContain('"c1"');
    await requireNoOrphans(archive.folder, archive);
    expect(await keeper().erase(C1)).toEqual({ messages: 0, segments: 0 });
  });

  it('may leave events under another name, so that numbers stay', async () => {
    await run(new ListedStream(orders(9)), archive);
    const rewrite = (one: object) => ({ ...one, customer_id: 'somebody' });
    expect(await keeper().erase(C1, rewrite)).toMatchObject({ messages: 3 });
    const left = await all(archive);
    expect(left.length).toBe(9);
    expect(JSON.parse(Buffer.from(left[3]?.data ?? []).toString())).toMatchObject({
      ...{ event_id: 'e4', customer_id: 'somebody', amount: 104 },
    });
  });

  it('is erased whole after a kill at any step', { timeout: 60_000 }, async () => {
    for (let step = 0; ; step++) {
      const local = openBlobStore(join(folder, `erase-${step}`), undefined);
      await run(new ListedStream(orders(9)), new Archive(local));
      const killed = new KilledFolder(local, Math.floor(step / 2), step % 2 === 1);
      await erase(new Archive(killed)).catch((error: unknown) => {
        if (!killed.isKilled) throw error;
      });
      const next = new Archive(local);
      await erase(next);
      expect(
        (await all(next)).map(({ sequence }) => sequence),
        `step ${step}`,
      ).toEqual([2, 3, 5, 6, 8, 9]);
      expect(await bytesOfAll(local), `step ${step}`).not.toContain('"o4"');
      await requireNoOrphans(local, next);
      if (!killed.isKilled) break;
    }
  });
});

describe('what has left the stream', () => {
  const keeperOf = (stream: ListedStream, applied: number, isBuilding = false): ArchiveKeeper =>
    new ArchiveKeeper({
      archive,
      lock: new WriterLock(locks),
      stream,
      applied: () => applied,
      isBuilding: () => isBuilding,
    });
  const request = { before_ms: LATER_MS, now_ms: LATER_MS, signal: ALWAYS, onProgress: () => undefined };

  it('is archived and committed: no more goes, and nothing while a state is built', async () => {
    const stream = new ListedStream(orders(30));
    const kept = { ...request, isTrimmed: false };
    expect(await keeperOf(stream, 30).run(kept)).toMatchObject({
      trimmed_through: null,
      held_back: 'not_asked',
    });
    const trims = { ...request, isTrimmed: true };
    expect(await keeperOf(stream, 30, true).run(trims)).toMatchObject({ held_back: 'build_running' });
    expect(stream.first).toBe(1);
    expect(await keeperOf(stream, 12).run(trims)).toMatchObject({
      trimmed_through: 12,
      held_back: 'not_committed',
    });
    expect(stream.first).toBe(13);
    expect(await keeperOf(stream, 0).run(trims)).toMatchObject({
      trimmed_through: null,
      held_back: 'not_committed',
    });
    expect(await keeperOf(stream, 99).run(trims)).toMatchObject({ trimmed_through: 30, held_back: null });
    expect([stream.first, stream.messages.length]).toEqual([31, 0]);
  });

  it('is read by a source as if the stream still had it', async () => {
    const messages = orders(40);
    const stream = new ListedStream(messages);
    await run(stream, archive, { before_ms: T0 + 31_000 });
    await stream.trim(20);
    const read = async (after: number | undefined): Promise<number[]> => {
      const source = new ArchivedSource(stream.open(), archive, () => after);
      const { firstSequence } = await source.facts();
      await source.start(after ?? firstSequence - 1, after === undefined);
      const taken: SourceRecord[] = [];
      while (!source.state().caughtUp) taken.push(...(await source.take({ max: 4, wait_ms: 0 })));
      for (const { sequence, data } of taken)
        expect(Buffer.from(data).equals(messages[sequence - 1]?.data ?? Buffer.from(''))).toBe(true);
      return taken.map(({ sequence }) => sequence);
    };
    const from = (first: number): number[] => Array.from({ length: 41 - first }, (_, at) => first + at);
    expect(await read(undefined)).toEqual(from(1));
    expect(await read(9)).toEqual(from(10));
    expect(await read(25)).toEqual(from(26));
    stream.incarnation = 'two';
    expect((await new ArchivedSource(stream.open(), archive, () => undefined).facts()).firstSequence).toBe(
      20,
    );
  });

  it('that is nowhere is missed by name', async () => {
    const stream = new ListedStream(orders(40));
    await run(stream, archive, { before_ms: T0 + 11_000 });
    await stream.trim(20);
    const source = new ArchivedSource(stream.open(), archive, () => undefined);
    await source.facts();
    await source.start(0, true);
    const take = async (): Promise<number> => (await source.take({ max: 50, wait_ms: 0 })).length;
    expect([await take(), await take()]).toEqual([7, 3]);
    await expect(take()).rejects.toMatchObject({ code: 'position_before_stream' });
  });

  it('is found as a payload', async () => {
    const messages = orders(40);
    const stream = new ListedStream(messages);
    await run(stream, archive, { before_ms: T0 + 31_000 });
    await stream.trim(20);
    const of = (sequence: number) => {
      const found = stream.messages.find((one) => one.sequence === sequence);
      return found === undefined
        ? null
        : { sequence, subject: found.subject, data: found.data, header: () => undefined };
    };
    const payloads = new ArchivedPayloads(
      {
        fetch: async (sequences) => new Map(sequences.map((sequence) => [sequence, of(sequence)])),
        async *read(from, to) {
          for (let sequence = from; sequence <= to; sequence++) {
            const one = of(sequence);
            if (one !== null) yield one;
          }
        },
        firstSequence: async () => stream.first,
      },
      archive,
    );
    const found = await payloads.fetch([2, 19, 25, 40, 77], ALWAYS);
    const sequences = [...found].map(([sequence, one]) => [sequence, one !== null]);
    expect(sequences).toEqual([
      [2, true],
      [19, true],
      [25, true],
      [40, true],
      [77, false],
    ]);
    expect(Buffer.from(found.get(2)?.data ?? []).toString()).toBe(event(2));
    const read = async (from: number, to: number, tenant?: string): Promise<number[]> => {
      const all: number[] = [];
      for await (const { sequence } of payloads.read(from, to, tenant, ALWAYS)) all.push(sequence);
      return all;
    };
    expect(await read(5, 24)).toEqual(Array.from({ length: 20 }, (_, at) => 5 + at));
    expect(await read(1, 12, 'b')).toEqual([3, 6, 9, 12]);
    expect(await read(22, 23)).toEqual([22, 23]);
    expect(await payloads.firstSequence()).toBe(1);
  });
});
