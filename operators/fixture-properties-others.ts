import { stringCodec } from '../engine/index.ts';
import { count } from './aggregates/index.ts';
import { map } from './core/index.ts';
import { TestBatch } from './dedup/fixture-columns.ts';
import { dedup, dedupEvents } from './dedup/index.ts';
import { type Item, keyed, keyOf, type PropertyCase, timeOf } from './fixture-properties.ts';
import { keyedProcess, rateLimit } from './process/index.ts';
import {
  begin,
  type FunnelChange,
  type FunnelConfig,
  funnel,
  pattern,
  type SkipStrategy,
  sessionize,
  sessions,
} from './sequences/index.ts';
import { toJetStream } from './sinks/index.ts';
import { keyedFacts, type WithFacts } from './views/facts/index.ts';
import { toTable, toWindowTable } from './views/index.ts';
import { tumbling, window } from './windows/index.ts';

const LATE_MS = 6;
const is =
  (kind: string) =>
  (item: Item): boolean =>
    item.kind === kind;

/** The records that stand: what came, less what was taken back. */
function standing(changes: readonly FunnelChange[]): unknown {
  const records = new Map<string, number>();
  for (const { kind, ...record } of changes) {
    const text = JSON.stringify(record);
    records.set(text, (records.get(text) ?? 0) + (kind === 'insert' ? 1 : -1));
  }
  return [...records].filter(([, times]) => times !== 0).sort();
}

const FUNNELS: Readonly<Record<string, Partial<FunnelConfig<Item>>>> = {
  ordered: {},
  strict: { order: 'strict' },
  any: { order: 'any', ties: 'strict_increase' },
  'first entry': { entry: 'first' },
  excluding: { exclusions: [{ from: 1, to: 2, effect: 'drop_attempt', matches: is('refund') }] },
  dropping: { exclusions: [{ from: 1, to: 3, effect: 'drop_user', matches: is('refund') }] },
  holding: { holdConstant: [({ side }) => side] },
  forgetting: { retain_ms: 4 },
};

const funnels: PropertyCase[] = Object.entries(FUNNELS).map(([name, definition]) => ({
  name: `funnel, ${name}`,
  kinds: ['funnel'],
  build: (input) =>
    input.pipe(
      funnel<Item>('funnel', {
        ...keyed,
        idOf: ({ id }) => id,
        steps: ['visit', 'cart', 'pay'].map((step) => ({ name: step, matches: is(step) })),
        window_ms: 15,
        allowed_lateness_ms: LATE_MS,
        cacheRows: 2,
        ...definition,
      }),
    ),
  final: standing,
  lateness_ms: LATE_MS,
}));

const PATTERNS = {
  relaxed: begin('visit', is('visit')).followedByAny('cart', is('cart')).oneOrMore().within(12),
  'with a negation': begin('visit', is('visit')).notFollowedBy('pay', is('pay')).within(8),
  strict: begin('visit', is('visit')).next('cart', is('cart')).optional().next('pay', is('pay')).within(20),
};

const greedy = begin('visit', is('visit'))
  .followedBy('cart', is('cart'))
  .oneOrMore()
  .greedy()
  .until(is('refund'))
  .withinPrevious(9)
  .followedBy('pay', is('pay'))
  .withinPrevious(14);

const patterns: PropertyCase[] = Object.entries(PATTERNS).flatMap(([name, of]) =>
  (['noSkip', 'skipToNext', 'skipPastLast'] as const).map(
    (skip: SkipStrategy): PropertyCase => ({
      name: `pattern, ${name}, ${skip}`,
      kinds: ['pattern'],
      build: (input) =>
        input.pipe(pattern<Item, string>('pattern', { ...keyed, pattern: of, skip, cacheRows: 2 })),
    }),
  ),
);

patterns.push({
  name: 'pattern, greedy, with a limit on each step',
  kinds: ['pattern'],
  build: (input) =>
    input.pipe(
      pattern<Item, 'visit' | 'cart' | 'pay'>('pattern', {
        ...keyed,
        pattern: greedy,
        skip: { toFirst: 'cart' },
        cacheRows: 2,
      }),
    ),
});

