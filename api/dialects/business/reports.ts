import { recurringRevenue } from '../../../analytics/index.ts';
import { businessEvents, growthOf, shareOf, totalsOf } from '../asking/index.ts';
import { type Asked, lower, type Report } from './asked.ts';
import { customersReport } from './customers-report.ts';
import { hrReport, inventoryReport, marketingReport, salesReport, supportReport } from './records-reports.ts';
import { GROUPS, periodName } from './span.ts';

const TOP_PRODUCTS = 50;
const TOP_IN_REVENUE = 10;

async function revenueReport({ asking, call, span }: Asked): Promise<Report> {
  const { query, groupBy } = span;
  const metrics = ['revenue', 'orders_count', 'aov', 'refund_amount'];
  const [totals, series, products, recurring] = await Promise.all([
    asking.kpis(call, { ...query, metrics, compare: 'previous_period' }),
    asking.kpis(call, { ...query, metrics, granularity: GROUPS[groupBy] }),
    topProducts({ asking, call, span }, TOP_IN_REVENUE),
    businessEvents(asking, call, {
      to_ms: span.end_ms,
      types: ['subscription.started', 'subscription.changed', 'subscription.cancelled'],
    }),
  ]);
  const { now, before } = totalsOf(totals);
  const { byCurrency, left_out } = recurringRevenue(recurring, span.end_ms);
  if (left_out > 0) {
    asking.warn(
      `${left_out} subscriptions say no plan_amount, or an interval that is not known: mrr is without them.`,
    );
  }
  const currency = totals.currency ?? (byCurrency.size === 1 ? ([...byCurrency.keys()][0] ?? null) : null);
  const own = byCurrency.get(currency ?? '');
  const others = [...byCurrency].filter(([name]) => name !== currency);
  const timeSeries = (series.groups[0]?.buckets ?? []).map((bucket) => ({
    period: periodName(bucket.time, groupBy),
    ...{ revenue: bucket.revenue ?? 0, orders: bucket.orders_count ?? 0, refunds: bucket.refund_amount ?? 0 },
  }));
  return {
    json: {
      summary: {
        totalRevenue: now.revenue ?? 0,
        revenueGrowth: growthOf(now.revenue, before.revenue),
        ...{ mrr: own?.mrr ?? 0, arr: own?.arr ?? 0 },
        // Plans are in the currency that they are sold in, and are not converted.
        ...(others.length === 0
          ? {}
          : {
              mrrInOtherCurrencies: Object.fromEntries(
                others.map(([name, { mrr }]) => [name.toLowerCase(), mrr]),
              ),
            }),
        avgOrderValue: roundedOrNull(now.aov),
        currency: lower(currency),
      },
      timeSeries,
      byProduct: products.rows.map(({ productName, revenue, units }) => ({ productName, revenue, units })),
    },
    rows: timeSeries,
  };
}

const roundedOrNull = (value: number | null | undefined): number | null =>
  value === null || value === undefined ? null : Math.round(value);

async function topProducts(
  { asking, call, span: { query } }: Asked,
  limit: number,
): Promise<{ readonly currency: string | null; readonly rows: readonly Product[] }> {
  const metrics = ['revenue', 'units_sold', 'orders_count'];
  const asked = { ...query, metrics, group_by: ['sku'], order_by: { metric: 'revenue' }, limit: limit + 1 };
  const [top, all] = await Promise.all([
    asking.kpis(call, asked),
    asking.kpis(call, { ...query, metrics: ['revenue'] }),
  ]);
  const whole = totalsOf(all).now.revenue;
  const rows = top.groups.flatMap(({ key: { sku }, totals }): Product[] =>
    typeof sku === 'string' && (totals.orders_count ?? 0) > 0
      ? [
          {
            productName: sku,
            ...{
              revenue: totals.revenue ?? 0,
              units: totals.units_sold ?? 0,
              orders: totals.orders_count ?? 0,
            },
            share: shareOf(totals.revenue ?? 0, whole),
          },
        ]
      : [],
  );
  return { currency: top.currency, rows: rows.slice(0, limit) };
}

interface Product {
  readonly productName: string;
  readonly revenue: number;
  readonly units: number;
  readonly orders: number;
  readonly share: number | null;
}

async function productsReport(asked: Asked): Promise<Report> {
  const { currency, rows } = await topProducts(asked, TOP_PRODUCTS);
  return { json: { products: rows, currency: lower(currency) }, rows: rows.map((row) => ({ ...row })) };
}

/** Each by the name that a report is asked for with, and by the last part of its path. */
export const REPORTS = {
  revenue: revenueReport,
  sales: salesReport,
  products: productsReport,
  customers: customersReport,
  inventory: inventoryReport,
  hr: hrReport,
  support: supportReport,
  marketing: marketingReport,
} as const satisfies Readonly<Record<string, (asked: Asked) => Promise<Report>>>;
export type ReportType = keyof typeof REPORTS;
