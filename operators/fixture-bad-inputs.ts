import {
  type Either,
  intCodec,
  type Operator,
  type Sides,
  type Stream,
  stringCodec,
} from '../engine/index.ts';
import { collect, count } from './aggregates/index.ts';
import { sample, watermark } from './core/index.ts';
import { dedup } from './dedup/index.ts';
import { type Item, keyed, keyOf, sidesOf, timeOf } from './fixture-properties.ts';
import { intervalJoin, lookup, lookupJoin, streamJoin, temporalJoin, windowJoin } from './joins/index.ts';
import { keyedProcess, rateLimit } from './process/index.ts';
import { begin, funnel, pattern, sessionize, sessions } from './sequences/index.ts';
import { keyedFacts } from './views/facts/index.ts';
import { toTable, toWindowTable } from './views/index.ts';
import {
  countWindow,
  earlyEvery,
  global,
  hopping,
  session,
  sliding,
  type Trigger,
  tumbling,
  type WindowSpec,
  window,
} from './windows/index.ts';

export type Field = 'time_ms' | 'key' | 'id';

/** What types forbid and JSON, a database driver or a mistake brings all the same: by the member that it stands in. */
export const BAD_VALUES: Readonly<Record<Field, readonly unknown[]>> = {
  time_ms: [
    ...['5', '2026-01-01T00:00:00Z', new Date(5), 5.25, 1_700_000_000_000.25, Number.NaN],
    ...[Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, null, undefined, 5n, true, {}, [5]],
  ],
  key: [42, null, undefined, 5n, true, { id: 1 }, ['a']],
  id: [42, null, undefined, 5n, true, { id: 1 }, ['a']],
};

/** Whole numbers of ms that no timer can hold: a time in ns read as ms. */
export const FAR_TIMES_MS: readonly number[] = [2 ** 48, -(2 ** 49), Number.MAX_SAFE_INTEGER];

/** An operator, and which members of an item it reads. */
export interface BadInputCase {
  readonly name: string;
  readonly kind: string;
  readonly reads: readonly Field[];
  /** What becomes of a time that is too far away; by default it is refused too. */
  readonly far?: 'put aside' | 'taken';
  build(input: Stream<Item>): Stream<unknown, Sides>;
}

const is =
  (kind: string) =>
  (item: Item): boolean =>
    item.kind === kind;
const idOf = ({ id }: Item): string => id;
const join = (): string => '';
const TIMED: readonly Field[] = ['time_ms', 'key'];
const sides = { left: keyed, right: keyed, type: 'inner', join } as const;

const alone = (
  name: string,
  reads: readonly Field[],
  operator: () => Operator<Item, unknown, Sides>,
  more: Partial<BadInputCase> = {},
): BadInputCase => {
  const [kind = name] = name.split(',');
  return { name, kind, reads, build: (input) => input.pipe(operator()), ...more };
};

const joined = (
  kind: string,
  reads: readonly Field[],
  operator: () => Operator<Either<Item, Item>, unknown, Sides>,
): BadInputCase => ({
  name: kind,
  kind,
  reads,
  build: (input) => {
    const [left, right] = sidesOf(input);
    return left.connect(right, operator());
  },
});

const windows = (name: string, spec: WindowSpec, trigger?: Trigger): BadInputCase =>
  alone(
    `window, ${name}`,
    TIMED,
    () =>
      window('w', {
        ...keyed,
        window: spec,
        aggregate: { events: count(), all: collect<Item>(5) },
        ...(trigger === undefined ? {} : { trigger }),
      }),
    { far: 'put aside' },
  );

export const BAD_INPUT_CASES: readonly BadInputCase[] = [
  windows('tumbling', tumbling({ size_ms: 10 })),
  windows('hopping, early', hopping({ size_ms: 10, hop_ms: 5 }), earlyEvery(3)),
  windows('global', global(), earlyEvery(3)),
  windows('session', session({ gap_ms: 5 })),
  windows('sliding', sliding({ before_ms: 3, after_ms: 3 })),
  windows('count', countWindow({ count: 2 })),
  alone(
    'watermark',
    ['time_ms'],
    () => watermark('time', { timeOf, outOfOrderness_ms: 0, idle_ms: Infinity }),
    {
      far: 'taken',
    },
  ),
  alone('sample', ['id'], () => sample('s', { rate: 0.5, idOf })),
  alone('dedup', ['time_ms', 'id'], () => dedup('d', { idOf, timeOf }), { far: 'taken' }),
  alone('process, in order of time', TIMED, () => counting('time')),
  alone('process, in order of arrival', TIMED, () => counting('arrival')),
  alone('rate-limit', TIMED, () => rateLimit('r', { ...keyed, max_events: 2, per_ms: 10 })),
  alone('sessionize', TIMED, () => sessionize('s', { ...keyed, gap_ms: 5 })),
  alone('sessions', TIMED, () => sessions('s', { ...keyed, gap_ms: 5, max_events: 3 })),
  alone('funnel', [...TIMED, 'id'], () =>
    funnel<Item>('f', {
      ...keyed,
      idOf,
      steps: ['visit', 'cart'].map((name) => ({ name, matches: is(name) })),
      window_ms: 10,
    }),
  ),
  alone('pattern', [...TIMED, 'id'], () =>
    pattern<Item, 'a' | 'b'>('p', {
      ...keyed,
      idOf,
      pattern: begin<Item, 'a'>('a', is('visit')).followedBy('b', is('cart')).within(20),
    }),
  ),
  alone('to-table', ['key'], () => toTable<Item>('t', { keyOf })),
  alone('to-table, by time', TIMED, () => toTable<Item>('t', keyed)),
  alone(
    'to-window-table',
    TIMED,
    () =>
      toWindowTable<Item>('t', {
        keyOf,
        windowOf: ({ time_ms }) => ({ start_ms: time_ms, end_ms: time_ms }),
        retain_ms: 100,
      }),
    { far: 'put aside' },
  ),
  alone('keyed-facts', TIMED, () =>
    keyedFacts<Item, string>('facts', {
      entities: [{ name: 'key', slots: ['any'], slotsOf: () => [0], keyOf }],
      scopeOf: () => '',
      timeOf,
      tieOf: () => 0,
      payloadOf: ({ kind }) => kind,
      payloadCodec: stringCodec,
      version: 1,
      retain_ms: 1_000_000,
      cacheRows: 10,
    }),
  ),
  alone('lookup', ['key'], () => lookup('l', { keyOf, table: new Map([['a', 1]]), type: 'left', join })),
  joined('interval-join', TIMED, () => intervalJoin('j', { ...sides, lower_ms: -5, upper_ms: 5 })),
  joined('window-join', TIMED, () => windowJoin('j', { ...sides, size_ms: 10 })),
  joined('stream-join', ['key'], () => streamJoin('j', { left: keyed, right: keyed, join })),
  joined('temporal-join', TIMED, () => temporalJoin('j', sides)),
  joined('lookup-join', ['key'], () => lookupJoin('j', sides)),
];

function counting(order: 'time' | 'arrival') {
  return keyedProcess<Item, string, number>('p', {
    ...keyed,
    order,
    initial: () => 0,
    codec: intCodec,
    onEvent: (_, { state, key, setState, emit }) => {
      setState(state + 1);
      emit(`${key} ${state}`);
    },
  });
}
