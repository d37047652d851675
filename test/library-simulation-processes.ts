import { stringCodec, topology } from '../engine/index.ts';
import {
  keyedFacts,
  keyedProcess,
  rateLimit,
  sample,
  sessionize,
  sessions,
  toTable,
  toWindowTable,
} from '../operators/index.ts';
import {
  DISORDER_MS,
  disorder,
  type Happening,
  happenings,
  keyOf,
  type LibraryCase,
  read,
  send,
  TIMES,
  tally,
  timeOf,
} from './library-simulation-events.ts';

interface Pause {
  readonly key: string;
  readonly sum: number;
  readonly at_ms: number;
}

const QUIET_MS = 1_500;
const SLOTS: Readonly<Record<string, readonly number[]>> = { visit: [0], cart: [1], pay: [1, 2] };

/** Sums by key until it is quiet; with a reminder that is set, moved and cleared. */
const pauses = (cacheRows: number) =>
  keyedProcess<
    Happening,
    Pause,
    { readonly sum: number; readonly due_ms: number },
    { readonly large: Happening }
  >('pauses', {
    keyOf,
    timeOf,
    order: 'time',
    cacheRows,
    sides: ['large'],
    initial: () => ({ sum: 0, due_ms: 0 }),
    onEvent: (event, { state, time_ms, timers, setState, emitTo }) => {
      timers.clear(state.due_ms);
      timers.set(time_ms + QUIET_MS);
      setState({ sum: state.sum + event.amount, due_ms: time_ms + QUIET_MS });
      if (event.amount > 35) emitTo('large', event);
    },
    onTimer: (at_ms, { key, state, emit, clearState }) => {
      emit({ key, sum: state.sum, at_ms });
      clearState();
    },
  });

/** Operators that handle events of a key one after the other, tables, firsts and sinks. */
export const processes: LibraryCase = {
  topology: ({ cacheRows, memoryIds }) =>
    topology('processes', (t) => {
      const events = read(t.source('events'), 'events', { cacheRows, memoryIds });
      const quiet = events.pipe(pauses(cacheRows));
      send(quiet, 'pauses-out');
      send(quiet.side('large'), 'large-pauses');
      tally(quiet.side('late'), 'pauses-is-late');
      send(events.pipe(sessionize('sessionize', { keyOf, timeOf, gap_ms: 900 })), 'sessionize-out');
      send(events.pipe(sessions('sessions', { keyOf, timeOf, gap_ms: 900, max_events: 4 })), 'sessions-out');
      for (const algorithm of ['window', 'bucket'] as const) {
        const limit = { keyOf, timeOf, max_events: 2, per_ms: 3_000, algorithm };
        const passed = events.pipe(rateLimit<Happening>(`limit-${algorithm}`, limit));
        send(passed, `limit-${algorithm}-out`);
        send(passed.side('limited'), `limit-${algorithm}-beyond`);
      }
      const value = (event: Happening) => (event.kind === 'refund' ? undefined : event);
      tally(
        events.pipe(toTable('newest', { keyOf, timeOf, value, cacheRows })).side('late'),
        'newest-is-late',
      );
      quiet.pipe(
        toWindowTable<Pause>('pauses-table', {
          keyOf: ({ key }) => key,
          windowOf: ({ at_ms }) => ({ start_ms: at_ms - QUIET_MS, end_ms: at_ms }),
          retain_ms: 30_000,
          cacheRows,
        }),
      );
      events.pipe(
        sample('some', { rate: 0.5, idOf: ({ id }) => id }),
        keyedFacts<Happening, string>('firsts', {
          entities: [
            {
              name: 'key',
              slots: ['seen', 'wanted', 'paid'],
              slotsOf: ({ kind }) => SLOTS[kind] ?? [],
              keyOf,
            },
          ],
          scopeOf: () => 'all',
          timeOf,
          tieOf: ({ id }) => Number(id.split('-').at(-1)) || 0,
          payloadOf: ({ id }) => id,
          payloadCodec: stringCodec,
          version: 1,
          retain_ms: 1_000_000_000_000,
          cacheRows,
        }),
      );
    }),
  generate: (set, random) => happenings('events', { span_ms: 60_000, step_ms: 400 }, set, random),
  disorder: disorder(DISORDER_MS),
  ...TIMES,
};
