import type { Event } from './contract-service.ts';
import type { ContractSql, SqlCell, SqlMeasure, SqlQuery } from './contract-sql.ts';

/** Section 3's metrics over what SQL found. */

type Terms = readonly (readonly [measure: SqlMeasure, factor: 1 | -1])[];

const sum = (...measures: readonly SqlMeasure[]): Terms =>
  measures.map((measure, at) => [measure, at === 0 ? 1 : -1] as const);

export const COUNTS: Readonly<Record<string, SqlMeasure>> = {
  ...{ orders_count: 'orders', orders_paid: 'orders_paid', orders_shipped: 'orders_shipped' },
  ...{ orders_delivered: 'orders_delivered', orders_cancelled: 'orders_cancelled', orders_rto: 'orders_rto' },
  ...{ returns_count: 'returns', visits: 'visits', sessions: 'sessions', units_sold: 'units' },
  customers_new: 'customers_new',
};
export const MONEY: Readonly<Record<string, Terms>> = {
  ...{ revenue_gross: sum('gross'), revenue: sum('gross'), revenue_paid: sum('paid') },
  ...{ discount_total: sum('discount'), shipping_total: sum('shipping'), tax_total: sum('tax') },
  ...{ refund_amount: sum('refund'), revenue_cancelled: sum('cancelled') },
  revenue_net: sum('gross', 'discount', 'refund'),
};
interface Ratio {
  readonly numerator: Terms;
  readonly denominator: SqlMeasure;
  readonly divisor?: number;
  readonly complement?: true;
}
export const RATIOS: Readonly<Record<string, Ratio>> = {
  refunded_orders_rate: { numerator: sum('orders_refunded'), denominator: 'orders' },
  days_to_ship_avg: { numerator: sum('ship_ms'), denominator: 'ship_count', divisor: 86_400_000 },
  conversion_rate: { numerator: sum('orders'), denominator: 'sessions' },
  cart_abandonment_rate: {
    ...{ numerator: sum('sessions_with_order'), denominator: 'sessions_with_cart', complement: true },
  },
  time_to_first_response: { numerator: sum('response_ms'), denominator: 'response_count', divisor: 1_000 },
};
export const MONEY_RATIOS: Readonly<Record<string, Ratio>> = {
  aov: { numerator: sum('gross', 'discount'), denominator: 'orders' },
  refund_rate: { numerator: sum('refund'), denominator: 'gross' },
};

type Value = number | null;

/** A rate as a fraction of minor units. */
interface Fraction {
  readonly numerator: bigint;
  readonly denominator: bigint;
}

const DAY_MS = 86_400_000;
const digitsOf = (currency: string): number => (currency === 'JPY' ? 0 : 2);

/** Rates of EUR by quote, from the events: of a UTC day the last of that day, else the newest before it. */
export class Rates {
  readonly #announced: readonly { readonly quote: string; readonly t: number; readonly rate: string }[];

  constructor(events: readonly Event[]) {
    this.#announced = events
      .filter(({ type }) => type === 'fx.rate')
      .map(({ quote, time, rate }) => ({
        quote: String(quote),
        t: Date.parse(String(time)),
        rate: String(rate),
      }))
      .sort((a, b) => b.t - a.t);
  }

  of(from: string, to: string, day: number): Fraction {
    if (from === to) return { numerator: 1n, denominator: 1n };
    const quote = from === 'EUR' ? to : from;
    const found = this.#announced.find((one) => one.quote === quote && one.t < (day + 1) * DAY_MS);
    if (found === undefined) throw new Error(`no rate of ${quote} on day ${day}`);
    const [whole = '', decimals = ''] = found.rate.split('.');
    const rate: Fraction = {
      numerator: BigInt(whole + decimals),
      denominator: 10n ** BigInt(decimals.length),
    };
    const { numerator, denominator } =
      from === 'EUR' ? rate : { numerator: rate.denominator, denominator: rate.numerator };
    return {
      numerator: numerator * 10n ** BigInt(digitsOf(to)),
      denominator: denominator * 10n ** BigInt(digitsOf(from)),
    };
  }
}

