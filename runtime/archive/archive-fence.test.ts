import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { ArchivedMessage } from '../../analytics/index.ts';
import { type BlobStore, MemoryKeyValueStore, openBlobStore } from '../../connectors/index.ts';
import type { KeyValueStore } from '../../engine/index.ts';
import { isLong } from '../../test/long.ts';
import { Archive } from './archive.ts';
import { ArchiveKeeper } from './archive-keeper.ts';
import type { Erased } from './erase.ts';
import { ListedStream } from './fixture-archive.ts';
import { WriterLock } from './writer-lock.ts';

const T0 = Date.UTC(2025, 2, 1);
const TIMES = { lease_ms: 40, look_ms: 8, renewal_ms: 8 };
const COUNT = 12;
const PERSON: Erased = {
  tenant: 'a',
  owns: ({ customer_id }) => customer_id === 'c1',
  mentions: () => false,
};

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'millrace-fence-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const orders = (): ArchivedMessage[] =>
  Array.from({ length: COUNT }, (_, at) => {
    const sequence = at + 1;
    const time = new Date(T0 + at * 7_200_000).toISOString();
    const event = { event_id: `e${sequence}`, type: 'order.created', time, customer_id: `c${sequence % 3}` };
    return {
      ...{ sequence, stored_ms: T0 + sequence * 1_000, headers: [] },
      ...{ subject: 'events.a.x', data: Buffer.from(JSON.stringify(event)) },
    };
  });

/** A process that stands still at one of its writes, before or behind its effect, with all that it does. */
class Stopped {
  readonly #gate: Promise<void>;
  #left: number;
  readonly #isBehind: boolean;
  isStopped = false;
  goOn: () => void = () => undefined;

