import type { ReturnFindings } from './returns-counter.ts';
import type { ReturnsQuery } from './returns-schema.ts';
import { ratio, Tallies } from './tallies.ts';

const MS_PER_HOUR = 3_600_000;
const [TOTAL, SKU, REASON, GROUP] = [0, 1, 2, 3] as const;

interface Rates {
  readonly orders: number;
  readonly units_sold: number;
  readonly returns: number;
  readonly units_returned: number;
  readonly orders_returned: number;
  readonly unit_return_rate: number | null;
  readonly order_return_rate: number | null;
}

/** The members of an answer. */
export function returnsBody(
  parts: readonly ReturnFindings[],
  query: ReturnsQuery,
): Readonly<Record<string, unknown>> {
  const { by, limit, min_orders, group_by, basis, event } = query;
  const tallies = new Tallies(5);
  for (const { tallies: own } of parts) for (const { key, sums } of own) tallies.add(key, sums);
  const all = tallies.all.map(({ key, sums }) => ({
    view: key[0] as number,
    values: key.slice(1) as readonly string[],
    rates: ratesOf(sums),
  }));
  const of = (view: number) => all.filter((one) => one.view === view);
  const total = of(TOTAL)[0]?.rates ?? ratesOf([0, 0, 0, 0, 0]);
  const rate = ({ unit_return_rate, order_return_rate }: Rates): number =>
    (by === 'units' ? unit_return_rate : order_return_rate) ?? -1;
  const skus = of(SKU)
    .filter(({ values, rates }) => values[0] !== '' && rates.orders >= min_orders && rate(rates) >= 0)
    .sort((a, b) => rate(b.rates) - rate(a.rates) || compare(a.rates, b.rates) || byText(a.values, b.values));
  const reasons = of(REASON)
    .filter(({ rates }) => rates.returns > 0)
    .sort((a, b) => compare(a.rates, b.rates) || byText(a.values, b.values));
  const groups = of(GROUP).sort((a, b) => compare(a.rates, b.rates) || byText(a.values, b.values));
  return {
    ...{ basis, event, by, min_orders, totals: total },
    ...{ skus_total: skus.length, reasons_total: reasons.length },
    skus: skus.slice(0, limit).map(({ values, rates }) => ({ sku: values[0], ...rates })),
    reasons: reasons.slice(0, limit).map(({ values, rates: { returns, units_returned } }) => ({
      reason: values[0] === '' ? null : values[0],
      ...{ returns, units_returned, share: ratio(returns, total.returns) },
    })),
    processing: processingOf(parts),
    ...(group_by.length === 0
      ? {}
      : {
          groups_total: groups.length,
          groups: groups.slice(0, limit).map(({ values, rates }) => ({
            key: Object.fromEntries(group_by.map((name, at) => [name, values[at] || null])),
            ...rates,
          })),
        }),
  };
}

function ratesOf(sums: readonly number[]): Rates {
  const [orders = 0, units_sold = 0, returns = 0, units_returned = 0, orders_returned = 0] = sums;
  return {
    ...{ orders, units_sold, returns, units_returned, orders_returned },
    unit_return_rate: ratio(units_returned, units_sold),
    order_return_rate: ratio(returns, orders),
  };
}

const compare = (a: Rates, b: Rates): number => b.returns - a.returns || b.orders - a.orders;

const byText = (a: readonly string[], b: readonly string[]): number =>
  JSON.stringify(a) < JSON.stringify(b) ? -1 : 1;

/** Mean and 90th percentile (nearest rank) of the time from requests to their ends, hours. */
function processingOf(parts: readonly ReturnFindings[]): object {
  const times = new Map<number, number>();
  const add = (found: ReturnFindings['received']): number => {
    for (const [ms, count] of found) times.set(ms, (times.get(ms) ?? 0) + count);
    return found.reduce((sum, [, count]) => sum + count, 0);
  };
  const received = parts.reduce((sum, part) => sum + add(part.received), 0);
  const refunded = parts.reduce((sum, part) => sum + add(part.refunded), 0);
  const count = received + refunded;
  const sorted = [...times].sort(([a], [b]) => a - b);
  const rank = Math.ceil(0.9 * count);
  let [seen, p90, sum] = [0, 0, 0];
  for (const [ms, many] of sorted) {
    if (seen < rank) p90 = ms;
    seen += many;
    sum += ms * many;
  }
  return {
    requests: count + parts.reduce((open, part) => open + part.open, 0),
    ...{ finished_by_receipt: received, finished_by_refund: refunded },
    open: parts.reduce((open, part) => open + part.open, 0),
    mean_hours: count === 0 ? null : sum / count / MS_PER_HOUR,
    p90_hours: count === 0 ? null : p90 / MS_PER_HOUR,
  };
}