function roundHalfAway(numerator: bigint, denominator: bigint): bigint {
  const sign = numerator < 0n ? -1n : 1n;
  return (sign * (2n * sign * numerator + denominator)) / (2n * denominator);
}

function total(cells: readonly SqlCell[], terms: Terms): bigint {
  let found = 0n;
  for (const { sums } of cells)
    for (const [measure, factor] of terms) found += BigInt(factor) * sums[measure];
  return found;
}

function converted(
  cells: readonly SqlCell[],
  measure: SqlMeasure,
  { of, to }: { of: Rates; to: string },
): bigint {
  let [numerator, denominator] = [0n, 1n];
  for (const { sums, currency, day } of cells) {
    if (sums[measure] === 0n) continue;
    const rate = of.of(String(currency), to, day);
    numerator = numerator * rate.denominator + sums[measure] * rate.numerator * denominator;
    denominator *= rate.denominator;
  }
  return roundHalfAway(numerator, denominator);
}

/** The value of a metric over cells; of money in a currency where one is asked for. */
export function metricOf(
  metric: string,
  cells: readonly SqlCell[],
  rates?: { of: Rates; to: string },
): Value {
  const count = COUNTS[metric];
  if (count !== undefined) return Number(total(cells, sum(count)));
  if (metric === 'customers_active') return new Set(cells.flatMap(({ customers }) => customers)).size;
  const money = MONEY[metric];
  if (money !== undefined) {
    if (rates === undefined) return Number(total(cells, money));
    // The definition holds between the sums of one answer: each is rounded by itself, once.
    const parts = money.map(([measure, factor]) => BigInt(factor) * converted(cells, measure, rates));
    return Number(parts.reduce((a, b) => a + b, 0n));
  }
  const ratio = RATIOS[metric] ?? MONEY_RATIOS[metric];
  if (ratio === undefined) throw new Error(`no metric ${metric}`);
  const below = total(cells, sum(ratio.denominator));
  if (below === 0n) return null;
  const above = total(cells, ratio.numerator);
  // No -0, which JSON does not have.
  return Number(ratio.complement ? below - above : above) / (Number(below) * (ratio.divisor ?? 1)) + 0;
}

function groupsOf<K>(cells: readonly SqlCell[], keyOf: (cell: SqlCell) => K): Map<K, SqlCell[]> {
  const groups = new Map<K, SqlCell[]>();
  for (const cell of cells) groups.set(keyOf(cell), [...(groups.get(keyOf(cell)) ?? []), cell]);
  return groups;
}

/** By group: what each metric is over the range, and in each bucket by its start. */
export interface Expected {
  readonly totals: Readonly<Record<string, Value>>;
  readonly buckets: ReadonlyMap<number, Readonly<Record<string, Value>>>;
}

export async function expectedOf(
  sql: ContractSql,
  query: SqlQuery,
  metrics: readonly string[],
  rates?: { of: Rates; to: string },
): Promise<ReadonlyMap<string, Expected>> {
  const cells = await sql.cells(query);
  const groups = groupsOf(cells, ({ key }) => JSON.stringify(key));
  const values = (some: readonly SqlCell[]) =>
    Object.fromEntries(metrics.map((metric) => [metric, metricOf(metric, some, rates)]));
  return new Map(
    [...groups].map(([key, all]) => {
      const buckets = groupsOf(all, ({ bucket_ms }) => bucket_ms);
      const byBucket = new Map([...buckets].map(([bucket_ms, some]) => [bucket_ms, values(some)]));
      return [key, { totals: values(all), buckets: byBucket }];
    }),
  );
}

/** What an aggregation of sorted amounts is: percentiles by nearest rank. */
export function aggregateOf(aggregation: string, amounts: readonly bigint[]): Value {
  if (aggregation === 'count') return amounts.length;
  if (amounts.length === 0) return null;
  if (aggregation === 'avg') return Number(amounts.reduce((a, b) => a + b, 0n)) / amounts.length;
  if (aggregation === 'min') return Number(amounts[0]);
  if (aggregation === 'max') return Number(amounts.at(-1));
  const percent = Number(aggregation.slice(1));
  return Number(amounts[Math.ceil((percent * amounts.length) / 100) - 1]);
}
