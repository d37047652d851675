import { type Stream, topology } from '../engine/index.ts';
import {
  begin,
  type FunnelChange,
  type FunnelDefinition,
  funnel,
  keyedProcess,
  pattern,
  type SkipStrategy,
} from '../operators/index.ts';
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

const LATE_MS = 4_000;
const is =
  (kind: string) =>
  (event: Happening): boolean =>
    event.kind === kind;

const STEPS = ['visit', 'cart', 'pay'].map((name) => ({ name, matches: is(name) }));
const FUNNELS: Readonly<Record<string, Partial<FunnelDefinition<Happening>>>> = {
  ordered: { groupBy: { value: ({ amount }) => String(amount % 3), attribution: 'last_step' } },
  strict: { order: 'strict' },
  any: { order: 'any', ties: 'strict_increase' },
  first: { entry: 'first', exclusions: [{ from: 1, to: 2, effect: 'drop_attempt', matches: is('refund') }] },
  dropping: { exclusions: [{ from: 1, to: 3, effect: 'drop_user', matches: is('refund') }] },
};

/** Which record of each entity holds: the sum of what came and what was taken back. */
function standing(changes: Stream<FunnelChange>, name: string): void {
  changes.pipe(
    keyedProcess<FunnelChange, never, number>(name, {
      keyOf: ({ kind: _, ...record }) => JSON.stringify(record),
      initial: () => 0,
      onEvent: ({ kind }, { state, setState, clearState }) => {
        const sum = state + (kind === 'insert' ? 1 : -1);
        if (sum === 0) clearState();
        else setState(sum);
      },
    }),
  );
}

/** Funnels, with events that come late and correct their entity. */
export const funnels: LibraryCase = {
  topology: ({ cacheRows, memoryIds }) =>
    topology('funnels', (t) => {
      const events = read(t.source('events'), 'events', { cacheRows, memoryIds });
      for (const [name, definition] of Object.entries(FUNNELS)) {
        const changes = events.pipe(
          funnel<Happening>(name, {
            keyOf,
            timeOf,
            idOf: ({ id }) => id,
            steps: STEPS,
            window_ms: 6_000,
            allowed_lateness_ms: LATE_MS,
            cacheRows,
            ...definition,
          }),
        );
        standing(changes, `${name}-standing`);
        standing(changes.side('timeout'), `${name}-timeout-standing`);
        tally(changes.side('late'), `${name}-is-late`);
      }
    }),
  generate: (set, random) => happenings('events', { span_ms: 70_000, step_ms: 500 }, set, random),
  disorder: disorder(DISORDER_MS + LATE_MS),
  ...TIMES,
};

const PATTERNS = {
  relaxed: begin('visit', is('visit'))
    .followedByAny('cart', is('cart'))
    .oneOrMore()
    .followedBy('pay', is('pay'))
    .within(5_000),
  // No payment until the time is over.
  unpaid: begin('cart', is('cart')).notFollowedBy('pay', is('pay')).within(4_000),
  strict: begin('visit', is('visit'))
    .next('cart', is('cart'))
    .optional()
    .next('pay', is('pay'))
    .within(6_000),
};

function patternsOf(events: Stream<Happening>, { cacheRows }: Limits, skip: SkipStrategy): void {
  for (const [name, of] of Object.entries(PATTERNS)) {
    const found = events.pipe(
      pattern<Happening, string>(`${name}-${skip.toLowerCase()}`, {
        pattern: of,
        keyOf,
        timeOf,
        skip,
        cacheRows,
        max_partial_matches: 50,
      }),
    );
    send(found, `${name}-${skip.toLowerCase()}-found`);
    send(found.side('timeout'), `${name}-${skip.toLowerCase()}-ended`);
    tally(found.side('late'), `${name}-${skip.toLowerCase()}-is-late`);
    tally(found.side('overflow'), `${name}-${skip.toLowerCase()}-in-excess`);
  }
}

/** Patterns, whose matches and time-outs are sent. */
export const patterns: LibraryCase = {
  topology: (limits) =>
    topology('patterns', (t) => {
      const events = read(t.source('events'), 'events', limits);
      for (const skip of ['noSkip', 'skipPastLast', 'skipToNext'] as const) patternsOf(events, limits, skip);
    }),
  generate: (set, random) => happenings('events', { span_ms: 70_000, step_ms: 600 }, set, random),
  disorder: disorder(DISORDER_MS),
  ...TIMES,
};
