import { stringCodec } from '../engine/index.ts';
import {
  begin,
  dedup,
  funnel,
  keyedFacts,
  keyedProcess,
  pattern,
  rateLimit,
  sessionize,
  sessions,
} from '../operators/index.ts';
import {
  type BoundedCase,
  DAILY_STEP_MS,
  DAY_MS,
  FEWER_KEYS,
  keyOf,
  LIVE,
  type Tick,
  timeOf,
} from './bounded-state.ts';

export const keyedCases: readonly BoundedCase[] = [
  {
    name: 'dedup',
    build: (ticks) =>
      ticks.pipe(dedup<Tick>('op', { idOf: keyOf, timeOf, memory_ids: 2 * LIVE, retain_ms: LIVE * 1_000 })),
    step_ms: 1_000,
    drain_ms: LIVE * 2_000,
    drain_commits: 20,
    max_rows: 200,
    // The newest `memory_ids` stay, whatever their age, 908 in a row with times of two bytes: full rows, and one that
    // has begun where the keys end.
    rest_rows: Math.ceil((2 * LIVE) / 908),
  },
  {
    name: 'keyed-facts',
    build: (ticks) =>
      ticks.pipe(
        keyedFacts<Tick, string>('op', {
          entities: [{ name: 'order', slots: ['placed'], slotsOf: () => [0], keyOf }],
          kindOf: () => 0,
          scopeOf: () => 'shop',
          timeOf,
          tieOf: ({ index }) => index,
          payloadOf: ({ key }) => key,
          payloadCodec: stringCodec,
          version: 1,
          retain_ms: 1,
          cacheRows: LIVE,
        }),
      ),
    step_ms: DAILY_STEP_MS,
    drain_ms: 3 * DAY_MS,
    drain_commits: 50,
    rest_rows: 0,
    // Rows are kept as bytes, in buffers that are used again.
    max_rest_mb: 16,
  },
  {
    name: 'funnel with retain_ms',
    build: (ticks) =>
      ticks.pipe(
        funnel<Tick>('op', {
          keyOf,
          timeOf,
          steps: [
            { name: 'seen', matches: () => true },
            { name: 'bought', matches: () => false },
          ],
          window_ms: LIVE / 2,
          allowed_lateness_ms: 0,
          retain_ms: LIVE / 2,
        }),
      ),
    step_ms: 1,
    rest_rows: 0,
  },
  {
    name: 'pattern with within',
    build: (ticks) =>
      ticks.pipe(
        pattern('op', {
          pattern: begin('first', (_: Tick) => true)
            .followedBy('second', () => false)
            .within(LIVE),
          keyOf,
          timeOf,
          idOf: keyOf,
        }),
      ),
    step_ms: 1,
    rest_rows: 0,
  },
  {
    name: 'process',
    build: (ticks) =>
      ticks.pipe(
        keyedProcess<Tick, Tick, Tick | undefined>('op', {
          keyOf,
          timeOf,
          onEvent: (tick, { setState, timers, time_ms }) => {
            setState(tick);
            timers.set(time_ms + LIVE);
          },
          onTimer: (_, { state, emit, clearState }) => {
            if (state !== undefined) emit(state);
            clearState();
          },
        }),
      ),
    step_ms: 1,
    rest_rows: 1,
  },
  {
    name: 'rate-limit: window',
    build: (ticks) => ticks.pipe(rateLimit<Tick>('op', { keyOf, timeOf, max_events: 1, per_ms: LIVE })),
    step_ms: 1,
    rest_rows: 1,
  },
  {
    name: 'rate-limit: bucket',
    build: (ticks) =>
      ticks.pipe(rateLimit<Tick>('op', { keyOf, timeOf, max_events: 1, per_ms: LIVE, algorithm: 'bucket' })),
    step_ms: 1,
    rest_rows: 1,
    keys: FEWER_KEYS,
  },
  {
    name: 'sessionize',
    build: (ticks) => ticks.pipe(sessionize<Tick>('op', { keyOf, timeOf, gap_ms: LIVE })),
    step_ms: 1,
    rest_rows: 1,
  },
  {
    name: 'sessions',
    build: (ticks) => ticks.pipe(sessions<Tick>('op', { keyOf, timeOf, gap_ms: LIVE, max_events: 10 })),
    step_ms: 1,
    rest_rows: 1,
  },
];
