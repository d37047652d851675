import { describe, expect, it } from 'vitest';
import { orderedOutputs, type Stream, topology } from '../engine/index.ts';
import { isLong, sizes } from '../test/long.ts';
import { lift } from './core/index.ts';
import { dedup } from './dedup/index.ts';
import { logOf, ORDERED_CASES, type OrderedCase, topologyOf } from './fixture-ordered.ts';
import type { Item } from './fixture-properties.ts';
import { JOIN_CASES } from './fixture-properties-joins.ts';
import { OTHER_CASES } from './fixture-properties-others.ts';
import { WINDOW_CASES } from './fixture-properties-windows.ts';
import * as operators from './index.ts';

const CASES: readonly OrderedCase[] = [
  ...ORDERED_CASES,
  ...WINDOW_CASES.filter((_, at) => isLong || at % 3 === 0),
  ...JOIN_CASES,
  // It forgets by the clock, which is refused: `ORDERED_CASES` has one that does not.
  ...OTHER_CASES.filter(({ kinds }) => !kinds.includes('dedup')),
];
/** Not among the cases, for a reason. */
const EXCUSED: Readonly<Record<string, string>> = {
  lift: 'is refused',
  cubes: 'gives nothing but the rows that came',
  'event-log': 'gives nothing',
};
const RECORDS = 30;

const run = (of: OrderedCase, log: number, ordered = true) =>
  orderedOutputs({
    topology: () => topologyOf(of),
    log: logOf(log, RECORDS, of.scale ?? 1),
    seeds: sizes.ordered_seeds,
    ordered,
  });

describe.each(CASES)('in an ordered task $name', (of) => {
  it('gives the same for each record, whatever the takes, commits, crashes and clocks', async () => {
    for (let log = 1; log <= sizes.ordered_logs; log++) {
      const report = await run(of, log);
      expect(report.failure, `log ${log}`).toBeUndefined();
      expect([report.positions > 0, report.sent > 0 || report.items > 0]).toEqual([true, true]);
    }
  });
});

/** What depends on more than the log where a task is not ordered: the watermark, the way of a join, the clock. */
const TOLD: readonly string[] = [
  'every aggregate',
  'ways that part and meet',
  'lookup-join, rows for ever',
  'lookup-join, rows that expire',
  'a process in the order of arrival, with the clock and late timers',
];

describe.each(CASES.filter(({ name }) => TOLD.includes(name)))(
  'in a task that is not ordered $name',
  (of) => {
    it('is found to give something else', async () => {
      let found = false;
      for (let log = 1; log <= 20 && !found; log++) found = (await run(of, log, false)).failure !== undefined;
      expect(found).toBe(true);
    });
  },
);

describe('what an ordered task cannot have', () => {
  const refused: readonly [string, (input: Stream<Item>) => Stream<unknown>][] = [
    ['rx', (input) => input.pipe(lift<Item, Item>('rx', (items) => items))],
    ['ids', (input) => input.pipe(dedup<Item>('ids', { idOf: ({ id }) => id, timeOf: () => 0 }))],
  ];

  it.each(refused)('is refused by its name: %s', (name, build) => {
    const built = topology('parts', (t) => {
      build(t.source('log').pipe(operators.map('items', () => ({}) as Item)));
    });
    expect(() => built.requireOrder()).toThrow(
      expect.objectContaining({ code: 'not_ordered', message: expect.stringContaining(`"${name}"`) }),
    );
  });
});

it('every kind of operator is among them, or has an excuse', () => {
  const kinds = Object.entries(operators)
    .filter(([name]) => name.endsWith('Doc'))
    .map(([, doc]) => (doc as { readonly kind: string }).kind);
  const covered = new Set([...CASES.flatMap((of) => of.kinds), ...Object.keys(EXCUSED)]);
  expect(kinds.filter((kind) => !covered.has(kind))).toEqual([]);
  expect(TOLD.filter((name) => !CASES.some((of) => of.name === name))).toEqual([]);
});
