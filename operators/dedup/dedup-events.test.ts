import { describe, expect, it } from 'vitest';
import { type MemoryDisk, SeededRandom, type Stream } from '../../engine/index.ts';
import { fc } from '../../test/property.ts';
import { Pipeline } from '../fixture-pipeline.ts';
import { dedupEvents } from './dedup-events.ts';
import { TestBatch, type TestEvent } from './fixture-columns.ts';

const DAY_MS = 86_400_000;
const START_MS = 20_000 * DAY_MS;

const build =
  (memory_ids: number, cut_ms?: () => number) =>
  (input: Stream<TestBatch>): Stream<TestBatch> =>
    input.pipe(
      dedupEvents<TestBatch>('dedup', {
        memory_ids,
        ...(cut_ms === undefined ? {} : { cut_ms }),
        describe: ({ events }, row) => ({
          scope: 'acme',
          sequence: row,
          detail: { id: events[row]?.id ?? '' },
        }),
        conflict: ({ events }, row) => ({
          id: `conflict-${events[row]?.id}`,
          subject: 'deadletter.acme',
          headers: {},
          payload: new Uint8Array(0),
        }),
      }),
    );

const event = (id: number | string, time_ms = START_MS, payload?: number): TestEvent => ({
  id: String(id),
  time_ms,
  ...(payload === undefined ? {} : { payload }),
});

async function push(pipeline: Pipeline<TestBatch, TestBatch>, ...events: TestEvent[]): Promise<string[]> {
  const batch = new TestBatch(events);
  await pipeline.push(batch);
  return batch.left;
}

const rows = (disk: MemoryDisk, table: string): number =>
  [...disk.open().table(`dedup/${table}`).scan()].length;

describe('dedupEvents', () => {
  it('leaves the first of each id live, in a batch, across batches and commits, and over a restart', async () => {
    let pipeline = await Pipeline.start(build(1_000));
    expect(await push(pipeline, event(1), event(2), event(1))).toEqual(['1', '2']);
    pipeline.commit();
    expect(await push(pipeline, event(2), event(3))).toEqual(['3']);
    pipeline.commit();
    expect(await push(pipeline, event(4))).toEqual(['4']);
    pipeline = await pipeline.restart();
    // What was not committed is forgotten with its events.
    expect(await push(pipeline, event(1), event(2), event(3), event(4), event(5))).toEqual(['4', '5']);
    expect(pipeline.counter('millrace.dedup.duplicates')).toBe(3);
    expect(pipeline.out.map((batch) => batch.length)).toEqual([5]);
  });

  it('sends a known id with another payload to the dead letters; in memory, on disk, after a restart', async () => {
    let pipeline = await Pipeline.start(build(1));
    await push(pipeline, event('a'), event('a', START_MS, 8), event('a'));
    expect(pipeline.counter('millrace.dedup.conflicts')).toBe(1);
    await push(pipeline, event('b'));
    pipeline.commit();
    expect(pipeline.sent.map(({ id }) => id)).toEqual(['conflict-a']);
    expect(pipeline.progress?.notices).toEqual({ acme: { conflict: 1, duplicate: 1 } });
    expect(rows(pipeline.disk, 'blocks')).toBe(1);
    pipeline = await pipeline.restart();
    expect(await push(pipeline, event('a', START_MS, 8), event('a'), event('b', START_MS, 9))).toEqual([]);
    expect(pipeline.counter('millrace.dedup.conflicts')).toBe(2);
  });

  it('does not judge what is dead already', async () => {
    const pipeline = await Pipeline.start(build(10));
    expect(await push(pipeline, { ...event(1), isDead: true }, event(1), event(1))).toEqual(['1']);
    expect(pipeline.counter('millrace.dedup.duplicates')).toBe(1);
  });

  it('keeps to its memory and forgets nothing, however small the memory is', async () => {
    for (const memory_ids of [0, 50, 3_000]) {
      let pipeline = await Pipeline.start(build(memory_ids));
      const all: TestEvent[] = [];
      for (const count of [2_500, 1, 64, 3, 1_500]) {
        const first = all.length;
        for (let id = first; id < first + count; id++)
          all.push(event(id, START_MS + ((id * 7) % 50) * DAY_MS));
        expect((await push(pipeline, ...all.slice(first))).length).toBe(count);
        pipeline.commit();
        const kept = pipeline.counter('millrace.dedup.memory_ids');
        expect(kept).toBeLessThanOrEqual(memory_ids);
        expect(kept).toBeGreaterThanOrEqual(Math.min(first, memory_ids - Math.ceil(memory_ids / 8)));
        pipeline = await pipeline.restart();
        expect(pipeline.counter('millrace.dedup.memory_ids')).toBe(kept);
        expect(await push(pipeline, ...all)).toEqual([]);
      }
    }
  });

  it('writes nothing at a commit without new ids', async () => {
    const pipeline = await Pipeline.start(build(1_000));
    await push(pipeline, event(1));
    pipeline.commit();
    const store = pipeline.disk.open();
    store.transaction(() => store.table('dedup/log').removeRange({}));
    pipeline.commit();
    expect(rows(pipeline.disk, 'log')).toBe(0);
  });

  it('needs less than 19 bytes an id in its log, whatever the order of event times', async () => {
    const count = 20_000;
    const random = new SeededRandom(4);
    for (const shuffled of [false, true]) {
      const pipeline = await Pipeline.start(build(count));
      const events = Array.from({ length: count }, (_, id) => event(id, START_MS + id * 20_000));
      await push(pipeline, ...(shuffled ? random.shuffled(events) : events));
      pipeline.commit();
      let bytes = 0;
      for (const { value } of pipeline.disk.open().table('dedup/log').scan()) bytes += value.length;
      expect(bytes / count).toBeLessThan(shuffled ? 19.1 : 18.1);
    }
  });

  it('refuses a memory that is none', () => {
    expect(() => dedupEvents('dedup', { memory_ids: 1.5 })).toThrow(
      expect.objectContaining({ code: 'bad_config' }),
    );
  });
});

