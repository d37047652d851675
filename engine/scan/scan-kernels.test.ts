import { describe, expect, it } from 'vitest';
import { fc } from '../../test/property.ts';
import { LogUnderTest, type Row, SCHEMA } from '../log/fixture-log.ts';
import { planScan, type ScanPlan, type ScanRequest, scanChunks } from '../log/index.ts';
import { MemoryDisk } from '../state/index.ts';
import { EntityEvents, type EntityShare, EVENT_LABELS, eventTimeOf } from './entity-events.ts';
import { FurthestAttempts, NOT_PLAIN } from './furthest-attempts.ts';
import { countMasks, hasPeriod, PeriodsActive } from './periods-active.ts';
import type { RowLabelsConfig } from './row-labels.ts';

const T = Date.UTC(2026, 2, 1);
const HOUR_MS = 3_600_000;
const STEPS = ['DE', 'FR', 'GB', 'IT'];
/** Places of the fixture's columns among those of their kind. */
const [RETRACTION, COUNTRY, MASK, CUSTOMER] = [0, 1, 2, 0];
/** What stands for "came in as an event". */
const ORIGINAL = 1;

/** Both words 0 is none; the others differ in the first bits, the last, or one word only. */
const CUSTOMERS: readonly Row['customer'][] = [
  ...([
    [0, 0],
    [0, 1],
    [1, 0],
    [-1, 7],
    [-1, 8],
  ] as const),
  ...([
    [2 ** 30, 5],
    [-(2 ** 31), 5],
    [-(2 ** 30), -5],
    [1_234_567_890, 5],
  ] as const),
];

const anyRow: fc.Arbitrary<Row> = fc.record({
  scope: fc.constantFrom('s', 's', 's', 't'),
  // Few distinct times, so that many are equal; several days, so that segments have several.
  time_ms: fc.integer({ min: 0, max: 160 }).map((step) => T + step * HOUR_MS),
  sequence: fc.constant(0),
  part: fc.constant(0),
  retraction: fc.boolean(),
  country: fc.constantFrom('', 'XX', ...STEPS, ...STEPS),
  mask: fc.constantFrom(0, 2, 1, 1, 1, 3, 5),
  customer: fc.constantFrom(...CUSTOMERS),
  amount: fc.constant(1),
  origin: fc.constant(Number.NaN),
  items: fc.constant([]),
});

interface Case {
  readonly rows: readonly Row[];
  readonly commit_rows: number;
  readonly request: ScanRequest;
  readonly window_ms: number;
}

/** Rows in the order of their sequences, whatever their times: most are late for others. Some have times of their own. */
const anyCase: fc.Arbitrary<Case> = fc.record({
  rows: fc
    .tuple(fc.array(anyRow, { minLength: 1, maxLength: 400 }), fc.constantFrom(0, 1, 1_000))
    .map(([rows, apart_ms]) =>
      rows.map((row, at) => ({ ...row, sequence: at + 1, time_ms: row.time_ms + at * apart_ms })),
    ),
  commit_rows: fc.integer({ min: 1, max: 120 }),
  request: fc.record(
    {
      scope: fc.constant('s'),
      start_ms: fc.constantFrom(T, T, T + 30 * HOUR_MS),
      end_ms: fc.constantFrom(T + 161 * HOUR_MS, T + 100 * HOUR_MS),
      upTo: fc.integer({ min: 0, max: 400 }),
    },
    { requiredKeys: ['scope', 'start_ms', 'end_ms'] },
  ),
  window_ms: fc.constantFrom(0, 5 * HOUR_MS, 40 * HOUR_MS, 1_000 * HOUR_MS),
});

function logOf({ rows, commit_rows }: Case): LogUnderTest {
  const log = new LogUnderTest(new MemoryDisk().open());
  for (let from = 0; from < rows.length; from += commit_rows) {
    log.append(rows.slice(from, from + commit_rows));
    log.commit();
  }
  return log;
}

function labelsOf(log: LogUnderTest, plan: ScanPlan): RowLabelsConfig {
  const labels = new Map(STEPS.map((country, at) => [log.dictionary.find(country), at + 1]));
  return { kind: COUNTRY, labels, flags: MASK, flag: ORIGINAL, request: plan.request };
}

/** The events of each customer by brute force: [time, step], in order of both. */
function eventsOf({ rows, request }: Case): [number, number][][] {
  const { scope, start_ms, end_ms, upTo = Number.POSITIVE_INFINITY } = request;
  const byCustomer = new Map<string, [number, number][]>();
  for (const { scope: own, time_ms, sequence, country, mask, customer } of rows) {
    const step = STEPS.indexOf(country) + 1;
    const isEvent = own === scope && (mask & ORIGINAL) !== 0 && step > 0 && customer.join() !== '0,0';
    if (!isEvent || time_ms < start_ms || time_ms >= end_ms || sequence > upTo) continue;
    const known = byCustomer.get(customer.join());
    if (known === undefined) byCustomer.set(customer.join(), [[time_ms, step]]);
    else known.push([time_ms, step]);
  }
  return [...byCustomer.values()].map((events) =>
    events.sort(([time, step], [otherTime, otherStep]) => time - otherTime || step - otherStep),
  );
}

