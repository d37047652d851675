import { describe, expect, it } from 'vitest';
import {
  type Builder,
  type OutMessage,
  SeededRandom,
  type Stream,
  type TestMessage,
  TopologyTestDriver,
  topology,
} from '../../engine/index.ts';
import { fc } from '../../test/property.ts';
import { json, watermark } from '../core/index.ts';
import { intervalJoin, streamJoin, temporalJoin, windowJoin } from '../joins/index.ts';
import { begin, funnel, pattern } from '../sequences/index.ts';
import { toJetStream } from './to-jetstream.ts';

interface Row {
  readonly at: number;
  readonly key: string;
  readonly step: number;
}
type Sides = readonly [readonly Row[], readonly Row[]];

const DISORDER_MS = 20;
const NAMES = ['left', 'right'] as const;
const timeOf = ({ at }: Row): number => at;
const keyOf = ({ key }: Row): string => key;
const side = { keyOf, timeOf };
const pair = (left?: Row, right?: Row): unknown => [left?.at, right?.at];

const timed = (t: Builder, name: string): Stream<Row> =>
  t
    .source(name)
    .pipe(
      json(`${name}-parse`, { parse: (value) => value as Row }),
      watermark(`${name}-time`, { timeOf, outOfOrderness_ms: DISORDER_MS }),
    );
const sink = (name: string) => toJetStream(`${name}-out`, { subject: name });

/** Every kind of join on two streams, and a pattern on one of them. */
const joins = topology('joins', (t) => {
  const left = timed(t, 'left');
  const right = timed(t, 'right');
  left
    .connect(
      right,
      intervalJoin<Row, Row, unknown>('near', {
        ...{ left: side, right: side, lower_ms: -15, upper_ms: 25, bucket_ms: 10 },
        ...{ type: 'outer', join: pair },
      }),
    )
    .pipe(sink('near'));
  left
    .connect(
      right,
      windowJoin<Row, Row, unknown>('tens', {
        ...{ left: side, right: side, size_ms: 30 },
        ...{ type: 'outer', join: pair },
      }),
    )
    .pipe(sink('tens'));
  left
    .connect(
      right,
      temporalJoin<Row, Row, unknown>('versions', { left: side, right: side, type: 'left', join: pair }),
    )
    .pipe(sink('versions'));
  left
    .connect(right, streamJoin<Row, Row, unknown>('all', { left: { keyOf }, right: { keyOf }, join: pair }))
    .pipe(sink('all'));
  const found = pattern<Row, 'one' | 'two'>('steps', {
    ...{ keyOf, timeOf, skip: 'noSkip' },
    pattern: begin('one', ({ step }: Row) => step === 0)
      .followedBy('two', ({ step }) => step === 1)
      .within(40),
  });
  const matches = left.pipe(found);
  // Of an event nothing but its time is told: matches that look alike are several all the same.
  matches.pipe(toJetStream('matches-out', { subject: 'matches', encode: ({ key }) => Buffer.from(key) }));
});

const messageOf = (row: Row): TestMessage => ({ subject: 'in.x', json: row });
const textOf = ({ id, payload }: OutMessage): string => `${id} ${Buffer.from(payload).toString()}`;

/** One source after the other, each in its order; one message a push, and a commit at the end. */
async function straight(sides: Sides): Promise<string[]> {
  const driver = await TopologyTestDriver.start(joins);
  for (const [at, name] of NAMES.entries()) {
    for (const row of sides[at] ?? []) await driver.pushTo(name, messageOf(row));
  }
  driver.commit();
  return driver.sent.map(textOf);
}

/** The sources in any order between each other, in batches, with commits and restarts. */
async function anyWay(sides: Sides, seed: number): Promise<string[]> {
  const random = new SeededRandom(seed);
  const sent: string[] = [];
  let driver = await TopologyTestDriver.start(joins);
  const done = [0, 0];
  const rest = (at: number): number => (sides[at]?.length ?? 0) - (done[at] ?? 0);
  while (rest(0) + rest(1) > 0) {
    const at = rest(0) > 0 && (rest(1) === 0 || random.chance(0.5)) ? 0 : 1;
    const from = done[at] ?? 0;
    const batch = (sides[at] ?? []).slice(from, from + random.int(1, 9));
    done[at] = from + batch.length;
    await driver.pushTo(NAMES[at] ?? 'left', ...batch.map(messageOf));
    if (!random.chance(0.4)) continue;
    driver.commit();
    sent.push(...driver.sent.map(textOf));
    if (random.chance(0.5)) {
      driver = await TopologyTestDriver.start(joins, { snapshot: driver.snapshot() });
    } else driver.sent.length = 0;
  }
  driver.commit();
  return [...sent, ...driver.sent.map(textOf)];
}

describe('ids of what joins, patterns and funnels give', () => {
  it('are the same however two sources come, wherever batches, commits and restarts are', async () => {
    const rows = fc.array(
      fc.record({
        at: fc.integer({ min: 0, max: DISORDER_MS }),
        key: fc.constantFrom('a', 'b'),
        step: fc.integer({ min: 0, max: 2 }),
      }),
      { minLength: 1, maxLength: 25 },
    );
    // Rows of one time and key are many, so that matches are alike in all that is told of them.
    const sideOf = (given: readonly Row[]): readonly Row[] => [
      ...given.map((row, place) => ({ ...row, at: 1_000 + Math.floor((place * 5 + row.at) / 10) * 10 })),
      { at: 9_000, key: 'end', step: 2 },
    ];
    const seen = new Map<string, number>();
    await fc.assert(
      fc.asyncProperty(rows, rows, fc.integer(), async (left, right, seed) => {
        const sides: Sides = [sideOf(left), sideOf(right)];
        const expected = await straight(sides);
        expect(new Set(expected.map((text) => text.split(' ')[0])).size).toBe(expected.length);
        for (const text of expected) {
          const name = text.split('-')[1] ?? '';
          seen.set(name, (seen.get(name) ?? 0) + 1);
        }
        expect([...new Set(await anyWay(sides, seed))].sort()).toEqual(expected.toSorted());
      }),
      { numRuns: 60 },
    );
    expect([...seen.keys()].sort()).toEqual(['all', 'matches', 'near', 'tens', 'versions']);
  });

  it('are the same for funnels, however far the watermark steps', async () => {
    const steps = topology('steps', (t) => {
      const changes = timed(t, 'left').pipe(
        funnel<Row>('way', {
          ...{ keyOf, timeOf, window_ms: 100 },
          steps: [0, 1].map((step) => ({ name: `s${step}`, matches: (row: Row) => row.step === step })),
        }),
      );
      changes.pipe(sink('changes'));
    });
    const entries = Array.from({ length: 20 }, (_, at) => ({ at: 1_000 + at, key: `k${at % 7}`, step: 0 }));
    const sentWith = async (ticks: readonly number[]): Promise<string[]> => {
      const driver = await TopologyTestDriver.start(steps);
      for (const row of [...entries, ...ticks.map((at) => ({ at, key: 'tick', step: 2 }))]) {
        await driver.push(messageOf(row));
      }
      driver.commit();
      return driver.sent.map(textOf).sort();
    };
    const once = await sentWith([5_000]);
    expect(once.filter((text) => text.includes('dropped'))).toHaveLength(7);
    expect(await sentWith([1_110, 1_125, 1_127, 1_128, 1_500])).toEqual(once);
  });
});
