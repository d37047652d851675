import { MARK, type Mark, NUMBER } from '../rows/index.ts';

/**
 * What a measure adds for a row that has its mark, times the row's sign:
 * - `count`: 1.
 * - `amount`: a number column; none counts 0.
 * - `units`: the quantities of the row's items.
 * - `observed`: 1 where the number column has a value.
 */
export type MeasureKind = 'count' | 'amount' | 'units' | 'observed';

/**
 * What a group of a row's item lines takes of the measure, where a query tells items apart:
 * - `once`: the same as the whole row.
 * - `lines`: Σ quantity × unit_price of its lines.
 * - `split`: its lines' parts of the amount, which is split over all lines of the row.
 * - `quantity`: the quantities of its lines.
 */
export type LineRule = 'once' | 'lines' | 'split' | 'quantity';

export interface MeasureRule {
  /** Bit of the mark that a row must have. */
  readonly mark: number;
  readonly kind: MeasureKind;
  /** Index of the number column; -1 for `count` and `units`. */
  readonly column: number;
  readonly lines: LineRule;
}

const counted = (mark: Mark): MeasureRule => ({ mark: MARK[mark], kind: 'count', column: -1, lines: 'once' });
const added = (mark: Mark, column: keyof typeof NUMBER, lines: LineRule): MeasureRule => ({
  mark: MARK[mark],
  kind: 'amount',
  column: NUMBER[column],
  lines,
});

const RULES = {
  orders: counted('orders'),
  orders_paid: counted('orders_paid'),
  orders_shipped: counted('orders_shipped'),
  orders_delivered: counted('orders_delivered'),
  orders_cancelled: counted('orders_cancelled'),
  orders_rto: counted('orders_rto'),
  orders_refunded: counted('orders_refunded'),
  returns: counted('returns'),
  visits: counted('visits'),
  sessions: counted('sessions'),
  sessions_with_cart: counted('sessions_with_cart'),
  sessions_with_order: counted('sessions_with_order'),
  customers_new: counted('customers_new'),
  units: { mark: MARK.orders, kind: 'units', column: -1, lines: 'quantity' },
  ship_ms: added('shipped_in', 'value', 'once'),
  ship_count: counted('shipped_in'),
  response_ms: added('responded', 'value', 'once'),
  response_count: counted('responded'),
  revenue_gross: added('orders', 'amount', 'lines'),
  revenue_paid: added('payment', 'amount', 'split'),
  refund: added('refund', 'amount', 'split'),
  discount: added('orders', 'discount', 'split'),
  shipping: added('orders', 'shipping', 'split'),
  tax: added('orders', 'tax', 'split'),
  revenue_cancelled: added('orders_cancelled', 'value', 'lines'),
} satisfies Record<string, MeasureRule>;

/** What rows add up to. Counts are plain numbers, durations ms, money minor units of the row's currency. */
export type Measure = keyof typeof RULES;
export const MEASURES = Object.keys(RULES) as readonly Measure[];

/** Money whose single amounts can be aggregated otherwise than by their sum. */
export type Distribution =
  | 'revenue_gross'
  | 'revenue_paid'
  | 'refund'
  | 'discount'
  | 'shipping'
  | 'tax'
  | 'revenue_cancelled';

export function ruleOf(measure: Measure): MeasureRule {
  return RULES[measure];
}

/** How many rows have the amount. */
export function observedRule(name: Distribution): MeasureRule {
  return { ...RULES[name], kind: 'observed' };
}
