import { describe, expect, it } from 'vitest';
import {
  META_TABLE,
  type MemoryDisk,
  readNotices,
  SeededRandom,
  type Stream,
  TestDriver,
} from '../../engine/index.ts';
import { map } from '../core/index.ts';
import { Pipeline } from '../fixture-pipeline.ts';
import { dedup, type Identified } from './dedup.ts';

interface Event extends Identified {
  readonly name: string;
}

const DAY_MS = 86_400_000;
const START_MS = 1_750_000_000_000;

const event = (
  id: number,
  { payload = 1, time_ms = START_MS }: { payload?: number; time_ms?: number } = {},
): Event => ({
  id0: Math.imul(id, 0x9e3779b1) >>> 0,
  id1: id,
  id2: 0,
  payload,
  time_ms,
  name: `${id}:${payload}`,
});

const build =
  (memory_ids: number, retain_ms = 400 * DAY_MS) =>
  (input: Stream<Event>): Stream<Event> =>
    input.pipe(
      dedup<Event>('dedup', {
        identify: (item) => item,
        memory_ids,
        retain_ms,
        describe: ({ id1 }) => ({ scope: 'acme', sequence: id1, detail: {} }),
        conflict: ({ name }) => ({
          id: `conflict-${name}`,
          subject: 'deadletter.acme',
          headers: {},
          payload: new Uint8Array(0),
        }),
      }),
    );

const rows = (disk: MemoryDisk, table: string): number =>
  [...disk.open().table(`dedup/${table}`).scan()].length;

