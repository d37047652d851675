import { describe, expect, it } from 'vitest';
import { fc } from '../../test/property.ts';
import { intCodec, ManualClock, stringKey } from '../base/index.ts';
import type { SourceRecord } from '../edges/index.ts';
import { defineOperator, topology } from '../graph/index.ts';
import { positionOf } from '../query/index.ts';
import { MemoryDisk, mapTable } from '../state/index.ts';
import { ScriptedSource } from '../testing/fixture-task.ts';
import type { Progress } from './meta.ts';
import { Task } from './task.ts';

const IDLE_MS = 1_000;
const DRIFT_MS = 100;

/** A record whose text is its event time. */
const at = (sequence: number, time_ms: number): SourceRecord => ({
  sequence,
  subject: 's',
  data: Buffer.from(String(time_ms)),
  hasHeaders: false,
  header: () => undefined,
});

/** Event time out of the records: the largest seen; the clock's when its source is idle. */
const stamp = defineOperator<SourceRecord, number>({
  kind: 'stamp',
  summary: 'Times',
  ownsWatermark: true,
  start: ({ emit, emitWatermark, initialWatermark_ms }) => {
    let newest_ms = initialWatermark_ms ?? Number.NEGATIVE_INFINITY;
    const move = (time_ms: number): void => {
      if (time_ms <= newest_ms) return;
      newest_ms = time_ms;
      emitWatermark(time_ms);
    };
    return {
      onWatermark: emitWatermark,
      onBatch: (records) => {
        const times = records.map(({ data }) => Number(Buffer.from(data).toString()));
        emit(times);
        move(Math.max(...times));
      },
      onBarrier: ({ idle_ms, now_ms }) => {
        if (idle_ms >= IDLE_MS) move(now_ms);
      },
    };
  },
});

const tables = () => ({ seen: mapTable<string, number>({ key: stringKey, value: intCodec, version: 1 }) });

const count = (seen: string[], watermarks: number[]) =>
  defineOperator<number, never, undefined, ReturnType<typeof tables>>({
    kind: 'count',
    summary: 'How often each time came',
    state: tables,
    start: ({ state }) => ({
      onBatch: (times) => {
        for (const time_ms of times) {
          const key = String(time_ms);
          seen.push(key);
          state.seen.scope('').set(key, (state.seen.scope('').get(key) ?? 0) + 1);
        }
      },
      onWatermark: (time_ms) => void watermarks.push(time_ms),
    }),
  })('count', undefined);

class Rig {
  readonly seen: string[] = [];
  readonly watermarks: number[] = [];
  readonly fast = new ScriptedSource();
  readonly slow = new ScriptedSource();
  readonly clock = new ManualClock(10_000);
  readonly disk: MemoryDisk;
  readonly task: Task;
  progress: Progress | undefined;

  constructor(disk = new MemoryDisk()) {
    this.disk = disk;
    this.slow.streamFacts = { ...this.slow.streamFacts, stream: 'SLOW', firstSequence: 50 };
    this.task = new Task({
      topology: topology('two', (t) => {
        const fast = t.source('fast').pipe(stamp('fast-time', undefined));
        const slow = t.source('slow').pipe(stamp('slow-time', undefined));
        t.merge('both', fast, slow).pipe(count(this.seen, this.watermarks));
      }),
      source: { fast: this.fast, slow: this.slow },
      store: disk.open(),
      publisher: { publish: () => Promise.resolve() },
      clock: this.clock,
      limits: {
        max_drift_ms: DRIFT_MS,
        barrier_interval_ms: Number.POSITIVE_INFINITY,
        idle_barrier_interval_ms: Number.POSITIVE_INFINITY,
      },
      onCommit: (progress) => {
        this.progress = progress;
      },
    });
  }

  counted(): Record<string, number> {
    return this.disk
      .reader()
      .snapshot((table) =>
        Object.fromEntries(
          [...table('count/seen').scan()].map(({ key, value }) => [
            Buffer.from(key).toString().replaceAll('\0', ''),
            (value[0] as number) >> 1,
          ]),
        ),
      );
  }

  get held(): number | undefined {
    return this.task.metrics.samples().find(({ name }) => name === 'millrace.task.sources_held')?.value;
  }
}

