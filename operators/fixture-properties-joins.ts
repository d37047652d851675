import type { Either, Operator, Sides } from '../engine/index.ts';
import { type Item, keyed, type PropertyCase, sidesOf } from './fixture-properties.ts';
import {
  intervalJoin,
  type JoinMode,
  lookupJoin,
  streamJoin,
  temporalJoin,
  windowJoin,
} from './joins/index.ts';

const LATE_MS = 5;

const pair = (left: Item | undefined, right: Item | undefined): string =>
  `${left?.id ?? ''}+${right?.id ?? ''}`;
const MODES: readonly JoinMode<Item, Item, string>[] = [
  { type: 'inner', join: pair },
  { type: 'left', join: pair },
  { type: 'outer', join: pair },
];
const sides = { left: keyed, right: keyed, cache_rows: 2 } as const;
const table = { ...keyed, isDeletion: ({ amount }: Item): boolean => amount < 0 };

type Join = Operator<Either<Item, Item>, string, Sides>;

function joined(
  kind: string,
  what: string,
  join: () => Join,
  more: Partial<PropertyCase> = {},
): PropertyCase {
  return {
    name: `${kind}, ${what}`,
    kinds: [kind],
    build: (input) => {
      const [left, right] = sidesOf(input);
      return left.connect(right, join());
    },
    ...more,
  };
}

const byMode = MODES.flatMap((mode) => [
  joined('interval-join', mode.type, () =>
    intervalJoin('join', { ...sides, ...mode, lower_ms: -4, upper_ms: 9, bucket_ms: 3 }),
  ),
  joined(
    'interval-join',
    `${mode.type}, with lateness`,
    () =>
      intervalJoin('join', {
        ...sides,
        ...mode,
        lower_ms: 2,
        upper_ms: 8,
        bucket_ms: 5,
        allowedLateness_ms: LATE_MS,
      }),
    { lateness_ms: LATE_MS },
  ),
  joined('window-join', mode.type, () =>
    windowJoin('join', { ...sides, ...mode, size_ms: 10, offset_ms: 2 }),
  ),
  joined(
    'window-join',
    `${mode.type}, with lateness`,
    () => windowJoin('join', { ...sides, ...mode, size_ms: 7, allowedLateness_ms: LATE_MS }),
    { lateness_ms: LATE_MS },
  ),
]);

const asOf = (retain_ms: number | undefined): PropertyCase =>
  joined('temporal-join', retain_ms === undefined ? 'for ever' : `retained ${retain_ms} ms`, () =>
    temporalJoin('join', {
      left: keyed,
      right: table,
      type: 'left',
      join: pair,
      bucket_ms: 4,
      cache_rows: 2,
      ...(retain_ms === undefined ? {} : { retain_ms }),
    }),
  );

export const JOIN_CASES: readonly PropertyCase[] = [
  ...byMode,
  asOf(undefined),
  asOf(20),
  joined('stream-join', 'for ever', () =>
    streamJoin('join', { left: keyed, right: keyed, join: pair, cache_rows: 2 }),
  ),
  joined('stream-join', 'for a time', () =>
    streamJoin('join', { left: keyed, right: keyed, join: pair, ttl_ms: 10, cache_rows: 2 }),
  ),
  // What comes out depends on the order of arrival, as its page says; the table does not.
  joined(
    'lookup-join',
    'the table',
    () => lookupJoin('join', { left: keyed, right: table, type: 'left', join: pair, cache_rows: 2 }),
    { final: null },
  ),
];
