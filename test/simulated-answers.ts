import type { KpiAnswer, KpiQueryInput } from '../analytics/index.ts';
import type { SimulationResult } from '../engine/index.ts';
import { StateQueries } from './ask-state.ts';
import type { OracleCells } from './order-oracle.ts';
import { END_MS, FIRST_MS, START_MS, TENANTS } from './simulated-orders.ts';

/** Metrics that are sums, by the names of the oracle's. */
const SUMS = [
  'orders_count',
  'orders_paid',
  'orders_shipped',
  'orders_delivered',
  'orders_cancelled',
  'orders_rto',
  'returns_count',
  'visits',
  'sessions',
  'units_sold',
  'customers_new',
  'revenue_gross',
  'revenue_paid',
  'refund_amount',
  'discount_total',
  'shipping_total',
  'tax_total',
  'revenue_cancelled',
];

type Sum = (measure: string) => number;

/** Metrics that are quotients of the oracle's sums. */
const RATIOS: Readonly<Record<string, (sum: Sum) => number>> = {
  refunded_orders_rate: (sum) => sum('orders_refunded') / sum('orders_count'),
  cart_abandonment_rate: (sum) => 1 - sum('sessions_with_order') / sum('sessions_with_cart'),
  conversion_rate: (sum) => sum('orders_count') / sum('sessions'),
  days_to_ship_avg: (sum) => sum('ship_ms') / (sum('ship_count') * 86_400_000),
  time_to_first_response: (sum) => sum('response_ms') / (sum('response_count') * 1_000),
};

/** Metrics by cell: JSON of [tenant, day in ms, currency, ...values]. */
export type Answers = ReadonlyMap<string, Readonly<Record<string, bigint | number>>>;

/** What the oracle's cells mean for the metrics; sums that are 0 and quotients of nothing are left out. */
export function answersOf(cells: OracleCells): Answers {
  const answers = [...cells].map(([key, sums]) => {
    const values: Record<string, bigint | number> = {};
    for (const name of SUMS) {
      const sum = sums.get(name);
      if (sum !== undefined) values[name] = sum;
    }
    for (const [name, ratio] of Object.entries(RATIOS)) {
      const value = ratio((measure) => Number(sums.get(measure) ?? 0n));
      if (Number.isFinite(value)) values[name] = value;
    }
    return [key, values] as const;
  });
  return new Map(answers.filter(([, values]) => Object.keys(values).length > 0).sort());
}

const METRICS = [...SUMS, ...Object.keys(RATIOS)];

export interface Asked {
  readonly answers: Answers;
  /** What was read, one for each tenant. */
  readonly sources: readonly string[];
}

/** Asks a final state for all metrics by day, currency and dimensions; `scan`: of the log alone. */
export function askSums(
  result: SimulationResult,
  dimensions: readonly string[],
  scan: boolean,
): Promise<Asked> {
  return ask(result, dimensions, scan, METRICS);
}

/** The same for distinct customers, which only the log knows. */
export function askCustomers(result: SimulationResult, dimensions: readonly string[]): Promise<Asked> {
  return ask(result, dimensions, false, ['customers_active']);
}

async function ask(
  result: SimulationResult,
  dimensions: readonly string[],
  scan: boolean,
  metrics: KpiQueryInput['metrics'],
): Promise<Asked> {
  const state = new StateQueries(result.disk.reader(), END_MS);
  const query: KpiQueryInput = {
    metrics,
    group_by: [...dimensions, 'currency'],
    start: new Date(FIRST_MS).toISOString(),
    // Whole days, which cubes can answer.
    end: new Date(START_MS).toISOString(),
    granularity: '1d',
    limit: 1_000,
  };
  const answers: [string, Record<string, bigint | number>][] = [];
  const sources: string[] = [];
  for (const tenant of TENANTS) {
    const answer = await (scan ? state.scan(tenant, query) : state.ask(tenant, query));
    if (answer.truncated) throw new Error('the answer has all groups');
    sources.push(answer.source);
    answers.push(...cellsOf(tenant, dimensions, answer));
  }
  return { answers: new Map(answers.sort(([a], [b]) => (a < b ? -1 : 1))), sources };
}

function* cellsOf(
  tenant: string,
  dimensions: readonly string[],
  { groups }: KpiAnswer,
): Iterable<[string, Record<string, bigint | number>]> {
  for (const { key, buckets } of groups) {
    for (const { time, incomplete, partial, ...metrics } of buckets) {
      const values: Record<string, bigint | number> = {};
      for (const [name, value] of Object.entries(metrics)) {
        if (typeof value !== 'number' && typeof value !== 'bigint') continue;
        if (name in RATIOS) values[name] = value;
        else if (BigInt(value) !== 0n) values[name] = BigInt(value);
      }
      if (Object.keys(values).length === 0) continue;
      const place = [
        tenant,
        Date.parse(time),
        key.currency ?? '',
        ...dimensions.map((name) => key[name] ?? ''),
      ];
      yield [JSON.stringify(place), values];
    }
  }
}
