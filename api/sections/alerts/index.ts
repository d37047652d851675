import type { Route } from '../../http/index.ts';
import { type AlertParts, alertRoutes } from './alert-routes.ts';
import { previewRoute } from './preview-route.ts';

export { type AlertBody, alertKind } from './alert-kind.ts';
export { AlertLog } from './alert-log.ts';
export { AlertWatch } from './alert-watch.ts';

/** Alerts: what is told of anomalies and thresholds, to whom, and what would have been. */
export const alertSection = (parts: AlertParts): readonly Route[] => [
  previewRoute(parts),
  ...alertRoutes(parts),
];
