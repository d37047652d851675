import {
  count,
  countWindow,
  cumulate,
  earlyEvery,
  earlyEveryEvents,
  flatMap,
  global,
  hopping,
  session,
  sliding,
  tumbling,
  type WindowConfig,
  type WindowSpec,
  window,
} from '../operators/index.ts';
import { type BoundedCase, FEWER_KEYS, KEYS, keyOf, LIVE, type Tick, timeOf } from './bounded-state.ts';

type Windowed = WindowConfig<Tick, ReturnType<typeof count>>;

function windowCase(
  name: string,
  spec: WindowSpec,
  config: Partial<Windowed>,
  more: Partial<BoundedCase> = {},
): BoundedCase {
  return {
    name: `window: ${name}`,
    build: (ticks) =>
      ticks.pipe(window('op', { keyOf, timeOf, window: spec, aggregate: count(), ...config })),
    step_ms: 1,
    rest_rows: 2,
    ...more,
  };
}

/** A session that has closed is remembered for one more gap: what touches it is late. */
const SESSION_MAX_ROWS = 4 * LIVE + 1_000;

/** A kind of windows cannot be added without a case. */
const windowsByKind: Readonly<Record<WindowSpec['kind'], BoundedCase>> = {
  tumbling: windowCase('tumbling', tumbling({ size_ms: LIVE }), {}),
  hopping: windowCase('hopping', hopping({ size_ms: LIVE, hop_ms: LIVE / 4 }), {}, { keys: FEWER_KEYS }),
  cumulate: windowCase('cumulate', cumulate({ size_ms: LIVE, step_ms: LIVE / 2 }), {}, { keys: FEWER_KEYS }),
  session: windowCase(
    'session',
    session({ gap_ms: LIVE }),
    {},
    // A third of the keys fills both gaps: from then on the state file does not grow.
    { max_rows: SESSION_MAX_ROWS, keys: Math.max(KEYS, 7 * LIVE) },
  ),
  sliding: windowCase('sliding', sliding({ before_ms: LIVE / 2, after_ms: 0 }), {}, { keys: FEWER_KEYS }),
  count: windowCase('count', countWindow({ count: 10, idle_ms: LIVE }), {}, { keys: FEWER_KEYS }),
  // It has no end: what bounds its state is the number of keys.
  global: windowCase(
    'global, a row for each key',
    global(),
    { trigger: earlyEveryEvents(10), mode: 'discard', keyOf: ({ index }) => `key-${index % LIVE}` },
    { rest_rows: LIVE + 3, keys: FEWER_KEYS },
  ),
};

export const windowCases: readonly BoundedCase[] = [
  ...Object.values(windowsByKind),
  windowCase(
    'tumbling, early results, retractions',
    tumbling({ size_ms: LIVE }),
    { trigger: earlyEveryEvents(1), mode: 'retract' },
    { keys: FEWER_KEYS },
  ),
  windowCase(
    'session, early results, retractions',
    session({ gap_ms: LIVE }),
    { trigger: earlyEvery(LIVE / 2), mode: 'retract' },
    { keys: FEWER_KEYS, max_rows: SESSION_MAX_ROWS },
  ),
  {
    name: 'window: tumbling, half of the events late',
    build: (ticks) =>
      ticks.pipe(
        flatMap<Tick, Tick>('late', {
          each: (tick, push) => {
            push(tick);
            push({ ...tick, time_ms: tick.time_ms - LIVE });
          },
        }),
        window('op', {
          keyOf,
          timeOf,
          window: tumbling({ size_ms: LIVE / 2 }),
          aggregate: count(),
          mode: 'retract',
          allowedLateness_ms: LIVE,
        }),
      ),
    step_ms: 1,
    rest_rows: 2,
    keys: FEWER_KEYS,
  },
];