/** The attempt that counts: from each first step on, whatever comes first next; the furthest, and of these the newest. */
function attemptOf(
  events: readonly (readonly [number, number])[],
  { window_ms }: Case,
  entry: Entry,
): number[] {
  let furthest: number[] = [];
  for (const [begin, [begun_ms, first]] of events.entries()) {
    if (first !== 1 || begun_ms < ENTRIES.start_ms || begun_ms >= ENTRIES.end_ms) continue;
    const times_ms = [begun_ms];
    for (const [time_ms, own] of events.slice(begin + 1))
      if (own === times_ms.length + 1 && time_ms - begun_ms <= window_ms) times_ms.push(time_ms);
    if (times_ms.length >= furthest.length) furthest = times_ms;
    if (entry === 'first') break;
  }
  return furthest;
}

type Entry = 'latest' | 'first';
/** Where attempts may begin. */
const ENTRIES = { start_ms: T + 3 * HOUR_MS, end_ms: T + 120 * HOUR_MS };

/** What is told of entities: `steps reached @ entry`, and `step: time to it`, sorted. */
function told(attempts: readonly (readonly number[])[]): string[] {
  return attempts
    .filter(({ length }) => length > 0)
    .flatMap((times_ms) => {
      const steps = times_ms.slice(1).map((ms, at) => `${at + 1}: ${ms - (times_ms[at] as number)}`);
      const [entry_ms = 0, last_ms = 0] = [times_ms[0], times_ms.at(-1)];
      const whole = times_ms.length === STEPS.length ? [`0: ${last_ms - entry_ms}`] : [];
      return [`${times_ms.length} @ ${entry_ms}`, ...steps, ...whole];
    })
    .sort();
}

/** The same by the kernel, in parts of the entities. */
function furthestIn(log: LogUnderTest, given: Case, entry: Entry, of: number): string[] {
  const found: string[] = [];
  const times = Array.from({ length: STEPS.length }, (_unused, at) => ({
    add: (time_ms: number): void => void found.push(`${at}: ${time_ms}`),
  }));
  const stepOf = new Uint8Array(EVENT_LABELS).fill(NOT_PLAIN);
  for (let step = 1; step <= STEPS.length; step++) stepOf[step] = step;
  const { window_ms } = given;
  for (let index = 0; index < of; index++) {
    const events = eventsIn(log, given.request, { index, of });
    const kernel = new FurthestAttempts({ steps: STEPS.length, window_ms, ...ENTRIES, entry, stepOf, times });
    kernel.visit(
      events,
      ({ count, reached, entry_ms }) => {
        for (let at = 0; at < count; at++)
          if (reached[at] !== 0) found.push(`${reached[at]} @ ${entry_ms[at]}`);
      },
      (_hi, _lo, own, count) => {
        const listed = [...own.subarray(0, count)].map((event): [number, number] => {
          const time_ms = eventTimeOf(event);
          return [time_ms, event - time_ms * EVENT_LABELS];
        });
        // Only those with two events of one time come here.
        expect(new Set(listed.map(([time_ms]) => time_ms)).size).toBeLessThan(count);
        found.push(...told([attemptOf(listed, given, entry)]));
      },
    );
    events.end();
  }
  return found.sort();
}

/** Of each entity: its events as [time, step]. */
function collect(log: LogUnderTest, { request }: Case): [number, number][][] {
  const found: [number, number][][] = [];
  const collected = eventsIn(log, request);
  collected.visit((_hi, _lo, events, count) => {
    const own = [...events.subarray(0, count)];
    found.push(own.map((event) => [eventTimeOf(event), event - eventTimeOf(event) * EVENT_LABELS]));
  });
  // The next one gets its memory.
  collected.end();
  return found;
}

function eventsIn(log: LogUnderTest, request: ScanRequest, share?: EntityShare): EntityEvents {
  const plan = planScan(log.tables, request);
  const own = share === undefined ? {} : { share };
  const events = new EntityEvents({ ...labelsOf(log, plan), entity: CUSTOMER, ...own });
  scanChunks(log.tables, plan, SCHEMA, (chunk) => events.add(chunk));
  return events;
}

/** A row, and now and then the one that takes it back. */
function takenBack(row: Row, at: number): Row[] {
  const own = { ...row, retraction: false };
  return at % 3 === 0 ? [own, { ...own, retraction: true }] : [own];
}

/** Customers by the periods in which they have more rows than were taken back. */
function periodsByBruteForce({ rows, request }: Case, edges_ms: readonly number[]): Record<string, number> {
  const { scope, start_ms, end_ms, upTo = Number.POSITIVE_INFINITY } = request;
  const net = new Map<string, number[]>();
  for (const { scope: own, time_ms, sequence, country, customer, retraction } of rows) {
    if (own !== scope || !STEPS.includes(country) || customer.join() === '0,0') continue;
    if (time_ms < start_ms || time_ms >= end_ms || sequence > upTo) continue;
    const period = edges_ms.findLastIndex((edge_ms) => edge_ms <= time_ms);
    if (period < 0 || period === edges_ms.length - 1) continue;
    const counts = net.get(customer.join()) ?? edges_ms.map(() => 0);
    (counts[period] as number) += retraction ? -1 : 1;
    net.set(customer.join(), counts);
  }
  const found: Record<string, number> = {};
  for (const counts of net.values()) {
    const own = counts.flatMap((count, period) => (count > 0 ? [period] : []));
    if (own.length > 0) found[own.join()] = (found[own.join()] ?? 0) + 1;
  }
  return found;
}

