import { describe, expect, it } from 'vitest';
import { type Builder, type Either, type Operator, type Stream, TestDriver } from '../engine/index.ts';
import { fc } from '../test/property.ts';
import { collect } from './aggregates/index.ts';
import { type By, inputs, type Joined, modeOf, nothingLate, type Type, timeBy } from './fixture-chaining.ts';
import { anyRows, bruteForce, each, pair, type Row, resultsOf, sides } from './joins/fixture-join.ts';
import { intervalJoin, type LateRows, temporalJoin, windowJoin } from './joins/index.ts';
import { tumbling, window } from './windows/index.ts';

type Join = Operator<Either<Row, Row>, Joined, LateRows<Row, Row>>;

const WINDOW_MS = 3;

const timesOf = (item: Joined): number[] =>
  [item.left, item.right].filter((row) => row !== undefined).map(({ time_ms }) => time_ms);
/** `2: 1+2 4+` for what the window number 2 holds; rows that are late for the join as `late left 3`. */
const windowed =
  (join: () => Join, by: By, times = timesOf) =>
  (input: Stream<Row>, t: Builder): Stream<string> => {
    const [a, b] = sides(input);
    const results = a.connect(b, join());
    const windows = results.pipe(
      nothingLate('check', times),
      window('window', {
        keyOf: () => '',
        timeOf: (item) => timeBy(item, by),
        window: tumbling({ size_ms: WINDOW_MS }),
        aggregate: collect<Joined>(1_000),
      }),
    );
    const late = results
      .side('late')
      .pipe(
        each<Either<Row, Row>, string>('tell-late', ({ input: side, value }) => [`late ${side} ${value.id}`]),
      );
    const told = windows.pipe(
      each('tell', ({ window: { start_ms }, value }) =>
        value.map((item) => `${start_ms / WINDOW_MS}: ${pair(item.left, item.right)}`),
      ),
    );
    const dropped = windows
      .side('late')
      .pipe(each('tell-dropped', (item) => [`dropped ${JSON.stringify(item)}`]));
    return t.merge('all', told, late, dropped);
  };

/** The same by brute force, of the rows that the join did not put aside. */
function expectedOf(
  out: readonly string[],
  rows: readonly Row[],
  type: Type,
  by: By,
  matches: (l: Row, r: Row) => boolean,
): string[] {
  const late = out.filter((line) => line.startsWith('late'));
  const inTime = rows.filter(({ side, id }) => !late.includes(`late ${side} ${id}`));
  const results = bruteForce(inTime, type, matches).map((ids) => {
    const [l, r] = ids.split('+').map((id) => (id === '' ? undefined : (rows[Number(id)] as Row)));
    const item = { ...(l === undefined ? {} : { left: l }), ...(r === undefined ? {} : { right: r }) };
    return `${Math.floor(timeBy(item, by) / WINDOW_MS)}: ${ids}`;
  });
  return [...results, ...late].sort();
}

const disorders = fc.constantFrom([0, 0], [4, 4], [25, 25], [5, 60], [0, 30]);
const types = fc.constantFrom<Type>('inner', 'left', 'outer');
const sorts = fc.constantFrom<By>('left', 'right');

