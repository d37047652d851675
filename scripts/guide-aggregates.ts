import { ByteWriter } from '../engine/index.ts';
import {
  type Aggregate,
  avg,
  collect,
  count,
  distinct,
  distinctApprox,
  EXACT_LIMIT,
  first,
  HLL_RELATIVE_ERROR,
  last,
  max,
  min,
  quantiles,
  resolveAggregate,
  SKETCH_RELATIVE_ERROR,
  sum,
  sumExact,
  topK,
  variance,
} from '../operators/index.ts';
import type { Guide } from './guide.ts';

interface Price {
  readonly euros: number;
}

interface Row {
  readonly code: string;
  readonly aggregate: Aggregate<Price, unknown, unknown>;
  readonly result: string;
  readonly exactness: string;
}

const euros = (price: Price): number => price.euros;
const cents = (price: Price): number => Math.round(price.euros * 100);
const percent = (share: number): string => `${(share * 100).toFixed(2).replace(/\.?0+$/, '')} %`;

const rows: readonly Row[] = [
  { code: 'count()', aggregate: count(), result: '`number`', exactness: 'exact' },
  {
    code: 'sum(of)',
    aggregate: sum(euros),
    result: '`number`',
    exactness: 'the exact sum, rounded once: 0.1 ten times is 1, in any order',
  },
  {
    code: 'sumExact(of)',
    aggregate: sumExact(cents),
    result: '`bigint`',
    exactness: 'exact at any size; takes integers only and throws `RangeError` for others',
  },
  {
    code: 'avg(of)',
    aggregate: avg(euros),
    result: '`number`',
    exactness: 'the exact sum, rounded, over the count',
  },
  {
    code: 'variance(of, …)',
    aggregate: variance(euros),
    result: '`number`',
    exactness: 'from exact sums, so nothing cancels; `population` (default) or `sample`',
  },
  { code: 'min(of)', aggregate: min(euros), result: '`number`', exactness: 'exact; NaN when there is none' },
  { code: 'max(of)', aggregate: max(euros), result: '`number`', exactness: 'exact; NaN when there is none' },
  {
    code: 'distinct(of, …)',
    aggregate: distinct(euros),
    result: '`number`',
    exactness: 'exact up to `max_values` (10,000); a result of one more says "more than that"',
  },
  {
    code: 'distinctApprox(of)',
    aggregate: distinctApprox(euros),
    result: '`number`',
    exactness: `exact to ${EXACT_LIMIT.toLocaleString('en')} (but for collisions of 53-bit hashes), then within ${percent(HLL_RELATIVE_ERROR)} (one standard deviation): HyperLogLog`,
  },
  {
    code: 'quantiles(of, ranks)',
    aggregate: quantiles(euros, [0.5, 0.99]),
    result: '`number[]`',
    exactness: `within ${percent(SKETCH_RELATIVE_ERROR)} of the value at rank ⌊q·(n-1)⌋, minimum and maximum exact: DDSketch`,
  },
  {
    code: 'topK(10, by)',
    aggregate: topK(10, euros),
    result: '`E[]`, the largest first',
    exactness: 'exact; ties by stored bytes',
  },
  {
    code: 'first()',
    aggregate: first<Price>(),
    result: '`E` or `undefined`',
    exactness: 'exact, by event time; ties by stored bytes',
  },
  {
    code: 'last()',
    aggregate: last<Price>(),
    result: '`E` or `undefined`',
    exactness: 'exact, by event time; ties by stored bytes',
  },
  {
    code: 'collect(100)',
    aggregate: collect<Price>(100),
    result: '`E[]` by event time',
    exactness: 'the earliest 100; ties by stored bytes',
  },
];

/** The bytes that an aggregate stores after so many prices of 0 to 100 euros. */
function storedBytes(of: Aggregate<Price, unknown, unknown>, prices: number): number {
  const aggregate = resolveAggregate<Price, Aggregate<Price, unknown, unknown>>(
    of as Aggregate<Price, unknown, unknown>,
  );
  let acc = aggregate.init();
  for (let index = 0; index < prices; index++) {
    acc = aggregate.add(acc, { euros: ((index * 7_919) % 10_007) / 100 }, index);
  }
  const writer = new ByteWriter();
  aggregate.codec.write(writer, acc);
  return writer.length;
}

const SIZES = [1, 100, 10_000];

/** A table of all aggregates, by what they store. */
function aggregatesTable(): string {
  const sizes = SIZES.map((size) => size.toLocaleString('en')).join(' / ');
  return table(
    ['aggregate', 'result', 'exactness', 'can take back', `bytes stored after ${sizes} events`],
    rows.map(({ code, aggregate, result, exactness }) => [
      `\`${code}\``,
      result,
      exactness,
      aggregate.retract === undefined ? 'no' : 'yes',
      SIZES.map((size) => storedBytes(aggregate, size).toLocaleString('en')).join(' / '),
    ]),
  );
}

export const aggregatesGuide: Guide = {
  name: 'aggregates',
  values: () => ({
    aggregates: aggregatesTable(),
    exact_limit: EXACT_LIMIT.toLocaleString('en'),
    hll_error: percent(HLL_RELATIVE_ERROR),
    hll_error_twice: percent(2 * HLL_RELATIVE_ERROR),
    sketch_error: percent(SKETCH_RELATIVE_ERROR),
  }),
};

/** A Markdown table. */
function table(head: readonly string[], cells: readonly (readonly string[])[]): string {
  return [head, head.map(() => '---'), ...cells].map((row) => `| ${row.join(' | ')} |`).join('\n');
}
