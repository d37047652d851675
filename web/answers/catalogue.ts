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
  readonly built_in: readonly { name: string; title: string; description?: string; unit: string }[];
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
  return { metrics: new Map(all.map((one) => [one.name, one])), answer };
}

/** As choices of a select. */
export const metricOptions = (metrics: ReadonlyMap<string, Metric>): Options =>
  [...metrics.values()].map(({ name, title }) => [name, title] as const);

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