describe('the retention of dedupEvents', () => {
  it('forgets the ids of earlier events at once, in memory and on disk, and keeps the others', async () => {
    let cut_ms = Number.NEGATIVE_INFINITY;
    let pipeline = await Pipeline.start(build(100, () => cut_ms));
    const all = Array.from({ length: 400 }, (_, id) => event(id, START_MS + (id % 8) * DAY_MS));
    for (let from = 0; from < 400; from += 40) {
      await push(pipeline, ...all.slice(from, from + 40));
      pipeline.commit();
    }
    expect(await push(pipeline, ...all)).toEqual([]);
    cut_ms = START_MS + 5 * DAY_MS + 4_711;
    pipeline.commit();
    pipeline = await pipeline.restart();
    expect(pipeline.counter('millrace.dedup.memory_ids')).toBeLessThanOrEqual(100);
    const isBefore = ({ time_ms }: TestEvent): boolean => time_ms < START_MS + 5 * DAY_MS;
    // Before the cut nothing is judged, after it everything is known.
    expect(await push(pipeline, ...all)).toEqual(all.filter(isBefore).map(({ id }) => id));
    cut_ms = START_MS + 9 * DAY_MS;
    pipeline.commit();
    expect(['log', 'blocks', 'directory'].map((table) => rows(pipeline.disk, table))).toEqual([0, 0, 0]);
    expect(pipeline.counter('millrace.dedup.memory_ids')).toBe(0);
  });

  it('cuts rows that were written with a larger memory', async () => {
    const all = Array.from({ length: 5_000 }, (_, id) => event(id, START_MS + (id % 2) * DAY_MS));
    const first = await Pipeline.start(build(10_000));
    await push(first, ...all);
    first.commit();
    const cut_ms = START_MS + DAY_MS;
    const pipeline = await Pipeline.start(
      build(2_600, () => cut_ms),
      { snapshot: first.snapshot() },
    );
    pipeline.commit();
    expect(pipeline.counter('millrace.dedup.memory_ids')).toBe(2_500);
    const again = await pipeline.restart();
    expect(again.counter('millrace.dedup.memory_ids')).toBe(2_500);
    expect((await push(again, ...all)).length).toBe(2_500);
    expect(again.counter('millrace.dedup.duplicates')).toBe(2_500);
  });

  it('makes the state a function of the events after the cut: any order, memory, commits and restarts', async () => {
    const event_ = fc.record({ id: fc.nat(200), day: fc.nat(9) });
    await fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(event_, { maxLength: 150, selector: ({ id }) => id }),
        fc.nat(10),
        fc.integer(),
        async (items, cutDay, seed) => {
          const events = items.map(({ id, day }) => event(id, START_MS + day * DAY_MS + id));
          const run = async (random: SeededRandom, memory_ids: number): Promise<string> => {
            let cut_ms = START_MS;
            let pipeline = await Pipeline.start(build(memory_ids, () => cut_ms));
            for (const item of random.shuffled([...events, ...events.slice(0, 40)])) {
              await push(pipeline, item);
              if (random.chance(0.1)) cut_ms = Math.min(cut_ms + DAY_MS / 2, START_MS + cutDay * DAY_MS);
              if (random.chance(0.2)) pipeline.commit();
              else if (random.chance(0.05)) {
                pipeline.commit();
                pipeline = await pipeline.restart();
              }
            }
            cut_ms = START_MS + cutDay * DAY_MS;
            pipeline.commit();
            return pipeline.digest();
          };
          const one = await run(new SeededRandom(seed), 10_000);
          expect(await run(new SeededRandom(seed + 1), 16)).toBe(one);
          expect(await run(new SeededRandom(seed + 2), 40)).toBe(one);
        },
      ),
      { numRuns: 15 },
    );
  });

  it('is in the digest: without one event after the cut it is another', async () => {
    const digest = async (events: readonly TestEvent[]): Promise<string> => {
      const pipeline = await Pipeline.start(build(4, () => START_MS));
      await push(pipeline, ...events);
      pipeline.commit();
      return pipeline.digest();
    };
    const events = Array.from({ length: 20 }, (_, id) => event(id, START_MS + (id - 10) * DAY_MS));
    const whole = await digest(events);
    expect(await digest(events.slice(1))).toBe(whole);
    expect(await digest(events.slice(0, -1))).not.toBe(whole);
  });
});
