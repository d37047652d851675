import { type AnalyticsSettings, type OrderQueries, orderQueries } from '../../analytics/index.ts';
import type { Settings } from '../../runtime/index.ts';

/** What the kinds of query are told: plain data, the same in every thread. */
export function analyticsSettings({
  customDimensions,
}: Pick<Settings, 'customDimensions'>): AnalyticsSettings {
  return { custom: customDimensions };
}

/** The kinds of query that the routes ask for. */
export function analyticsOf(settings: Pick<Settings, 'customDimensions'>): {
  readonly custom: readonly string[];
  readonly queries: OrderQueries;
} {
  const config = analyticsSettings(settings);
  return { custom: config.custom, queries: orderQueries(config) };
}
