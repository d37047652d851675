import { describe, expect, it } from 'vitest';
import { type Either, intCodec, SeededRandom, stringKey } from '../base/index.ts';
import type { Source, SourceRecord } from '../edges/index.ts';
import { defineOperator, type Topology, topology } from '../graph/index.ts';
import { mapTable } from '../state/index.ts';
import { type SeedsOptions, simulateSeeds } from './simulate-seeds.ts';
import type { SimulatedMessage } from './simulated-edges.ts';
import { simulate } from './simulation.ts';

interface Reading {
  readonly id: string;
  readonly amount: number;
  readonly time_ms: number;
}

const T0 = Date.UTC(2025, 0, 1);
const DAY_MS = 86_400_000;
const ALLOWED_MS = 1_000;
const IDLE_MS = 60_000;
/** The clock far before the messages: an idle source's watermark follows the clock, and must not pass them. */
const TIMES = { start_ms: T0 - DAY_MS, end_ms: T0 + DAY_MS };

const stamp = defineOperator<SourceRecord, Reading>({
  kind: 'stamp',
  summary: 'Readings, and their watermark',
  ownsWatermark: true,
  start: ({ emit, emitWatermark, initialWatermark_ms }) => {
    let reached_ms = initialWatermark_ms ?? Number.NEGATIVE_INFINITY;
    const move = (time_ms: number): void => {
      if (time_ms <= reached_ms) return;
      reached_ms = time_ms;
      emitWatermark(time_ms);
    };
    return {
      onWatermark: (time_ms) => emitWatermark(time_ms),
      onBatch: (records) => {
        const readings = records.map(({ data }) => JSON.parse(Buffer.from(data).toString()) as Reading);
        emit(readings);
        move(Math.max(...readings.map(({ time_ms }) => time_ms)) - ALLOWED_MS);
      },
      onBarrier: ({ idle_ms, now_ms }) => {
        if (idle_ms >= IDLE_MS) move(now_ms - ALLOWED_MS);
      },
    };
  },
});

const ints = () => mapTable<string, number>({ key: stringKey, value: intCodec, version: 1, cacheRows: 4 });

/** What came by id from either side; and, with `last`, which side came last: that is up to chance. */
const meet = defineOperator<
  Either<Reading, Reading>,
  never,
  { last: boolean },
  { seen: ReturnType<typeof ints> }
>({
  kind: 'meet',
  summary: 'Amounts by id and side',
  state: () => ({ seen: ints() }),
  start: ({ config, state, timers, send }) => ({
    onBatch: (items) => {
      for (const { input, value } of items) {
        const { id, amount, time_ms } = value;
        state.seen.scope(input).set(id, amount);
        if (config.last) state.seen.scope('last').set('side', input === 'left' ? 1 : 2);
        timers.set(time_ms, id);
      }
    },
    onTimer: (time_ms, id) => {
      const [left, right] = ['left', 'right'].map((side) => state.seen.scope(side).get(id) ?? 0);
      send({ id: `${id}@${time_ms}`, subject: 'met', headers: {}, payload: Buffer.from(`${left}/${right}`) });
    },
  }),
});

const one = (through: (source: Source) => Source): Topology =>
  topology('one', (t) => {
    t.source({ name: 'left', kind: 'test', options: {}, through }).pipe(stamp('left-time', undefined));
  });

const two = (last = false): Topology =>
  topology('two', (t) => {
    const left = t.source('left').pipe(stamp('left-time', undefined));
    const right = t.source('right').pipe(stamp('right-time', undefined));
    left.connect(right, meet('meet', { last }));
  });

const delegate = (source: Source): Source => ({
  partition: source.partition,
  facts: () => source.facts(),
  start: (after) => source.start(after),
  take: (request) => source.take(request),
  state: () => source.state(),
  passed: () => source.passed?.(),
  stop: () => source.stop(),
});

const timeOf = ({ data }: SimulatedMessage): number =>
  (JSON.parse(Buffer.from(data).toString()) as Reading).time_ms;

/** Some ids are those of what the other side may have at the same time. */
function stream(side: string, count: number, step_ms: number, random: SeededRandom): SimulatedMessage[] {
  return Array.from({ length: count }, (_, index) => {
    const time_ms = T0 + index * step_ms;
    const id = random.chance(0.5) ? `both-${time_ms}` : `${side}-${time_ms}`;
    const reading: Reading = { id, amount: random.int(1, 9), time_ms };
    return { subject: side, data: Buffer.from(JSON.stringify(reading)) };
  });
}

