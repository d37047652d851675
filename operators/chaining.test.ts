import { describe, it } from 'vitest';
import type { Stream } from '../engine/index.ts';
import { fc } from '../test/property.ts';
import { count } from './aggregates/index.ts';
import { map } from './core/index.ts';
import { nothingLate } from './fixture-chaining.ts';
import { each, type Row, resultsOf, rowInput, sides } from './joins/fixture-join.ts';
import { lookupJoin, streamJoin } from './joins/index.ts';
import { keyedProcess, rateLimit } from './process/index.ts';
import { begin, pattern, sessionize, sessions } from './sequences/index.ts';
import { toTable } from './views/index.ts';
import { countWindow, cumulate, hopping, session, sliding, tumbling, window } from './windows/index.ts';

const GAP_MS = 7;
const LATE_MS = 9;

type Check = (input: Stream<Row>) => Stream<string>;

/** The event time of a result that is never late behind the operator. */
const checked = <A>(results: Stream<A, object>, timeOf: (item: A) => number): Stream<string> =>
  results.pipe(
    nothingLate('check', (item: A) => [timeOf(item)]),
    each('tell', (item: A) => [JSON.stringify(item)]),
  );

const WINDOWS = {
  tumbling: tumbling({ size_ms: 6 }),
  hopping: hopping({ size_ms: 10, hop_ms: 4 }),
  cumulate: cumulate({ step_ms: 3, size_ms: 9 }),
  session: session({ gap_ms: GAP_MS }),
  sliding: sliding({ before_ms: 5, after_ms: 3 }),
};

const windows: Record<string, Check> = Object.fromEntries(
  Object.entries(WINDOWS).flatMap(([kind, of]) =>
    [0, LATE_MS].map((allowedLateness_ms): [string, Check] => [
      `${kind} windows by window.end_ms - 1${allowedLateness_ms === 0 ? '' : ' + allowedLateness_ms'}`,
      (input) =>
        checked(
          input.pipe(window('window', { ...rowInput, window: of, aggregate: count(), allowedLateness_ms })),
          (result) => result.window.end_ms - 1 + allowedLateness_ms,
        ),
    ]),
  ),
);

const CHECKS: Record<string, Check> = {
  ...windows,
  'windows of n events by window.end_ms - 1 + allowedLateness_ms, and idle_ms for a smaller one': (input) =>
    checked(
      input.pipe(
        window('window', {
          ...rowInput,
          window: countWindow({ count: 3, idle_ms: 11 }),
          aggregate: count(),
          allowedLateness_ms: LATE_MS,
        }),
      ),
      ({ window: { end_ms }, value }) => end_ms - 1 + LATE_MS + (value < 3 ? 11 : 0),
    ),
  'tumbling windows by window.start_ms in windows that end where they do': (input) =>
    checked(
      input.pipe(
        window('window', { ...rowInput, window: tumbling({ size_ms: 5 }), aggregate: count() }),
        // The last ms of the window of 15 ms that it falls into.
        map('last', (result) => Math.floor(result.window.start_ms / 15) * 15 + 14),
      ),
      (last_ms) => last_ms,
    ),
  'sessions by end_ms + gap_ms': (input) =>
    checked(
      input.pipe(sessions('sessions', { ...rowInput, gap_ms: GAP_MS, max_events: 3 })),
      ({ end_ms }) => end_ms + GAP_MS,
    ),
  'events of sessions by their own time': (input) =>
    checked(
      input.pipe(sessionize('sessionize', { ...rowInput, gap_ms: GAP_MS })),
      ({ event }) => event.time_ms,
    ),
  'events within a limit by their own time': (input) =>
    checked(
      input.pipe(rateLimit('limit', { ...rowInput, max_events: 2, per_ms: 10 })),
      ({ time_ms }) => time_ms,
    ),
  'events over a limit by their own time': (input) =>
    checked(
      input.pipe(rateLimit('limit', { ...rowInput, max_events: 2, per_ms: 10 })).side('limited'),
      ({ time_ms }) => time_ms,
    ),
  'what process makes in the order of time by context.time_ms': (input) =>
    checked(
      input.pipe(
        keyedProcess<Row, number, number>('process', {
          ...rowInput,
          order: 'time',
          initial: () => 0,
          onEvent: (_, { time_ms, timers, emit }) => {
            emit(time_ms);
            timers.set(time_ms + 5);
          },
          onTimer: (time_ms, { emit }) => emit(time_ms),
        }),
      ),
      (time_ms) => time_ms,
    ),
  'what a timer of process makes in the order of arrival by its time': (input) =>
    checked(
      input.pipe(
        keyedProcess<Row, number, number>('process', {
          ...rowInput,
          initial: () => 0,
          onEvent: (_, { time_ms, watermark_ms, timers }) => {
            if (time_ms + 5 > watermark_ms) timers.set(time_ms + 5);
          },
          onTimer: (time_ms, { emit }) => emit(time_ms),
        }),
      ),
      (time_ms) => time_ms,
    ),
  'matches of a pattern by end_ms': (input) =>
    checked(
      input.pipe(
        pattern<Row, 'a' | 'b'>('pattern', {
          ...rowInput,
          pattern: begin('a', ({ side }: Row) => side === 'left')
            .followedByAny('b', ({ side }) => side === 'right')
            .oneOrMore()
            .within(12),
        }),
      ),
      ({ end_ms }) => end_ms,
    ),
  'matches of a pattern that ends with a negation by start_ms + within': (input) =>
    checked(
      input.pipe(
        pattern<Row, 'a'>('pattern', {
          ...rowInput,
          pattern: begin('a', ({ side }: Row) => side === 'left')
            .notFollowedBy('b', ({ side }) => side === 'right')
            .within(12),
        }),
      ),
      ({ start_ms }) => start_ms + 12,
    ),
  'timeouts of a pattern by start_ms + within': (input) =>
    checked(
      input
        .pipe(
          pattern<Row, 'a' | 'b'>('pattern', {
            ...rowInput,
            pattern: begin('a', ({ side }: Row) => side === 'left')
              .followedBy('b', ({ side }) => side === 'right')
              .within(12),
          }),
        )
        .side('timeout'),
      ({ start_ms }) => start_ms + 12,
    ),
};

