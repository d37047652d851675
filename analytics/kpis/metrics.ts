import type { Distribution, OwnMeasure } from '../row-sums/index.ts';
import type { Measure } from '../rows/index.ts';

/** How an amount behind a money metric is aggregated; `sum` is the default and the only one for other metrics. */
export const AGGREGATIONS = ['sum', 'avg', 'min', 'max', 'count', 'p50', 'p90', 'p99'] as const;
export type Aggregation = (typeof AGGREGATIONS)[number];

/**
 * What a metric's value is: `money` minor units of a currency (ISO 4217 exponent), `count` a whole
 * number, `distinct` a whole number that may be approximate, `ratio` a plain fraction (0.25 = 25 %).
 */
export type MetricUnit = 'money' | 'count' | 'ratio' | 'days' | 'seconds' | 'distinct';

/** A measure of the rows' marks, or of a metric that a tenant defined. */
export type MetricMeasure = Measure | OwnMeasure;
/** Distinct ids that a metric of a tenant counts. */
export type OwnMember = `own:${number}`;
/** Whose different ids are counted. */
export type MetricMember = 'customers' | OwnMember;

export interface Term {
  readonly measure: MetricMeasure;
  readonly factor: 1 | -1;
}

/**
 * - `sum`: Σ factor × measure, exact.
 * - `ratio`: Σ numerator / Σ denominator / `divisor` (e.g. ms in a day), or 1 minus that when
 *   `complement`. The sums are exact, the division is IEEE double, not rounded further. null when the
 *   denominator is 0.
 * - `distinct`: the number of distinct ids.
 * - `quotient`: one of these divided by another, in IEEE double. null when the denominator is 0.
 */
export type Formula =
  | Operand
  | {
      readonly kind: 'ratio';
      readonly numerator: readonly Term[];
      readonly denominator: readonly Term[];
      readonly divisor: number;
      readonly complement: boolean;
    }
  | { readonly kind: 'quotient'; readonly numerator: Operand; readonly denominator: Operand };

export type Operand =
  | { readonly kind: 'sum'; readonly terms: readonly Term[] }
  | { readonly kind: 'distinct'; readonly of: MetricMember };

export interface MetricDefinition {
  readonly name: string;
  readonly aliases: readonly string[];
  readonly title: string;
  readonly description: string;
  readonly unit: MetricUnit;
  readonly formula: Formula;
  /** The single amounts behind it: present where an aggregation other than `sum` is allowed. */
  readonly distribution?: Distribution;
}

const MS_PER_SECOND = 1_000;
const MS_PER_DAY = 86_400_000;

/** Measures counted in minor units of the cell's currency; all others are plain numbers. */
const MONEY_MEASURES: ReadonlySet<Measure> = new Set<Measure>([
  'revenue_gross',
  'revenue_paid',
  'refund',
  'discount',
  'shipping',
  'tax',
  'revenue_cancelled',
]);

const plus = (measure: Measure): Term => ({ measure, factor: 1 });
const minus = (measure: Measure): Term => ({ measure, factor: -1 });

type Texts = readonly [name: string, title: string, description: string];

function count(measure: Measure, [name, title, description]: Texts): MetricDefinition {
  return {
    name,
    aliases: [],
    title,
    description,
    unit: 'count',
    formula: { kind: 'sum', terms: [plus(measure)] },
  };
}

function money(
  distribution: Distribution & Measure,
  [name, title, description]: Texts,
  aliases: readonly string[] = [],
): MetricDefinition {
  const formula: Formula = { kind: 'sum', terms: [plus(distribution)] };
  return { name, aliases, title, description, unit: 'money', formula, distribution };
}

function ratio(
  unit: MetricUnit,
  [name, title, description]: Texts,
  numerator: readonly Term[],
  denominator: readonly Term[],
  { divisor = 1, complement = false } = {},
): MetricDefinition {
  const formula: Formula = { kind: 'ratio', numerator, denominator, divisor, complement };
  return { name, aliases: [], title, description, unit, formula };
}