const options = (last = false): SeedsOptions => ({
  topology: () => two(last),
  // One side is far behind, ends early, or has nothing at all.
  generate: (set, random) => ({
    left: stream('left', 60, 500, random),
    right: stream('right', random.pick([0, 5, 90]), set % 2 === 0 ? 500 : 20_000, random),
  }),
  disorder: { timeOf, max_ms: ALLOWED_MS },
  seeds: 80,
  seeds_per_set: 5,
  ...TIMES,
});

describe('a simulation of several sources', () => {
  it('comes to the same however they interleave, crash and go on from a snapshot', async () => {
    const report = await simulateSeeds(options());
    expect(report.failure).toBeUndefined();
    expect(report.crashes).toBeGreaterThan(80);
    expect(report.restores).toBeGreaterThan(10);
  });

  it('finds what depends on how they interleave, and the seed fails again', async () => {
    const { failure } = await simulateSeeds(options(true));
    expect(failure?.problems[0]).toContain('meet/seen');
    const again = await simulateSeeds({ ...options(true), from: failure?.seed ?? 0, seeds: 1 });
    expect(again.failure).toEqual(failure);
  });

  it('reads each to its end, with a position for each', async () => {
    const message = (time_ms: number): SimulatedMessage => ({
      subject: 's',
      data: Buffer.from(JSON.stringify({ id: String(time_ms), amount: 1, time_ms: T0 + time_ms })),
    });
    for (let seed = 1; seed < 10; seed++) {
      const messages = { right: [1, 2, 3].map(message), left: [message(1)] };
      const { progress, firstSequence, firstSequences, sequences } = await simulate({
        topology: () => two(),
        messages,
        seed,
        faults: true,
        ...TIMES,
      });
      expect(firstSequence).toBe(firstSequences.left);
      expect([sequences.left?.length, sequences.right?.length]).toEqual([1, 3]);
      expect([progress.stream, progress.others?.right?.stream]).toEqual(['left', 'right']);
      // The end of its stream: behind the last message there may be a hole, which is passed.
      expect(progress.sequence).toBe(progress.head);
      expect(progress.others?.right?.sequence).toBe(progress.others?.right?.head);
      expect(progress.sequence).toBeGreaterThanOrEqual(sequences.left?.at(-1) ?? 0);
      expect(progress.others?.right?.sequence).toBeGreaterThanOrEqual(sequences.right?.at(-1) ?? 0);
      expect(progress.watermarks).toEqual({
        'left-time': TIMES.end_ms - ALLOWED_MS,
        'right-time': TIMES.end_ms - ALLOWED_MS,
      });
    }
  });

  it('has holes in its streams, which a position passes before and after crashes', async () => {
    const seen = { inHole: 0, atRecord: 0, tails: 0 };
    const starts: number[] = [];
    const watched = (source: Source): Source => ({
      ...delegate(source),
      start: (after) => {
        starts.push(after);
        return source.start(after);
      },
    });
    const messages = stream('left', 60, 500, new SeededRandom(1));
    for (let seed = 1; seed <= 400; seed++) {
      starts.length = 0;
      const run = { topology: () => one(watched), messages, seed, ...TIMES };
      const { progress, sequences, firstSequence } = await simulate({ ...run, faults: true });
      const given = new Set(sequences.left);
      for (const after of starts)
        if (after >= firstSequence) seen[given.has(after) ? 'atRecord' : 'inHole']++;
      if (!given.has(progress.sequence)) seen.tails++;
    }
    expect(seen.inHole).toBeGreaterThan(20);
    expect(seen.atRecord).toBeGreaterThan(300);
    expect(seen.tails).toBeGreaterThan(200);
    const straight = await simulate({
      topology: () => one(watched),
      messages,
      seed: 1,
      faults: false,
      ...TIMES,
    });
    const { left = [] } = straight.sequences;
    expect(left).toEqual(left.map((_, index) => straight.firstSequence + index));
    expect(straight.progress.sequence).toBe(left.at(-1));
  });

  it('needs a stream for each source, and for nothing else', async () => {
    for (const messages of [[], { left: [] }, { left: [], right: [], middle: [] }]) {
      const run = simulate({ topology: () => two(), messages, seed: 1, faults: false, ...TIMES });
      await expect(run).rejects.toMatchObject({ code: 'sources_mismatch' });
    }
  });
});
