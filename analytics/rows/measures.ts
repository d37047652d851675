import { MARK, type Mark, NUMBER } from './row-schema.ts';

/** What is added up of rows. The index of a measure is its place here; new ones go to the end. */
export const MEASURES = [
  'orders',
  'orders_paid',
  'orders_shipped',
  'orders_delivered',
  'orders_cancelled',
  'orders_rto',
  'orders_refunded',
  'returns',
  'visits',
  'sessions',
  'sessions_with_cart',
  'sessions_with_order',
  'customers_new',
  'units',
  'ship_ms',
  'ship_count',
  'response_ms',
  'response_count',
  'revenue_gross',
  'revenue_paid',
  'refund',
  'discount',
  'shipping',
  'tax',
  'revenue_cancelled',
] as const;
export type Measure = (typeof MEASURES)[number];

/** Index of a measure. */
export const M = Object.fromEntries(MEASURES.map((name, index) => [name, index])) as Record<Measure, number>;

/** What a row gives to a measure: 1, a number column (none is 0), or the quantities of its items. */
export type Source = 'one' | 'units' | keyof typeof NUMBER;

/**
 * What a group of the row's items gets of it:
 * - `whole`: all of it, as the row does (counts, durations),
 * - `lines`: Σ quantity × unit_price of its lines instead,
 * - `units`: Σ quantity of its lines,
 * - `parts`: its lines' parts, the row's amount split over all lines (`item-lines.ts`).
 */
export type GroupRule = 'whole' | 'lines' | 'units' | 'parts';

/** A row with the mark adds its source to the measure, once; a retraction takes it away. */
export interface Contribution {
  readonly mark: Mark;
  readonly measure: Measure;
  readonly source: Source;
  readonly byItems: GroupRule;
}

const count = (mark: Mark, measure: Measure): Contribution => ({
  ...{ mark, measure },
  ...{ source: 'one', byItems: 'whole' },
});
const amount = (
  mark: Mark,
  measure: Measure,
  source: Source,
  byItems: GroupRule = 'parts',
): Contribution => ({ mark, measure, source, byItems });

/** How rows count. Cubes and scans both take it from here. */
export const CONTRIBUTIONS: readonly Contribution[] = [
  count('orders', 'orders'),
  amount('orders', 'units', 'units', 'units'),
  amount('orders', 'revenue_gross', 'amount', 'lines'),
  amount('orders', 'discount', 'discount'),
  amount('orders', 'shipping', 'shipping'),
  amount('orders', 'tax', 'tax'),
  count('orders_paid', 'orders_paid'),
  count('orders_shipped', 'orders_shipped'),
  count('orders_delivered', 'orders_delivered'),
  count('orders_cancelled', 'orders_cancelled'),
  amount('cancelled', 'revenue_cancelled', 'value', 'lines'),
  count('orders_rto', 'orders_rto'),
  count('orders_refunded', 'orders_refunded'),
  count('returns', 'returns'),
  count('visits', 'visits'),
  count('sessions', 'sessions'),
  count('sessions_with_cart', 'sessions_with_cart'),
  count('sessions_with_order', 'sessions_with_order'),
  count('customers_new', 'customers_new'),
  count('shipped_in', 'ship_count'),
  amount('shipped_in', 'ship_ms', 'value', 'whole'),
  count('responded', 'response_count'),
  amount('responded', 'response_ms', 'value', 'whole'),
  amount('payment', 'revenue_paid', 'amount'),
  amount('refund', 'refund', 'amount'),
];

/** What a scan has to look at for some measures. */
export interface MeasureNeeds {
  /** Bits of column `marks`: rows without any of them add nothing. */
  readonly marks: number;
  /** Places of number columns. */
  readonly numbers: readonly number[];
  /** Quantities of items, too. */
  readonly units: boolean;
}

export function needsOf(measures: readonly Measure[]): MeasureNeeds {
  const needed = CONTRIBUTIONS.filter(({ measure }) => measures.includes(measure));
  const numbers = needed.flatMap(({ source }) =>
    source === 'one' || source === 'units' ? [] : NUMBER[source],
  );
  return {
    marks: needed.reduce((bits, { mark }) => bits | MARK[mark], 0),
    numbers: [...new Set(numbers)].sort((a, b) => a - b),
    units: needed.some(({ source }) => source === 'units'),
  };
}
