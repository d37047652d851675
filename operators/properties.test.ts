import { describe, expect, it } from 'vitest';
import { SeededRandom } from '../engine/index.ts';
import { sizes } from '../test/long.ts';
import { fc } from '../test/property.ts';
import { count, sumExact } from './aggregates/index.ts';
import { runAnyWay, runCrashedAnywhere, runFromEverySnapshot } from './fixture-any-way.ts';
import { anyWay, type Item, multiset, outcomeOf, planOf, straight, trialsOf } from './fixture-properties.ts';
import { JOIN_CASES } from './fixture-properties-joins.ts';
import { LOG_CASES } from './fixture-properties-log.ts';
import { OTHER_CASES } from './fixture-properties-others.ts';
import { WINDOW_CASES } from './fixture-properties-windows.ts';
import * as operators from './index.ts';
import { countWindow, session, tumbling, type WindowResult, window } from './windows/index.ts';

interface Reading {
  readonly key: string;
  readonly time_ms: number;
  readonly amount: number;
}

const keyOf = ({ key }: Reading): string => key;
const timeOf = ({ time_ms }: Reading): number => time_ms;

const CASES = [...WINDOW_CASES, ...JOIN_CASES, ...LOG_CASES, ...OTHER_CASES];
/** Not among the cases, for a reason. */
const EXCUSED: Readonly<Record<string, string>> = {
  ...Object.fromEntries(
    ['branch', 'decode', 'filter', 'flat-map', 'json', 'lift', 'lookup', 'map', 'sample'].map((kind) => [
      kind,
      'has no state: an item at a time',
    ]),
  ),
  watermark: 'makes the time that the others are tested with; see watermark.test.ts and the simulation',
  cubes: 'takes rows in columns; see cubes.test.ts, and the simulation of the order analytics',
  'event-log': 'takes rows in columns; see log.test.ts, and the simulation of the order analytics',
  'to-callback': 'is to-jetstream with a subject of its own',
};

describe.each(CASES)('$name', (of) => {
  it('is the same for any order, batches, watermarks, commits, crashes and moves', async () => {
    for (const trial of trialsOf(of, sizes.operator_seeds, 24)) {
      expect(await anyWay(trial), `seed ${trial.seed}, until ${trial.end_ms}`).toEqual(await straight(trial));
    }
  });

  it('goes on from a snapshot after any step, as often as one likes, as if nothing had been', async () => {
    for (const trial of trialsOf(of, 1, 14)) {
      const wanted = await straight(trial);
      for await (const run of runFromEverySnapshot(of.build, planOf(trial))) {
        expect(outcomeOf(of, run), `until ${trial.end_ms}`).toEqual(wanted);
      }
    }
  });

  it('goes on after a crash at any step as if nothing had been', async () => {
    for (const trial of trialsOf(of, 1, 14)) {
      const wanted = await straight(trial);
      for await (const run of runCrashedAnywhere(of.build, planOf(trial), new SeededRandom(trial.seed))) {
        expect(outcomeOf(of, run), `until ${trial.end_ms}`).toEqual(wanted);
      }
    }
  });
});

/** Instances that have the items of their keys, and nobody else's. */
const SHARES: readonly ((item: Item) => boolean)[] = [({ key }) => key === 'a', ({ key }) => key !== 'a'];
const DIVIDED = CASES.filter(({ final }) => final !== null);

describe.each(DIVIDED)('instances of $name side by side', (of) => {
  it('give together what one gives', async () => {
    for (const trial of trialsOf(of, 1, 20)) {
      const shares = SHARES.map((share) => anyWay({ ...trial, items: trial.items.filter(share) }));
      const outcomes = await Promise.all(shares);
      const together = outcomes.flatMap(({ final }) => final as readonly unknown[]);
      const alone = (await straight(trial)).final as readonly unknown[];
      expect(multiset(together).toSorted(), `seed ${trial.seed}`).toEqual(multiset(alone).toSorted());
    }
  });
});

describe('windows that part the time', () => {
  const anyWindow = fc.oneof(
    fc
      .record({ size_ms: fc.integer({ min: 1, max: 40 }), offset_ms: fc.integer({ min: -50, max: 50 }) })
      .map(tumbling),
    fc.record({ gap_ms: fc.integer({ min: 1, max: 20 }) }).map(session),
    fc.record({ count: fc.integer({ min: 1, max: 5 }), idle_ms: fc.constant(1) }).map(countWindow),
  );
  const anyReading = fc.record({
    key: fc.constantFrom('a', 'b', 'c'),
    time_ms: fc.nat(120),
    amount: fc.integer({ min: -1_000, max: 1_000 }),
  });

  it('hold each event once: their counts and sums are those of the whole, by key', async () => {
    await fc.assert(
      fc.asyncProperty(
        anyWindow,
        fc.array(anyReading, { maxLength: 40 }),
        fc.nat(7),
        fc.integer(),
        async (parted, readings, allowedLateness_ms, seed) => {
          const config = { keyOf, timeOf, window: parted, allowedLateness_ms, mode: 'retract' as const };
          const numbers = { count: count(), sum: sumExact((reading: Reading) => reading.amount) };
          const { out } = await runAnyWay<Reading, WindowResult<{ count: number; sum: bigint }>>(
            (input) => input.pipe(window('parts', { ...config, aggregate: numbers })),
            readings,
            { timeOf, seed, end_ms: 10_000, disorder_ms: 10 },
          );
          const parts = new Map<string, { count: number; sum: number }>();
          const add = (key: string, counted: number, summed: number): void => {
            const { count: soFar, sum } = parts.get(key) ?? { count: 0, sum: 0 };
            parts.set(key, { count: soFar + counted, sum: sum + summed });
          };
          for (const { key, kind, value } of out) {
            const sign = kind === 'retract' ? -1 : 1;
            add(key, sign * value.count, sign * Number(value.sum));
          }
          for (const { key, amount } of readings) add(key, -1, -amount);
          expect([...parts.values()].filter((left) => left.count !== 0 || left.sum !== 0)).toEqual([]);
        },
      ),
      { numRuns: 300 },
    );
  });
});

it('every kind of operator is among them, or has an excuse', () => {
  const kinds = Object.entries(operators)
    .filter(([name]) => name.endsWith('Doc'))
    .map(([, doc]) => (doc as { readonly kind: string }).kind);
  const covered = new Set([...CASES.flatMap((of) => of.kinds), ...Object.keys(EXCUSED)]);
  expect(kinds.filter((kind) => !covered.has(kind))).toEqual([]);
});
