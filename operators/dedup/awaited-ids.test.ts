import { describe, expect, it } from 'vitest';
import type { MemoryDisk, Stream } from '../../engine/index.ts';
import { fc } from '../../test/property.ts';
import { Pipeline } from '../fixture-pipeline.ts';
import { awaitMissing, passOnAwaited, readAwaited } from './awaited-ids.ts';
import { dedupEvents } from './dedup-events.ts';
import { TestBatch } from './fixture-columns.ts';

const START_MS = 20_000 * 86_400_000;
const LACKING = { stream: 'S', incarnation: 'i', first: 3, last: 9, found_at_ms: 5 };

/** Few ids in memory: most of them are on disk. */
const build = (input: Stream<TestBatch>): Stream<TestBatch> =>
  input.pipe(dedupEvents<TestBatch>('dedup', { memory_ids: 8 }));
const batchOf = (ids: readonly number[]): TestBatch =>
  // Over some days, since ids are kept by the day.
  new TestBatch(ids.map((id) => ({ id: String(id), time_ms: START_MS + (id % 4) * 50_000_000 })));

type Pipe = Pipeline<TestBatch, TestBatch>;

async function stateOf(ids: readonly number[]): Promise<Pipe> {
  const pipeline: Pipe = await Pipeline.start(build);
  for (const id of ids) {
    await pipeline.push(batchOf([id]));
    if (id % 3 === 0) pipeline.commit();
  }
  pipeline.commit();
  return pipeline;
}

const tablesOf = (disk: MemoryDisk) => {
  const store = disk.open();
  return (id: string) => store.table(id);
};
const awaitedBy = ({ disk }: Pipe): number => readAwaited(tablesOf(disk)('dedup/awaited'))?.events ?? 0;

describe('events that a state waits for', () => {
  it('are those that the former state had, and go as they come, over restarts and later states', async () => {
    const ids = fc.uniqueArray(fc.integer({ min: 0, max: 60 }), { minLength: 1, maxLength: 40 });
    await fc.assert(
      fc.asyncProperty(ids, ids, ids, async (known, kept, later) => {
        const former = await stateOf(known);
        let built = await stateOf(kept);
        const missing = known.filter((id) => !kept.includes(id));
        const parts = { former: tablesOf(former.disk), store: built.disk.open(), operator: 'dedup' };
        expect(awaitMissing(parts, LACKING)).toBe(missing.length);
        built = await built.restart();
        expect(awaitedBy(built)).toBe(missing.length);
        // One by one, some of them twice, with others between.
        for (const id of [...later, ...later.slice(0, 3)]) await built.push(batchOf([id]));
        built.commit();
        const left = missing.filter((id) => !later.includes(id));
        expect(awaitedBy(built)).toBe(left.length);
        const next = await stateOf([...kept, ...later]);
        passOnAwaited({ former: tablesOf(built.disk), store: next.disk.open(), operator: 'dedup' });
        const last = await next.restart();
        for (const id of left) await last.push(batchOf([id]));
        last.commit();
        expect([awaitedBy(next), awaitedBy(last)]).toEqual([0, 0]);
      }),
      { numRuns: 30 },
    );
  });

  it('are handed on to a state that is built from less still', async () => {
    const first = await stateOf([1, 2, 3, 4, 5]);
    const second = await stateOf([1, 2, 3]);
    awaitMissing({ former: tablesOf(first.disk), store: second.disk.open(), operator: 'dedup' }, LACKING);
    const third = await stateOf([1, 4]);
    const parts = { former: tablesOf(second.disk), store: third.disk.open(), operator: 'dedup' };
    expect(awaitMissing(parts, { ...LACKING, first: 7 })).toBe(3);
    expect(readAwaited(tablesOf(third.disk)('dedup/awaited'))).toEqual({ ...LACKING, events: 3 });
  });
});
