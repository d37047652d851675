import { type Stream, topology } from '../engine/index.ts';
import {
  avg,
  collect,
  count,
  countWindow,
  cumulate,
  distinct,
  earlyEvery,
  earlyEveryEvents,
  filter,
  first,
  hopping,
  keyedProcess,
  last,
  max,
  quantiles,
  session,
  sliding,
  sum,
  topK,
  toWindowTable,
  tumbling,
  variance,
  type WindowConfig,
  type WindowResult,
  type WindowSpec,
  window,
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
  SETS_THAT_END,
  send,
  T0_MS,
  TIMES,
  tally,
  timeOf,
} from './library-simulation-events.ts';

/** How far events come behind the watermark, and still count. */
const LATE_MS = 3_000;

const feed = { span_ms: 30_000, step_ms: 400 };
/** The watermark at the end, where the stream does not end much later. */
const ENDED_MS = T0_MS + feed.span_ms - DISORDER_MS;

const amountOf = ({ amount }: Happening): number => amount;
const aggregate = {
  events: count(),
  sum: sum(amountOf),
  mean: avg(amountOf),
  spread: variance(amountOf),
  largest: max(amountOf),
  kinds: distinct(({ kind }: Happening) => kind),
  quartiles: quantiles(amountOf, [0.25, 0.5, 0.75]),
  best: topK(2, amountOf),
  first: first<Happening>(),
  last: last<Happening>(),
  some: collect<Happening>(3),
};

interface Totals {
  readonly events: number;
  readonly sum: number;
}

const SESSION = session({ gap_ms: 1_200 });
const SPECS: Readonly<Record<string, WindowSpec>> = {
  tumbling: tumbling({ size_ms: 7_000, offset_ms: 500 }),
  hopping: hopping({ size_ms: 10_000, hop_ms: 4_000 }),
  cumulate: cumulate({ step_ms: 3_000, size_ms: 12_000 }),
  sliding: sliding({ before_ms: 3_000, after_ms: 1_000 }),
};

/** Some of them, of which each result is made anew whenever a late event comes. */
const small = {
  events: count(),
  sum: sum(amountOf),
  kinds: distinct(({ kind }: Happening) => kind),
  best: topK(2, amountOf),
  last: last<Happening>(),
};

/** What came less what was taken back: a retraction of what was never given shows, and one that is missing. */
function standing(results: Stream<WindowResult<unknown>>, name: string): void {
  results.pipe(
    keyedProcess<WindowResult<unknown>, never, number>(name, {
      keyOf: ({ key, window: of, value }) => JSON.stringify([key, of, value]),
      initial: () => 0,
      onEvent: ({ kind }, { state, setState, clearState }) => {
        const sum = state + (kind === 'retract' ? -1 : 1);
        if (sum === 0) clearState();
        else setState(sum);
      },
    }),
  );
}

/** Tables of the last result of each window: with lateness it comes more than once, when is up to chance. */
function latest(events: Stream<Happening>, name: string, spec: WindowSpec, limits: Limits): void {
  const common = {
    keyOf,
    timeOf,
    window: spec,
    allowedLateness_ms: LATE_MS,
    max_cached_rows: limits.cacheRows,
  };
  const isDue = ({ window: of }: WindowResult<unknown>): boolean =>
    spec.kind === 'session' || of.end_ms <= ENDED_MS;
  const hasTrigger = spec.kind !== 'sliding';
  const accumulated = events.pipe(
    window(`${name}-accumulate`, {
      ...common,
      aggregate: small,
      ...(hasTrigger ? { trigger: earlyEveryEvents(3) } : {}),
    } satisfies WindowConfig<Happening, typeof small>),
  );
  accumulated.pipe(
    // Which early results a window has had that is still open is up to chance.
    filter(`${name}-accumulate-ended`, isDue),
    toWindowTable<WindowResult<unknown>, unknown>(`${name}-table`, {
      keyOf: ({ key }) => key,
      windowOf: ({ window: of }) => of,
      value: ({ value }) => value,
      retain_ms: Number.POSITIVE_INFINITY,
      cacheRows: limits.cacheRows,
    }),
  );
  tally(accumulated.side('late'), `${name}-is-late`);
  tally(accumulated.side('overflow'), `${name}-in-excess`);
  const retracted = events.pipe(
    window(`${name}-retract`, {
      ...common,
      aggregate: small,
      mode: 'retract',
      // Without a trigger slices are shared, which is another layout.
      ...(hasTrigger && spec.kind !== 'hopping' ? { trigger: earlyEvery(300) } : {}),
    }),
  );
  standing(retracted.pipe(filter(`${name}-retract-ended`, isDue)), `${name}-standing`);
  events
    .pipe(
      window(`${name}-discard`, {
        ...common,
        aggregate: { events: count(), sum: sum(amountOf) },
        mode: 'discard',
      }),
    )
    .pipe(
      // What is new each time adds up to the whole; and so do parts of sessions that merge later.
      keyedProcess<WindowResult<Totals>, never, Totals>(`${name}-discard-sums`, {
        keyOf: ({ key, window: { end_ms } }) => (spec.kind === 'session' ? key : `${key}@${end_ms}`),
        initial: () => ({ events: 0, sum: 0 }),
        onEvent: ({ value }, { state, setState }) =>
          setState({ events: state.events + value.events, sum: state.sum + value.sum }),
      }),
    );
}

/** Windows in every mode, with events that come late and still count. */
export const lateWindows: LibraryCase = {
  topology: (limits) =>
    topology('late-windows', (t) => {
      const events = read(t.source('events'), 'events', limits);
      for (const [name, spec] of Object.entries(SPECS)) latest(events, name, spec, limits);
    }),
  generate: (set, random) => happenings('events', feed, set, random),
  disorder: disorder(DISORDER_MS + LATE_MS),
  ...TIMES,
};

/**
 * The same for sessions, with streams that end long after their last session: a session that a late event has
 * made longer is taken back only with its next result.
 */
export const lateSessions: LibraryCase = {
  topology: (limits) =>
    topology('late-sessions', (t) => {
      latest(read(t.source('events'), 'events', limits), 'session', SESSION, limits);
    }),
  generate: (set, random) =>
    happenings('events', { span_ms: 60_000, step_ms: 400 }, set * SETS_THAT_END, random),
  disorder: disorder(DISORDER_MS + LATE_MS),
  ...TIMES,
};

/** Results that are final when they come, and are sent; what is open at the end is compared as state. */
export const windows: LibraryCase = {
  topology: (limits) =>
    topology('windows', (t) => {
      const events = read(t.source('events'), 'events', limits);
      const common = { keyOf, timeOf, aggregate, max_cached_rows: limits.cacheRows };
      for (const [name, spec] of Object.entries({
        ...SPECS,
        session: SESSION,
        counted: countWindow({ count: 4 }),
      })) {
        const results = events.pipe(window(name, { ...common, window: spec }));
        send(results, `${name}-results`);
        tally(results.side('late'), `${name}-is-late`);
        tally(results.side('overflow'), `${name}-in-excess`);
      }
    }),
  generate: (set, random) => happenings('events', { span_ms: 60_000, step_ms: 400 }, set, random),
  disorder: disorder(DISORDER_MS),
  ...TIMES,
};
