import { type Stream, topology } from '../engine/index.ts';
import { intervalJoin, lookupJoin, streamJoin, temporalJoin, windowJoin } from '../operators/index.ts';
import {
  DISORDER_MS,
  disorder,
  type Happening,
  happenings,
  keyOf,
  type LibraryCase,
  type Limits,
  read,
  send,
  TIMES,
  tally,
  timeOf,
} from './library-simulation-events.ts';

const side = { keyOf, timeOf };
const pair = (left: Happening | undefined, right: Happening | undefined) => ({
  left: left?.id ?? null,
  right: right?.id ?? null,
});
const outer = { type: 'outer', join: pair } as const;
const left = { type: 'left', join: pair } as const;
const inner = { type: 'inner', join: pair } as const;

function byTime(lefts: Stream<Happening>, rights: Stream<Happening>, { cacheRows }: Limits): void {
  const sides = { left: side, right: side, cache_rows: cacheRows };
  const span = { lower_ms: -1_000, upper_ms: 3_000 };
  const both = lefts.connect(rights, intervalJoin('interval', { ...sides, ...outer, ...span }));
  send(both, 'interval-out');
  tally(both.side('late'), 'interval-is-late');
  send(
    lefts.connect(rights, intervalJoin('interval-left', { ...sides, ...left, ...span })),
    'interval-left-out',
  );
  send(
    lefts.connect(rights, intervalJoin('interval-inner', { ...sides, ...inner, ...span, bucket_ms: 700 })),
    'interval-inner-out',
  );
  const windowed = lefts.connect(rights, windowJoin('window', { ...sides, ...outer, size_ms: 4_000 }));
  send(windowed, 'window-out');
  tally(windowed.side('late'), 'window-is-late');
}

function byTable(lefts: Stream<Happening>, rights: Stream<Happening>, { cacheRows }: Limits): void {
  const right = { ...side, isDeletion: ({ amount }: Happening) => amount < 0 };
  const sides = { left: side, right, cache_rows: cacheRows };
  const temporal = lefts.connect(rights, temporalJoin('temporal', { ...sides, ...left }));
  send(temporal, 'temporal-out');
  tally(temporal.side('late'), 'temporal-is-late');
  send(
    lefts.connect(rights, temporalJoin('temporal-short', { ...sides, ...inner, retain_ms: 5_000 })),
    'temporal-short-out',
  );
  // What comes out depends on the order of arrival; the table does not.
  lefts.connect(rights, lookupJoin('lookup', { ...sides, ...left }));
}

const span_ms = 45_000;

/** All joins, on two sources that come independently of each other. */
export const joins: LibraryCase = {
  topology: (limits) =>
    topology('joins', (t) => {
      const lefts = read(t.source('left'), 'left', limits);
      const rights = read(t.source('right'), 'right', limits);
      byTime(lefts, rights, limits);
      byTable(lefts, rights, limits);
      const join = { left: side, right: side, join: pair, cache_rows: limits.cacheRows };
      send(lefts.connect(rights, streamJoin('pairs', { ...join, ttl_ms: 2_000 })), 'pairs-out');
      send(lefts.connect(rights, streamJoin('all-pairs', join)), 'all-pairs-out');
    }),
  generate: (set, random) => ({
    left: happenings('left', { span_ms, step_ms: 700 }, set, random),
    right: happenings('right', { span_ms, step_ms: random.pick([700, 8_000]) }, set, random),
  }),
  disorder: disorder(DISORDER_MS),
  ...TIMES,
};