const processes: PropertyCase[] = [
  {
    name: 'process in the order of time, with timers',
    kinds: ['process'],
    build: (input) =>
      input.pipe(
        keyedProcess<Item, string, readonly string[]>('process', {
          ...keyed,
          order: 'time',
          initial: () => [],
          cacheRows: 2,
          onEvent: ({ id }, { state, time_ms, timers, setState }) => {
            if (state.length === 0) timers.set(time_ms + 7);
            setState([...state, id]);
          },
          onTimer: (time_ms, { key, state, emit, timers, clearState, setState }) => {
            emit(`${key}@${time_ms}: ${state.join()}`);
            if (state.length < 2) clearState();
            else {
              setState(state.slice(1));
              timers.set(time_ms + 3);
            }
          },
        }),
      ),
  },
  {
    name: 'process in the order of arrival, of what has no order',
    kinds: ['process'],
    build: (input) =>
      input.pipe(
        keyedProcess<Item, never, number>('process', {
          keyOf,
          initial: () => 0,
          cacheRows: 2,
          onEvent: ({ time_ms }, { state, setState }) => setState(state + time_ms),
        }),
      ),
  },
  {
    name: 'sessionize',
    kinds: ['sessionize'],
    build: (input) => input.pipe(sessionize<Item>('sessionize', { ...keyed, gap_ms: 4 })),
  },
  {
    name: 'sessions',
    kinds: ['sessions'],
    build: (input) => input.pipe(sessions<Item>('sessions', { ...keyed, gap_ms: 4, max_events: 3 })),
  },
  ...(['window', 'bucket'] as const).map(
    (algorithm): PropertyCase => ({
      name: `rate limit by ${algorithm}`,
      kinds: ['rate-limit'],
      build: (input) =>
        input.pipe(rateLimit<Item>('limit', { ...keyed, max_events: 2, per_ms: 10, algorithm })),
    }),
  ),
];

/** What a table is in the end, by its changes. */
const lastByKey = (changes: readonly { readonly key: string; readonly after: Item | undefined }[]): unknown =>
  [...new Map(changes.map(({ key, after }) => [key, after?.id]))].filter(([, id]) => id !== undefined).sort();

/** The facts that stand by the changes. */
function factsOf(out: readonly WithFacts<Item, string>[]): unknown {
  const facts = new Map<string, string>();
  for (const { event, changes } of out) {
    for (const { slot, after } of changes) facts.set(`${event.side} ${event.key} ${slot}`, after.payload);
  }
  return [...facts].sort();
}

const tables: PropertyCase[] = [
  {
    name: 'dedup: the ids that passed',
    kinds: ['dedup'],
    build: (input) =>
      input.pipe(
        dedup<Item>('dedup', { idOf: ({ key, kind }) => `${key} ${kind}`, timeOf: () => 0, memory_ids: 4 }),
      ),
    final: (out: readonly Item[]) => out.map(({ key, kind }) => `${key} ${kind}`).sort(),
  },
  {
    name: 'dedup of columns: the ids that are live',
    kinds: ['dedup-events'],
    build: (input) =>
      input.pipe(
        map('columns', ({ key, kind }: Item) => new TestBatch([{ id: `${key} ${kind}`, time_ms: 0 }])),
        dedupEvents<TestBatch>('dedup', { memory_ids: 4 }),
      ),
    final: (out: readonly TestBatch[]) => out.flatMap(({ left }) => left).sort(),
  },
  {
    name: 'to-table with times',
    kinds: ['to-table'],
    build: (input) =>
      input.pipe(
        toTable<Item>('table', {
          ...keyed,
          value: (item) => (item.kind === 'refund' ? undefined : item),
          cacheRows: 2,
        }),
      ),
    final: lastByKey,
  },
  {
    name: 'to-window-table',
    kinds: ['to-window-table'],
    build: (input) =>
      input.pipe(window('w', { ...keyed, window: tumbling({ size_ms: 10 }), aggregate: count() })).pipe(
        toWindowTable('windows', {
          keyOf: ({ key }) => key,
          windowOf: ({ window: of }) => of,
          value: ({ value }) => value,
          retain_ms: 20,
          cacheRows: 2,
        }),
      ),
  },
  {
    name: 'keyed facts',
    kinds: ['keyed-facts'],
    build: (input) =>
      input.pipe(
        keyedFacts<Item, string>('facts', {
          entities: [
            {
              name: 'key',
              slots: ['visit', 'cart'],
              slotsOf: ({ kind }) => (kind === 'visit' ? [0] : kind === 'cart' ? [0, 1] : []),
              keyOf,
            },
          ],
          scopeOf: ({ side }) => side,
          timeOf,
          tieOf: ({ id }) => Number(id),
          payloadOf: ({ id }) => id,
          payloadCodec: stringCodec,
          version: 1,
          retain_ms: 1_000_000,
          cacheRows: 2,
        }),
      ),
    final: factsOf,
  },
  {
    name: 'to-jetstream: nothing is kept',
    kinds: ['to-jetstream'],
    build: (input) => input.pipe(toJetStream<Item>('sink', { subject: 'out' })),
  },
];

export const OTHER_CASES: readonly PropertyCase[] = [...funnels, ...patterns, ...processes, ...tables];