  constructor(operations: number, isBehind: boolean) {
    this.#left = operations;
    this.#isBehind = isBehind;
    this.#gate = new Promise((resolve) => {
      this.goOn = resolve;
    });
  }

  async do<T>(work: () => Promise<T>): Promise<T> {
    this.#left -= 1;
    if (this.isStopped) await this.#gate;
    if (this.#left !== -1) return await work();
    this.isStopped = true;
    if (!this.#isBehind) await this.#gate;
    const done = await work();
    await this.#gate;
    return done;
  }

  folder(of: BlobStore): BlobStore {
    return {
      url: of.url,
      put: (...args) => this.do(() => of.put(...args)),
      remove: (...args) => this.do(() => of.remove(...args)),
      get: (...args) => of.get(...args),
      list: (...args) => of.list(...args),
      close: () => of.close(),
    };
  }

  store(of: KeyValueStore): KeyValueStore {
    return Object.assign(Object.create(of) as KeyValueStore, {
      get: (key: string) => of.get(key),
      create: (...args: Parameters<KeyValueStore['create']>) => this.do(() => of.create(...args)),
      update: (...args: Parameters<KeyValueStore['update']>) => this.do(() => of.update(...args)),
    });
  }
}

const keeperOf = (
  blobs: BlobStore,
  locks: KeyValueStore,
  stream: ListedStream,
  times = TIMES,
): ArchiveKeeper =>
  new ArchiveKeeper({
    ...{ archive: new Archive(blobs), lock: new WriterLock(locks, times), stream },
    ...{ applied: () => COUNT, isBuilding: () => false },
  });

const request = (before_ms: number) => ({
  ...{ before_ms, now_ms: before_ms, isTrimmed: true, signal: new AbortController().signal },
  onProgress: () => undefined,
});

const sequencesOf = async (archive: Archive): Promise<number[]> => {
  const found: number[] = [];
  for (const ref of await archive.segments(true))
    found.push(...(await archive.messages(ref)).map(({ sequence }) => sequence));
  return found;
};

/** Every file is named by a manifest that counts, and the other way round; there is one fence and nothing else. */
async function requireTidy(blobs: BlobStore): Promise<void> {
  const archive = new Archive(blobs);
  const refs = await archive.segments(true);
  const manifests = await Promise.all(refs.map((ref) => archive.manifest(ref)));
  const files = manifests.flatMap((manifest) => manifest.files.map(({ name }) => name));
  expect(await blobs.list('events/')).toEqual(files.sort());
  const names = await blobs.list('manifests/');
  expect(names.length).toBe(refs.length + 1);
}

const erase = (keeper: ArchiveKeeper): Promise<unknown> => keeper.erase(PERSON);
const archive =
  (before_ms: number) =>
  (keeper: ArchiveKeeper): Promise<unknown> =>
    keeper.run(request(before_ms));

/** What the first one does, and what the next one does while that stands still. */
const WORKS: readonly (readonly [
  string,
  (keeper: ArchiveKeeper) => Promise<unknown>,
  (keeper: ArchiveKeeper) => Promise<unknown>,
])[] = [
  ['archives a part, all', archive(T0 + 8_000), archive(T0 + 1e9)],
  ['erases, archives', erase, archive(T0 + 1e9)],
  ['erases, erases', erase, erase],
];

it.each(WORKS)(
  'an owner that stands still at any step of it, and goes on behind the next one, harms nothing (%s)',
  {
    timeout: 120_000,
  },
  async (_, work, other) => {
    let takenOver = 0;
    // Each of its steps, before and after what it does. Every third of these is before one and after another.
    for (let step = 0; ; step += isLong ? 1 : 3) {
      const blobs = openBlobStore(join(folder, String(step)), undefined);
      const [locks, stream] = [new MemoryKeyValueStore(), new ListedStream(orders())];
      const next = keeperOf(blobs, locks, stream);
      // What is archived already is what is rewritten.
      await next.run(request(T0 + 5_000));
      const stopped = new Stopped(Math.floor(step / 2), step % 2 === 1);
      // Without renewals by itself its steps are the same each time.
      const times = { ...TIMES, renewal_ms: 1e6 };
      const first = work(keeperOf(stopped.folder(blobs), stopped.store(locks), stream, times)).catch(
        (error: unknown) => error,
      );
      const ended = first.then(() => 'ended');
      const until = new Promise<string>((resolve) => {
        const timer = setInterval(() => {
          if (!stopped.isStopped) return;
          clearInterval(timer);
          resolve('stopped');
        }, 1);
        void ended.then(() => clearInterval(timer));
      });
      const isStopped = (await Promise.race([ended, until])) === 'stopped';
      // The next one takes its place; then the first one goes on.
      await other(next);
      stopped.goOn();
      const outcome = await first;
      if (outcome instanceof Error) {
        expect(outcome, `step ${step}`).toMatchObject({ code: 'archive_has_another_writer' });
        takenOver++;
      }
      await archive(T0 + 1e9)(next);
      await erase(next);
      const expected = orders().flatMap(({ sequence }) => (sequence % 3 === 1 ? [] : [sequence]));
      expect(await sequencesOf(new Archive(blobs)), `step ${step}`).toEqual(expected);
      expect(await new Archive(blobs).coverage(), `step ${step}`).toMatchObject({ from: 1, to: COUNT });
      expect(stream.messages.length, `step ${step}`).toBe(0);
      await requireTidy(blobs);
      if (!isStopped) break;
    }
    expect(takenOver).toBeGreaterThan(isLong ? 5 : 2);
  },
);

it('an erasure that waits for another owner, or for another work of its process, is given up when it is aborted', async () => {
  const blobs = openBlobStore(join(folder, 'waiting'), undefined);
  const [locks, stream] = [new MemoryKeyValueStore(), new ListedStream(orders())];
  const keeper = keeperOf(blobs, locks, stream);
  await archive(T0 + 1e9)(keeper);
  const given = async (): Promise<unknown> => {
    const cancel = new AbortController();
    const erasing = keeper.erase(PERSON, undefined, undefined, cancel.signal);
    const waited = await Promise.race([
      erasing.catch(() => 'failed'),
      new Promise((resolve) => setTimeout(() => resolve('waits'), 3 * TIMES.look_ms)),
    ]);
    cancel.abort(new Error('cancelled'));
    return [waited, await erasing.catch((error: unknown) => error)];
  };
  const cancelled = ['waits', expect.objectContaining({ message: 'cancelled' })];
  let end = (): void => undefined;
  const gate = new Promise<void>((resolve) => {
    end = resolve;
  });
  const owned = new WriterLock(locks, TIMES).hold(
    undefined,
    async () => 0,
    () => gate,
  );
  await expect
    .poll(async () => (await locks.get('archive'))?.value)
    .toMatchObject({ owner: expect.any(String) });
  expect(await given()).toEqual(cancelled);
  // The next one of this process waits for the owner, and one behind it for that one.
  const first = erase(keeper);
  expect(await given()).toEqual(cancelled);
  const last = archive(T0 + 2e9)(keeper);
  end();
  await owned;
  expect(await first).toEqual({ messages: expect.any(Number), segments: expect.any(Number) });
  await last;
  expect(await sequencesOf(new Archive(blobs))).toEqual(
    orders().flatMap(({ sequence }) => (sequence % 3 === 1 ? [] : [sequence])),
  );
});

it('one waits for the other, and is the owner when that has ended', async () => {
  const locks = new MemoryKeyValueStore();
  const [one, two] = [new WriterLock(locks, TIMES), new WriterLock(locks, TIMES)];
  const order: string[] = [];
  const epochs: number[] = [];
  const hold = (lock: WriterLock, name: string): Promise<void> =>
    lock.hold(
      undefined,
      async () => 7,
      async (lease) => {
        order.push(`${name} begins`);
        // Longer than a lease: it is renewed meanwhile.
        await new Promise((resolve) => setTimeout(resolve, 4 * TIMES.lease_ms));
        await lease.confirm();
        order.push(`${name} ends`);
        epochs.push(lease.epoch);
      },
    );
  await Promise.all([hold(one, 'a'), hold(two, 'b')]);
  const [first = ''] = order;
  const [a, b] = first.startsWith('a') ? ['a', 'b'] : ['b', 'a'];
  expect(order).toEqual([`${a} begins`, `${a} ends`, `${b} begins`, `${b} ends`]);
  expect(epochs).toEqual([8, 9]);
});
