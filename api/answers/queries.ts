import { type OrderQueries, orderQueries } from '../../analytics/index.ts';
import { analyticsSettings, type Settings } from '../../runtime/index.ts';

/** The kinds of query that the routes ask for. */
export function analyticsOf(settings: Pick<Settings, 'customDimensions' | 'allowedOutOfOrderness_ms'>): {
  readonly custom: readonly string[];
  readonly queries: OrderQueries;
} {
  const config = analyticsSettings(settings);
  return { custom: config.custom, queries: orderQueries(config) };
}