/** The metric catalogue: section 3 of the contract as data. The bucket is the event time of the fact. */
export const METRICS: readonly MetricDefinition[] = [
  count('orders', ['orders_count', 'Orders', '`order.created`, once for each order id']),
  count('orders_paid', [
    'orders_paid',
    'Paid orders',
    'Orders, counted at their earliest `payment.succeeded`',
  ]),
  count('orders_shipped', [
    'orders_shipped',
    'Shipped orders',
    'Orders, counted at their earliest `order.shipped`',
  ]),
  count('orders_delivered', [
    'orders_delivered',
    'Delivered orders',
    'Orders, counted at their earliest `order.delivered`',
  ]),
  count('orders_cancelled', [
    'orders_cancelled',
    'Cancelled orders',
    'Orders, counted at their earliest `order.cancelled`',
  ]),
  count('orders_rto', [
    'orders_rto',
    'Orders returned to origin',
    'Orders, counted at their earliest `order.rto`',
  ]),
  money(
    'revenue_gross',
    ['revenue_gross', 'Gross revenue', 'Σ `amount` of orders, as their newest version says it'],
    ['revenue'],
  ),
  money('revenue_paid', ['revenue_paid', 'Paid revenue', 'Σ `amount` of `payment.succeeded`']),
  money('discount', ['discount_total', 'Discounts', 'Σ `discount` of orders']),
  money('shipping', ['shipping_total', 'Shipping', 'Σ `shipping` of orders']),
  money('tax', ['tax_total', 'Tax', 'Σ `tax` of orders']),
  money('refund', ['refund_amount', 'Refunds', 'Σ `amount` of `refund.issued`']),
  money('revenue_cancelled', [
    'revenue_cancelled',
    'Cancelled revenue',
    'Σ `amount` of orders, counted at their earliest `order.cancelled`',
  ]),
  {
    name: 'revenue_net',
    aliases: [],
    title: 'Net revenue',
    description: 'revenue_gross − discount_total − refund_amount',
    unit: 'money',
    formula: { kind: 'sum', terms: [plus('revenue_gross'), minus('discount'), minus('refund')] },
  },
  ratio(
    'money',
    [
      'aov',
      'Average order value',
      '(revenue_gross − discount_total) / orders_count, in minor units, not rounded',
    ],
    [plus('revenue_gross'), minus('discount')],
    [plus('orders')],
  ),
  ratio(
    'ratio',
    ['refund_rate', 'Refund rate', 'refund_amount / revenue_gross'],
    [plus('refund')],
    [plus('revenue_gross')],
  ),
  ratio(
    'ratio',
    ['refunded_orders_rate', 'Refunded orders', 'Orders with a refund (at its first) / orders_count'],
    [plus('orders_refunded')],
    [plus('orders')],
  ),
  count('returns', ['returns_count', 'Returns', '`return.received` events']),
  ratio(
    'days',
    [
      'days_to_ship_avg',
      'Days to ship',
      'Mean of first `order.shipped` − `order.created` in days, over orders shipped in the bucket',
    ],
    [plus('ship_ms')],
    [plus('ship_count')],
    { divisor: MS_PER_DAY },
  ),
  count('visits', ['visits', 'Visits', '`visit` events']),
  count('sessions', ['sessions', 'Sessions', 'Sessions, counted at their first `visit`']),
  ratio(
    'ratio',
    ['conversion_rate', 'Conversion rate', 'orders_count / sessions'],
    [plus('orders')],
    [plus('sessions')],
  ),
  ratio(
    'ratio',
    [
      'cart_abandonment_rate',
      'Cart abandonment',
      '1 − sessions with an order / sessions with an `add_to_cart`',
    ],
    [plus('sessions_with_order')],
    [plus('sessions_with_cart')],
    { complement: true },
  ),
  count('units', ['units_sold', 'Units sold', 'Σ `items[].quantity` of orders']),
  {
    name: 'customers_active',
    aliases: [],
    title: 'Active customers',
    description: 'Distinct `customer_id` of `order.created`; approximate beyond 10,000, and then labelled so',
    unit: 'distinct',
    formula: { kind: 'distinct', of: 'customers' },
  },
  count('customers_new', [
    'customers_new',
    'New customers',
    'Customers, counted at their first `order.created`',
  ]),
  ratio(
    'seconds',
    [
      'time_to_first_response',
      'Time to first response',
      'Mean seconds from `ticket.opened` to `ticket.first_response`',
    ],
    [plus('response_ms')],
    [plus('response_count')],
    { divisor: MS_PER_SECOND },
  ),
];

const BY_NAME: ReadonlyMap<string, MetricDefinition> = new Map(
  METRICS.flatMap((metric) => [metric.name, ...metric.aliases].map((name) => [name, metric] as const)),
);

/** Every name that a query may use, aliases included. */
export const METRIC_NAMES: readonly string[] = [...BY_NAME.keys()];

/** The metric of a name or an alias. */
export function findMetric(name: string): MetricDefinition | undefined {
  return BY_NAME.get(name);
}

/** `sum` always; the others where the single amounts are kept. */
export function allowsAggregation(metric: MetricDefinition, aggregation: Aggregation): boolean {
  return aggregation === 'sum' || metric.distribution !== undefined;
}

/** The measures that a metric adds up. */
export function measuresOf({ formula }: Pick<MetricDefinition, 'formula'>): readonly MetricMeasure[] {
  if (formula.kind === 'distinct') return [];
  if (formula.kind === 'quotient') {
    return [formula.numerator, formula.denominator].flatMap((each) => measuresOf({ formula: each }));
  }
  const terms = formula.kind === 'sum' ? formula.terms : [...formula.numerator, ...formula.denominator];
  return terms.map(({ measure }) => measure);
}

/** The ids that a metric counts the different ones of. */
export function membersOf({ formula }: MetricDefinition): readonly MetricMember[] {
  const operands = formula.kind === 'quotient' ? [formula.numerator, formula.denominator] : [formula];
  return operands.flatMap((operand) => (operand.kind === 'distinct' ? [operand.of] : []));
}

export function isOwn<T extends string>(measure: T | OwnMeasure): measure is OwnMeasure {
  return measure.startsWith('own');
}

export function isMoneyMeasure(measure: MetricMeasure): boolean {
  return isOwn(measure) ? measure.startsWith('own_money') : MONEY_MEASURES.has(measure);
}

/** Whether its value depends on amounts of money, so that it means nothing across currencies. */
export function isMonetary(metric: MetricDefinition): boolean {
  return measuresOf(metric).some(isMoneyMeasure);
}