describe('dedup', () => {
  it('passes the first of each id, in a batch and across batches and commits', async () => {
    const pipeline = await Pipeline.start(build(1_000));
    await pipeline.push(event(1), event(2), event(1));
    await pipeline.push(event(2), event(3));
    pipeline.commit();
    await pipeline.push(event(1), event(4));
    expect(pipeline.out.map(({ id1 }) => id1)).toEqual([1, 2, 3, 4]);
    expect(pipeline.counter('millrace.dedup.duplicates')).toBe(3);
  });

  it('a known id with another payload is a conflict: counted, listed and owed to the dead letters', async () => {
    const pipeline = await Pipeline.start(build(1_000));
    await pipeline.push(event(1), event(1, { payload: 2 }), event(1));
    pipeline.commit();
    expect(pipeline.out.map(({ name }) => name)).toEqual(['1:1']);
    expect(pipeline.sent.map(({ id }) => id)).toEqual(['conflict-1:2']);
    expect(pipeline.progress?.notices).toEqual({ acme: { conflict: 1, duplicate: 1 } });
    expect(readNotices(pipeline.disk.open().table(META_TABLE), 'acme', 'conflict', 9)).toHaveLength(1);
  });

  it('knows what was committed after a restart, and nothing of what was not', async () => {
    const first = await Pipeline.start(build(1_000));
    await first.push(event(1), event(2));
    first.commit();
    await first.push(event(3));
    const second = await first.restart();
    await second.push(event(1), event(2, { payload: 9 }), event(3));
    expect(second.out.map(({ id1 }) => id1)).toEqual([3]);
    expect(second.counter('millrace.dedup.conflicts')).toBe(1);
  });

  it('moves the oldest ids to disk beyond its memory, and finds them there by id and event time', async () => {
    let pipeline = await Pipeline.start(build(64));
    for (let id = 0; id < 500; id++) {
      await pipeline.push(event(id, { time_ms: START_MS + id * 1_000 }));
      if (id % 10 === 9) pipeline.commit();
    }
    expect(pipeline.counter('millrace.dedup.memory_ids')).toBeLessThanOrEqual(64 + 8);
    expect(rows(pipeline.disk, 'blocks')).toBeGreaterThan(0);
    for (const restart of [false, true]) {
      if (restart) pipeline = await pipeline.restart();
      pipeline.out.length = 0;
      for (let id = 0; id < 500; id++) await pipeline.push(event(id, { time_ms: START_MS + id * 1_000 }));
      expect(pipeline.out).toEqual([]);
      pipeline.commit();
    }
    await pipeline.push(event(3, { payload: 2, time_ms: START_MS + 3_000 }));
    expect(pipeline.counter('millrace.dedup.conflicts')).toBe(1);
  });

  it('keeps to its memory whatever one commit brings, and forgets nothing', async () => {
    const ids = (from: number, to: number): Event[] =>
      Array.from({ length: to - from }, (_, index) => event(from + index));
    for (const memory_ids of [0, 1, 7, 100, 3_000]) {
      let pipeline = await Pipeline.start(build(memory_ids));
      let known = 0;
      for (const count of [5_000, 1, 64, 3, 4_000, 2_047]) {
        await pipeline.push(...ids(known, known + count));
        known += count;
        pipeline.commit();
        const kept = pipeline.counter('millrace.dedup.memory_ids');
        expect(kept).toBeLessThanOrEqual(memory_ids);
        expect(kept).toBeGreaterThanOrEqual(memory_ids - Math.ceil(memory_ids / 8));
        pipeline = await pipeline.restart();
        expect(pipeline.counter('millrace.dedup.memory_ids')).toBe(kept);
        await pipeline.push(...ids(0, known));
        expect(pipeline.out).toEqual([]);
      }
    }
  });

  it('asks for a commit when the ids since the last one are many', async () => {
    const pipeline = await Pipeline.start(build(10));
    await pipeline.push(...Array.from({ length: 65_536 }, (_, id) => event(id)));
    expect(pipeline.progress?.commit).toBeUndefined();
    await pipeline.push(event(65_536));
    expect(pipeline.progress?.commit).toBe(1);
    expect(pipeline.counter('millrace.dedup.memory_ids')).toBe(10);
  });

  it('may have other limits after a restart', async () => {
    let pipeline = await Pipeline.start(build(1_000));
    const all = Array.from({ length: 1_000 }, (_, id) => event(id));
    await pipeline.push(...all);
    for (const memory_ids of [10, 2_000, 0, 64]) {
      const snapshot = pipeline.snapshot();
      pipeline = await TestDriver.start(build(memory_ids), { snapshot });
      await pipeline.push(...all);
      expect(pipeline.out).toEqual([]);
      pipeline.commit();
      expect(pipeline.counter('millrace.dedup.memory_ids')).toBeLessThanOrEqual(memory_ids);
    }
    expect(() => build(-1)({} as never)).toThrow('memory_ids');
    expect(() => build(1.5)({} as never)).toThrow('memory_ids');
    expect(() => build(1, Number.NaN)({} as never)).toThrow('retain_ms');
  });

  it('finds an id again on disk whatever its event time is', async () => {
    const times = [-1, -86_400_000, 0, 4_200_000_000_000, 8.64e15, Number.NaN, Number.POSITIVE_INFINITY, 0.5];
    const all = times.map((time_ms, id) => event(id, { time_ms }));
    let pipeline = await Pipeline.start(build(0));
    await pipeline.push(...all);
    for (const restart of [false, true]) {
      pipeline.commit();
      if (restart) pipeline = await pipeline.restart();
      expect(pipeline.counter('millrace.dedup.memory_ids')).toBe(0);
      pipeline.out.length = 0;
      await pipeline.push(...all);
      expect(pipeline.out).toEqual([]);
    }
  });

  it('an id on disk with another event time is not recognised; in memory the id alone decides', async () => {
    const pipeline = await Pipeline.start(build(8));
    for (let id = 0; id < 100; id++) {
      await pipeline.push(event(id));
      pipeline.commit();
    }
    pipeline.out.length = 0;
    await pipeline.push(
      event(99, { time_ms: START_MS + DAY_MS }),
      event(0, { time_ms: START_MS + 5 * DAY_MS }),
    );
    expect(pipeline.out.map(({ id1 }) => id1)).toEqual([0]);
  });

  it('forgets ids on disk when they have been there for the retention, however old their events are', async () => {
    const pipeline = await Pipeline.start(build(8, 10 * DAY_MS));
    const years_ago = { time_ms: START_MS - 4_000 * DAY_MS };
    for (let id = 0; id < 100; id++) {
      await pipeline.push(event(id, years_ago));
      pipeline.commit();
    }
    await pipeline.push(event(0, years_ago));
    expect(pipeline.out.length).toBe(100);
    pipeline.clock.advance(11 * DAY_MS);
    for (let id = 100; id < 140; id++) {
      await pipeline.push(event(id));
      pipeline.commit();
    }
    const runs = pipeline.counter('millrace.dedup.disk_runs');
    pipeline.out.length = 0;
    await pipeline.push(event(0, years_ago), event(100));
    expect(pipeline.out.map(({ id1 }) => id1)).toEqual([0]);
    expect([runs < 10, rows(pipeline.disk, 'directory')]).toEqual([true, runs]);
  });

  it('its digest depends on the set of ids within the retention, not on order, place or commits', async () => {
    const ids = Array.from({ length: 200 }, (_, id) => event(id, { time_ms: START_MS + (id % 5) * DAY_MS }));
    const digest = async (seed: number, memory_ids: number, left: readonly Event[]): Promise<string> => {
      const random = new SeededRandom(seed);
      const pipeline = await Pipeline.start(build(memory_ids));
      for (const item of random.shuffled([...left, ...left.slice(0, 50)])) {
        await pipeline.push(item);
        if (random.chance(0.2)) pipeline.commit();
      }
      pipeline.commit();
      return pipeline.digest();
    };
    const straight = await digest(1, 10_000, ids);
    expect(await digest(2, 16, ids)).toBe(straight);
    expect(await digest(3, 64, ids)).toBe(straight);
    expect(await digest(1, 10_000, ids.slice(1))).not.toBe(straight);
  });

  it('of plain items by id, after a restart and beyond memory; what is dropped goes to the side outputs', async () => {
    interface Payment {
      readonly id: string;
      readonly cents: number;
    }
    const driver = await TestDriver.start((payments: Stream<Payment>, t) => {
      const once = payments.pipe(
        dedup('once', {
          idOf: ({ id }) => id,
          timeOf: () => START_MS,
          contentOf: ({ cents }) => cents,
          memory_ids: 16,
        }),
      );
      const labelled = (label: string) => map(label, ({ id, cents }: Payment) => `${label} ${id} ${cents}`);
      return t.merge(
        'all',
        once.pipe(labelled('first')),
        once.side('duplicates').pipe(labelled('duplicate')),
        once.side('conflicts').pipe(labelled('conflict')),
      );
    });
    const ids = Array.from({ length: 100 }, (_, index) => ({ id: `p${index}`, cents: index }));
    await driver.push(...ids);
    driver.commit();
    expect(driver.take().length).toBe(100);
    const again = await driver.restart();
    await again.push({ id: 'p0', cents: 0 }, { id: 'p99', cents: 1 }, { id: 'P0', cents: 0 });
    expect(again.take().sort()).toEqual(['conflict p99 1', 'duplicate p0 0', 'first P0 0']);
    expect(again.sent).toEqual([]);
  });
});
