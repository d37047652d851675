import type { Stream } from '../engine/index.ts';
import {
  filter,
  intervalJoin,
  lookupJoin,
  streamJoin,
  temporalJoin,
  windowJoin,
} from '../operators/index.ts';
import { type BoundedCase, DAILY_STEP_MS, DAY_MS, keyOf, LIVE, type Tick, timeOf } from './bounded-state.ts';

const side = { keyOf, timeOf };
type Pair = readonly [Tick | undefined, Tick | undefined];
const pair = (left: Tick | undefined, right: Tick | undefined): Pair => [left, right];
/** Every tick on the left, every second one on the right too. */
const halfOf = (ticks: Stream<Tick>): Stream<Tick> =>
  ticks.pipe(filter('half', ({ index }: Tick) => index % 2 === 0));

export const joinCases: readonly BoundedCase[] = [
  {
    name: 'window-join',
    build: (ticks) =>
      ticks.connect(
        halfOf(ticks),
        windowJoin<Tick, Tick, Pair>('op', {
          left: side,
          right: side,
          type: 'outer',
          join: pair,
          size_ms: LIVE,
        }),
      ),
    step_ms: 1,
    rest_rows: 1,
  },
  {
    name: 'interval-join',
    build: (ticks) =>
      ticks.connect(
        halfOf(ticks),
        intervalJoin<Tick, Tick, Pair>('op', {
          left: side,
          right: side,
          type: 'outer',
          join: pair,
          lower_ms: -LIVE / 2,
          upper_ms: LIVE / 2,
        }),
      ),
    step_ms: 1,
    rest_rows: 1,
  },
  {
    name: 'stream-join with ttl_ms',
    build: (ticks) =>
      ticks.connect(
        halfOf(ticks),
        streamJoin<Tick, Tick, Pair>('op', { left: side, right: side, join: pair, ttl_ms: LIVE / 2 }),
      ),
    step_ms: 1,
    rest_rows: 1,
  },
  {
    name: 'temporal-join with retain_ms',
    build: (ticks) =>
      halfOf(ticks).connect(
        ticks,
        temporalJoin<Tick, Tick, Pair>('op', {
          left: side,
          right: side,
          type: 'left',
          join: pair,
          retain_ms: LIVE,
        }),
      ),
    step_ms: 1,
    rest_rows: 1,
  },
  {
    name: 'lookup-join with retain_ms',
    build: (ticks) =>
      halfOf(ticks).connect(
        ticks,
        lookupJoin<Tick, Tick, Pair>('op', {
          left: side,
          right: side,
          type: 'left',
          join: pair,
          retain_ms: 1,
        }),
      ),
    step_ms: DAILY_STEP_MS,
    drain_ms: 3 * DAY_MS,
    drain_commits: 50,
    rest_rows: 0,
  },
];
