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
import { type Guide, table } from './guide.ts';

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

export const aggregatesGuide: Guide = {
  name: 'aggregates',
  title: 'Aggregates',
  summary: 'How the events of a window become one value, what each aggregate stores and how exact it is',
  parts: [
    'An aggregate goes into `window` (and into anything of yours that takes an `Aggregate`). Several by name are one aggregate whose result is an object, to any depth: `{ orders: count(), money: { revenue: sum(…), best: topK(3, …) } }`. `filtered(predicate, aggregate)` takes only some events, as `FILTER (WHERE …)` does in SQL, and `mapResult(aggregate, project)` changes the result. No result depends on the order in which events came, nor on how they were cut into batches, slices or commits.',
    '## What there is',
    table(
      [
        'aggregate',
        'result',
        'exactness',
        'can take back',
        `bytes stored after ${SIZES.map((size) => size.toLocaleString('en')).join(' / ')} events`,
      ],
      rows.map(({ code, aggregate, result, exactness }) => [
        `\`${code}\``,
        result,
        exactness,
        aggregate.retract === undefined ? 'no' : 'yes',
        SIZES.map((size) => storedBytes(aggregate, size).toLocaleString('en')).join(' / '),
      ]),
    ),
    'The bytes are measured when this page is made: prices from 0 to 100 euros with two decimals, all different, events of one member. All of them merge: an event is added to one slice of time, and a window is the merge of its slices.',
    '"Can take back" is `retract`: it undoes an `add` exactly. A composition can when all of its parts can. The windows of the library do not need it, since they merge slices; it is there for operators of your own that keep a running value over changing rows.',
    '## Where the algorithms are from',
    '- `sum`, `avg`, `variance`: expansions of doubles that do not overlap (Shewchuk, *Adaptive Precision Floating-Point Arithmetic and Fast Robust Geometric Predicates*, 1997), rounded at the end as `math.fsum` of Python does. Squares are exact by splitting (Dekker, 1971); numbers near the bounds of a double are summed as integers of any size, so nothing overflows on the way. The result is the double nearest to the exact sum or variance. Infinities and NaN are counted: they give what IEEE 754 gives, and can be taken back.',
    `- \`distinctApprox\`: HyperLogLog (Flajolet, Fusy, Gandouet, Meunier, 2007) with 2^14 registers and the estimator of Ertl (*New cardinality estimation algorithms for HyperLogLog sketches*, 2017). The standard error is 1.04/√16384 = ${percent(HLL_RELATIVE_ERROR)}: about 95 % of results are within ${percent(2 * HLL_RELATIVE_ERROR)}. 16 KiB for each key and slice of time that has more than ${EXACT_LIMIT.toLocaleString('en')} values, 8 bytes a value below that.`,
    `- \`quantiles\`: DDSketch (Masson, Rim, Lee, *DDSketch: a fast and fully-mergeable quantile sketch with relative-error guarantees*, VLDB 2019), logarithmic bins, no collapsing: the bound of ${percent(SKETCH_RELATIVE_ERROR)} holds for every quantile. It stores a pair of small integers for each bin that has values, and a bin is 2 % wide: about 115 bins for each power of ten between the smallest and the largest value. Magnitudes below 1e-9 count as 0.`,
    '## One of your own',
    '`Aggregate<E, A, R>` is `init`, `add`, `merge`, `result`, perhaps `retract`, a `codec` for the accumulator (JSON without one) and a `kind`: a word for what it holds, which is part of the stored definition of the window, so that a start refuses the state of a `sum` where a `min` is asked for. It has to be pure; for results that do not depend on the order of arrival `add` has to commute and `merge` to be associative and commutative. When what it stores changes meaning, raise the `version` of the window and give the aggregate a `migrate(old, fromVersion)`, which makes an accumulator of a stored one, and where the codec is another one a `formerCodec(fromVersion)`; without them a start on the older state is refused.',
  ],
};