const asSet = (events: readonly unknown[]): string[] => events.map((own) => JSON.stringify(own)).sort();

describe('kernels over rows of a log', () => {
  it('hand out the events of each entity in order', () => {
    fc.assert(
      fc.property(anyCase, (given) => {
        expect(asSet(collect(logOf(given), given))).toEqual(asSet(eventsOf(given)));
      }),
      { numRuns: 200 },
    );
  });

  it('follow each entity to its furthest step, in one go and in parts', () => {
    fc.assert(
      fc.property(
        anyCase,
        fc.constantFrom<Entry>('latest', 'first'),
        fc.constantFrom(1, 2, 16),
        (given, entry, of) => {
          const attempts = eventsOf(given).map((events) => attemptOf(events, given, entry));
          expect(furthestIn(logOf(given), given, entry, of)).toEqual(told(attempts));
        },
      ),
      { numRuns: 400 },
    );
  });

  it('find in which periods an entity has rows that were not taken back, in one go and in parts', () => {
    const anyEdges = fc
      .uniqueArray(fc.integer({ min: -10, max: 170 }), { minLength: 2, maxLength: 63 })
      .map((edges) => edges.sort((a, b) => a - b).map((step) => T + step * HOUR_MS));
    fc.assert(
      fc.property(anyCase, anyEdges, fc.constantFrom(1, 3), (given, edges_ms, parts) => {
        const withBack = { ...given, rows: given.rows.flatMap(takenBack) };
        const log = logOf(withBack);
        const asked = given.request;
        const steps = Array.from({ length: parts - 1 }, (_unused, at) => T + 50 * (at + 1) * HOUR_MS);
        const inner = steps.filter((ms) => ms > asked.start_ms && ms < asked.end_ms);
        const bounds_ms = [asked.start_ms, ...inner, asked.end_ms];
        const codes = STEPS.map((country) => log.dictionary.find(country));
        const bytes = bounds_ms.slice(1).map((end_ms, at) => {
          const plan = planScan(log.tables, { ...asked, start_ms: bounds_ms[at] as number, end_ms });
          const periods = new PeriodsActive({
            ...{ column: COUNTRY, accepts: (code) => codes.includes(code), request: plan.request },
            ...{ entity: CUSTOMER, retraction: RETRACTION, edges_ms },
          });
          scanChunks(log.tables, plan, SCHEMA, (chunk) => periods.add(chunk));
          if (periods.isToBeAddedAgain) {
            periods.again();
            scanChunks(log.tables, plan, SCHEMA, (chunk) => periods.add(chunk));
          }
          return Buffer.from(periods.bytes());
        });
        const found: Record<string, number> = {};
        countMasks(Buffer.concat(bytes), (low, high, entities) => {
          const own = edges_ms
            .slice(1)
            .flatMap((_end, period) => (hasPeriod(low, high, period) ? [period] : []));
          found[own.join()] = (found[own.join()] ?? 0) + entities;
        });
        expect(found).toEqual(periodsByBruteForce(withBack, edges_ms));
      }),
      { numRuns: 300 },
    );
  });

  it('find many entities again, and sort many events of one that come in no order', () => {
    const random = fc.sample(fc.integer(), { numRuns: 30_000, seed: 1 });
    const rows = Array.from({ length: 30_000 }, (_unused, at): Row => {
      const own = at % 3 === 0 ? 0 : at % 5_000;
      const step = (random[at] as number) >>> 0;
      return {
        ...{
          scope: 's',
          time_ms: T + (step % 500_000) * 1_000,
          sequence: at + 1,
          part: 0,
          retraction: false,
        },
        ...{ country: STEPS[step % 4] as string, mask: 1, amount: 1, origin: Number.NaN, items: [] },
        customer: [Math.imul(own + 1, 0x9e3779b1), own + 1],
      };
    });
    const request = { scope: 's', start_ms: T, end_ms: T + 500_000_000 };
    const given = { rows, commit_rows: 7_000, request, window_ms: 20 * HOUR_MS };
    const log = new LogUnderTest(new MemoryDisk().open(), { sealed_min_rows: 10_000, sort_min_rows: 5_000 });
    for (let from = 0; from < rows.length; from += 7_000) {
      log.append(rows.slice(from, from + 7_000));
      log.commit();
    }
    const expected = eventsOf(given);
    expect(asSet(collect(log, given))).toEqual(asSet(expected));
    for (const of of [1, 4]) {
      const attempts = expected.map((events) => attemptOf(events, given, 'latest'));
      expect(furthestIn(log, given, 'latest', of)).toEqual(told(attempts));
    }
  });
});