describe('behind a join', () => {
  it('by bounds no result is late, by the time of either row, with a window of lateness 0', async () => {
    await fc.assert(
      fc.asyncProperty(
        anyRows(60),
        types,
        sorts,
        fc.tuple(fc.integer({ min: -20, max: 20 }), fc.integer({ min: 0, max: 20 })),
        fc.constantFrom(1, 3, 7, undefined),
        fc.constantFrom(0, 2, 9),
        disorders,
        fc.integer(),
        async (
          rows,
          type,
          by,
          [lower_ms, span_ms],
          bucket_ms,
          allowedLateness_ms,
          [held_ms, disorder_ms],
          seed,
        ) => {
          const upper_ms = lower_ms + span_ms;
          const bucket = bucket_ms === undefined ? {} : { bucket_ms };
          const join = (): Join =>
            intervalJoin('join', {
              ...inputs,
              ...modeOf(type),
              lower_ms,
              upper_ms,
              allowedLateness_ms,
              ...bucket,
            });
          const out = await resultsOf(windowed(join, by), rows, seed, held_ms as number, disorder_ms);
          const expected = expectedOf(out, rows, type, by, (l, r) => {
            const distance_ms = r.time_ms - l.time_ms;
            return lower_ms <= distance_ms && distance_ms <= upper_ms;
          });
          expect(out.toSorted()).toEqual(expected);
        },
      ),
      { numRuns: 200 },
    );
  });

  it('by windows no result is late, by the time of either row, with a window of lateness 0', async () => {
    await fc.assert(
      fc.asyncProperty(
        anyRows(60),
        types,
        sorts,
        fc.integer({ min: -12, max: 12 }),
        fc.constantFrom(1, 5, 10),
        fc.constantFrom(0, 2, 9),
        disorders,
        fc.integer(),
        async (rows, type, by, offset_ms, size_ms, allowedLateness_ms, [held_ms, disorder_ms], seed) => {
          const join = (): Join =>
            windowJoin('join', { ...inputs, ...modeOf(type), size_ms, offset_ms, allowedLateness_ms });
          const windowOf = ({ time_ms }: Row): number => Math.floor((time_ms - offset_ms) / size_ms);
          const out = await resultsOf(windowed(join, by), rows, seed, held_ms as number, disorder_ms);
          const expected = expectedOf(out, rows, type, by, (l, r) => windowOf(l) === windowOf(r));
          expect(out.toSorted()).toEqual(expected);
        },
      ),
      { numRuns: 150 },
    );
  });

  it('as of a time no result is late by the time of its left row', async () => {
    await fc.assert(
      fc.asyncProperty(
        anyRows(60),
        fc.constantFrom(1, 7, undefined),
        fc.constantFrom(0, 2, 9),
        disorders,
        fc.integer(),
        async (rows, bucket_ms, allowedLateness_ms, [held_ms, disorder_ms], seed) => {
          const bucket = bucket_ms === undefined ? {} : { bucket_ms };
          const join = (): Join =>
            temporalJoin('join', {
              ...inputs,
              type: 'left',
              join: (l: Row): Joined => ({ left: l }),
              allowedLateness_ms,
              ...bucket,
            });
          const out = await resultsOf(windowed(join, 'left'), rows, seed, held_ms as number, disorder_ms);
          const expected = expectedOf(out, rows, 'left', 'left', () => false);
          expect(out.toSorted()).toEqual(expected);
        },
      ),
      { numRuns: 100 },
    );
  });

  it('nothing is late after restarts with other allowed lateness', async () => {
    await fc.assert(
      fc.asyncProperty(
        anyRows(60),
        types,
        fc.array(fc.constantFrom(0, 3, 20, 50), { minLength: 1, maxLength: 5 }),
        async (rows, type, lateness) => {
          const build = (allowedLateness_ms: number) =>
            windowed(
              () =>
                intervalJoin('join', {
                  ...inputs,
                  ...modeOf(type),
                  lower_ms: -4,
                  upper_ms: 9,
                  allowedLateness_ms,
                  bucket_ms: 3,
                }),
              'left',
            );
          const at = Math.ceil(rows.length / lateness.length);
          const out: string[] = [];
          let reached_ms = 0;
          let driver: TestDriver<Row, string> | undefined;
          for (const [part, allowedLateness_ms] of lateness.entries()) {
            const snapshot = driver?.snapshot();
            driver = await TestDriver.start(
              build(allowedLateness_ms),
              snapshot === undefined ? {} : { snapshot },
            );
            for (const row of rows.slice(part * at, (part + 1) * at)) {
              await driver.push(row);
              reached_ms = Math.max(reached_ms, row.time_ms);
              await driver.advanceTo(reached_ms);
              driver.commit();
            }
            out.push(...driver.take());
          }
          await driver?.advanceTo(1_000_000);
          out.push(...(driver?.take() ?? []));
          const expected = expectedOf(out, rows, type, 'left', (l, r) => {
            const distance_ms = r.time_ms - l.time_ms;
            return -4 <= distance_ms && distance_ms <= 9;
          });
          expect(out.toSorted()).toEqual(expected);
        },
      ),
      { numRuns: 60 },
    );
  });
});
