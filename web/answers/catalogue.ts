import { type Answered, useAnswer } from '../api/index.ts';
import type { Options, Unit } from '../parts/index.ts';

/** A metric that can be asked for. */
export interface Metric {
  readonly name: string;
  readonly title: string;
  readonly description?: string;
  readonly unit: Unit | string;
  readonly isOwn: boolean;
}

interface Listed {
  readonly built_in: readonly {
    readonly name: string;
    readonly aliases?: readonly string[];
    readonly title: string;
    readonly description?: string;
    readonly unit: string;
  }[];
  readonly metrics: readonly { name: string; title?: string; description?: string; unit?: string }[];
}

/** The metrics of the tenant, those of its own too, by name. Empty while they come. */
export function useMetrics(): {
  readonly metrics: ReadonlyMap<string, Metric>;
  readonly answer: Answered<Listed>;
} {
  const answer = useAnswer<Listed>({ path: '/metrics-catalog', params: { limit: 200 } });
  const { built_in = [], metrics: own = [] } = answer.data ?? {};
  const all: Metric[] = [
    ...built_in.map((one) => ({ ...one, isOwn: false })),
    ...own.map(({ title, unit, ...one }) => ({
      ...one,
      title: title ?? one.name,
      unit: unit ?? 'number',
      isOwn: true,
    })),
  ];
  const named = all.map((one) => [one.name, one] as const);
  const metrics = new Map(named);
  // Definitions may have another name of a metric.
  for (const { name, aliases = [] } of built_in) {
    const one = metrics.get(name);
    for (const alias of one === undefined ? [] : aliases) metrics.set(alias, one as Metric);
  }
  return { metrics, answer };
}

/** As choices of a select. */
export const metricOptions = (metrics: ReadonlyMap<string, Metric>): Options =>
  [...metrics].filter(([name, one]) => name === one.name).map(([name, { title }]) => [name, title] as const);

/** Dimensions that every tenant has. */
const BUILT_IN: Options = [
  ['country', 'Country'],
  ['region', 'Region'],
  ['channel', 'Channel'],
  ['campaign', 'Campaign'],
  ['device', 'Device'],
  ['payment_method', 'Payment method'],
  ['sku', 'Product (SKU)'],
  ['category', 'Category'],
  ['voucher_code', 'Voucher'],
  ['currency', 'Currency'],
  ['source', 'Source'],
  ['customer_type', 'New or returning'],
];

/** Dimensions to group and filter by, the tenant's own after those that all have. */
export function useDimensions(): Options {
  const { data } = useAnswer<{ readonly dimensions: readonly { name: string }[] }>({
    path: '/dimensions',
    params: { limit: 200 },
  });
  return [...BUILT_IN, ...(data?.dimensions ?? []).map(({ name }) => [name, name] as const)];
}