/** Kept for ttl_ms and half of it, at least 100. */
CHECKS['results of a stream join by the earlier of two times + ttl_ms + 100'] = (input) => {
  const [a, b] = sides(input);
  const join = streamJoin<Row, Row, number>('join', {
    left: rowInput,
    right: rowInput,
    ttl_ms: 10,
    join: (l, r) => Math.min(l.time_ms, r.time_ms) + 10 + 100,
  });
  return checked(a.connect(b, join), (time_ms) => time_ms);
};

/** What comes out at once is as late as what came in: checked where nothing that comes in is. */
const AT_ONCE: Record<string, Check> = {
  'results of a stream join by the later of two times': (input) => {
    const [a, b] = sides(input);
    const join = streamJoin<Row, Row, number>('join', {
      left: rowInput,
      right: rowInput,
      ttl_ms: 10,
      join: (l, r) => Math.max(l.time_ms, r.time_ms),
    });
    return checked(a.connect(b, join), (time_ms) => time_ms);
  },
  'results of a lookup join by the time of the left row': (input) => {
    const [a, b] = sides(input);
    const join = lookupJoin<Row, Row, number>('join', {
      left: rowInput,
      right: rowInput,
      type: 'left',
      join: (l) => l.time_ms,
    });
    return checked(a.connect(b, join), (time_ms) => time_ms);
  },
  'changes of a table by the time of the new row': (input) =>
    checked(
      input.pipe(toTable('table', { ...rowInput, value: ({ time_ms }) => time_ms })),
      ({ after }) => after ?? Number.POSITIVE_INFINITY,
    ),
};

const rows = fc
  .array(
    fc.record({
      side: fc.constantFrom('left' as const, 'right' as const),
      key: fc.constantFrom('a', 'b'),
      time_ms: fc.oneof(fc.integer({ min: 0, max: 60 }), fc.integer({ min: 0, max: 400 })),
    }),
    { maxLength: 60 },
  )
  .map((all) => all.map((row, id) => ({ ...row, id })));

const holds = (check: Check, disorders: readonly (readonly [number, number])[]): Promise<void> =>
  fc.assert(
    fc.asyncProperty(
      rows,
      fc.constantFrom(...disorders),
      fc.integer(),
      async (all, [held_ms, disorder_ms], seed) => {
        await resultsOf(check, all, seed, held_ms, disorder_ms);
      },
    ),
    { numRuns: 60 },
  );

describe('nothing is late behind', () => {
  it.each(Object.entries(CHECKS))('%s', (_, check) =>
    holds(check, [
      [0, 0],
      [5, 5],
      [5, 60],
    ]),
  );

  it.each(Object.entries(AT_ONCE))('%s', (_, check) =>
    holds(check, [
      [0, 0],
      [25, 25],
    ]),
  );
});