describe('several sources', () => {
  it('are one commit: both positions are in it, and both are gone on from', async () => {
    const rig = new Rig();
    await rig.task.open();
    expect([rig.fast.startedAfter, rig.slow.startedAfter]).toEqual([0, 49]);
    rig.fast.takes.push([at(1, 10), at(2, 20)]);
    rig.slow.takes.push([at(50, 15)]);
    for (let step = 0; step < 4; step++) await rig.task.step(0);
    rig.task.commit();
    expect(rig.progress).toMatchObject({ stream: 'EVENTS', sequence: 2, others: { slow: { sequence: 50 } } });
    expect(positionOf(rig.progress as Progress)).toEqual({ EVENTS: { 0: 2 }, SLOW: { 0: 50 } });
    expect(rig.counted()).toEqual({ 10: 1, 15: 1, 20: 1 });

    const next = new Rig(rig.disk);
    await next.task.open();
    expect([next.fast.startedAfter, next.slow.startedAfter]).toEqual([2, 50]);
  });

  it('keep their positions by name, in whatever order the topology has them', async () => {
    const disk = new MemoryDisk();
    const sourceAt = (): ScriptedSource => new ScriptedSource();
    const open = async (names: readonly string[], allowTopologyChange = false) => {
      const source = Object.fromEntries(names.map((name) => [name, sourceAt()]));
      const task = new Task({
        topology: topology('several', (t) => {
          t.merge('all', ...names.map((name) => t.source(name)));
        }),
        source: source as Record<string, ScriptedSource>,
        store: disk.open(),
        publisher: { publish: () => Promise.resolve() },
        clock: new ManualClock(0),
        limits: { barrier_interval_ms: 1e9, idle_barrier_interval_ms: 1e9 },
        allowTopologyChange,
      });
      await task.open();
      return { task, source, after: names.map((name) => source[name]?.startedAfter) };
    };
    // Both read one stream, as sources of different subjects do.
    const { task, source } = await open(['a', 'b']);
    source.a?.takes.push([at(1, 1), at(2, 1), at(3, 1)]);
    source.b?.takes.push([at(1, 1)]);
    for (let step = 0; step < 3; step++) await task.step(0);
    task.commit();
    const reordered = await open(['b', 'a']);
    expect(reordered.after).toEqual([1, 3]);
    reordered.task.commit();
    expect((await open(['a', 'b'])).after).toEqual([3, 1]);
    const added = await open(['new', 'b', 'a']);
    expect(added.after).toEqual([0, 1, 3]);
    expect((await open(['b'])).after).toEqual([1]);
    await expect(open(['a', 'c'])).rejects.toMatchObject({ code: 'source_renamed' });
    await expect(open(['c'])).rejects.toMatchObject({ code: 'source_renamed' });
    const anew = await open(['a', 'c'], true);
    expect(anew.after).toEqual([3, 0]);
    anew.task.commit();
    const one = await open(['c']);
    one.source.c?.takes.push([at(1, 1), at(2, 1)]);
    await one.task.step(0);
    one.task.commit();
    // One alone is who it was, under any name.
    expect((await open(['d'])).after).toEqual([2]);
  });

  it('pass what will never come, and never a record that was not applied', async () => {
    const rig = new Rig();
    await rig.task.open();
    rig.fast.takes.push([at(1, 10)], [at(4, 10_000)]);
    rig.slow.takes.push([at(50, 10)]);
    for (let step = 0; step < 3; step++) await rig.task.step(0);
    rig.fast.takes.push([at(5, 20_000)]);
    rig.fast.passedTo = 9;
    rig.slow.passedTo = 60;
    // "fast" is too far ahead to be read: what it has passed it says when it has nothing more to give.
    for (let step = 0; step < 3; step++) await rig.task.step(0);
    rig.task.commit();
    expect(rig.held).toBe(1);
    expect(positionOf(rig.progress as Progress)).toEqual({ EVENTS: { 0: 4 }, SLOW: { 0: 60 } });
    rig.slow.takes.push([at(61, 30_000)]);
    for (let step = 0; step < 5; step++) await rig.task.step(0);
    rig.task.commit();
    expect(positionOf(rig.progress as Progress)).toEqual({ EVENTS: { 0: 9 }, SLOW: { 0: 61 } });
    expect(rig.counted()).toEqual({ 10: 2, 10000: 1, 20000: 1, 30000: 1 });
    const next = new Rig(rig.disk);
    await next.task.open();
    expect([next.fast.startedAfter, next.slow.startedAfter]).toEqual([9, 61]);
  });

  it('have the least of their watermarks', async () => {
    const rig = new Rig();
    await rig.task.open();
    rig.fast.takes.push([at(1, 50)], [at(2, 60)]);
    rig.slow.takes.push([at(50, 5)], [at(51, 55)]);
    for (let step = 0; step < 6; step++) await rig.task.step(0);
    expect(rig.watermarks.at(-1)).toBe(55);
    expect(rig.watermarks).toEqual([...rig.watermarks].sort((a, b) => a - b));
  });

  it('one too far ahead waits for the other, and is not lost', async () => {
    const rig = new Rig();
    await rig.task.open();
    rig.slow.takes.push([at(50, 1_000)]);
    rig.fast.takes.push([at(1, 1_000)], [at(2, 1_200)], [at(3, 1_300)]);
    for (let step = 0; step < 6; step++) await rig.task.step(0);
    expect(rig.seen).toEqual(['1000', '1000', '1200']);
    expect(rig.held).toBe(1);
    rig.slow.takes.push([at(51, 1_150)]);
    for (let step = 0; step < 4; step++) await rig.task.step(0);
    expect(rig.seen.slice(3)).toEqual(['1150', '1300']);
  });

  it('one that is idle holds up nobody for ever', async () => {
    const rig = new Rig();
    await rig.task.open();
    rig.fast.takes.push([at(1, 9_000)], [at(2, 9_500)]);
    for (let step = 0; step < 4; step++) await rig.task.step(0);
    expect(rig.seen).toEqual(['9000']);
    rig.clock.advance(IDLE_MS);
    rig.task.commit();
    for (let step = 0; step < 4; step++) await rig.task.step(0);
    expect(rig.seen).toEqual(['9000', '9500']);
  });

  it('fail together with the one that fails', async () => {
    const rig = new Rig();
    await rig.task.open();
    rig.slow.take = () => Promise.reject(new Error('gone'));
    await expect(rig.task.step(0)).rejects.toThrow('gone');
  });

  it('must be those of the topology', async () => {
    const rig = new Rig();
    const of = (source: ConstructorParameters<typeof Task>[0]['source']): Task =>
      new Task({
        topology: topology('two', (t) => {
          t.merge('both', t.source('a'), t.source('b'));
        }),
        source,
        store: rig.disk.open(),
        publisher: { publish: () => Promise.resolve() },
        clock: rig.clock,
      });
    for (const source of [rig.fast, { a: rig.fast }, { a: rig.fast, b: rig.slow, c: rig.slow }]) {
      await expect(of(source).open()).rejects.toMatchObject({ code: 'sources_mismatch' });
    }
  });

  it('count each record once, however they interleave and whenever the task crashes', async () => {
    const cut = fc.array(fc.nat(3), { maxLength: 12 });
    await fc.assert(
      fc.asyncProperty(
        cut,
        cut,
        fc.array(fc.constantFrom('step', 'commit', 'crash'), { maxLength: 30 }),
        async (a, b, plan) => {
          const disk = new MemoryDisk();
          let rig = new Rig(disk);
          const fill = (): void => {
            const lay = (
              source: ScriptedSource,
              first: number,
              offset: number,
              sizes: readonly number[],
            ): void => {
              let sequence = first;
              for (const size of sizes) {
                const take = Array.from({ length: size }, () => at(sequence, offset + sequence++ * 10));
                const fresh = take.filter((record) => record.sequence > (source.startedAfter ?? 0));
                if (fresh.length > 0) source.takes.push(fresh);
              }
            };
            lay(rig.fast, 1, 0, a);
            lay(rig.slow, 50, -495, b);
          };
          await rig.task.open();
          fill();
          for (const action of plan) {
            if (action === 'step') await rig.task.step(0);
            else if (action === 'commit') rig.task.commit();
            else {
              rig.task.close();
              rig = new Rig(disk);
              await rig.task.open();
              fill();
            }
          }
          // The slow one's end must not hold the fast one up: it is idle then.
          for (let round = 0; round < 40; round++) {
            await rig.task.step(0);
            rig.clock.advance(IDLE_MS);
            rig.task.commit();
          }
          const total = (sizes: readonly number[]): number => sizes.reduce((sum, size) => sum + size, 0);
          const expected = [
            ...Array.from({ length: total(a) }, (_, index) => (index + 1) * 10),
            ...Array.from({ length: total(b) }, (_, index) => -495 + (index + 50) * 10),
          ];
          expect(rig.counted()).toEqual(Object.fromEntries(expected.map((time_ms) => [String(time_ms), 1])));
        },
      ),
      { numRuns: 60 },
    );
  });
});
