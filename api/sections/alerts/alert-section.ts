import type { Route } from '../../http/index.ts';
import { type AlertParts, alertRoutes } from './alert-routes.ts';
import { previewRoute } from './preview-route.ts';

/** Alerts: what is told of anomalies and thresholds, to whom, and what would have been. */
export const alertSection = (parts: AlertParts): readonly Route[] => [
  previewRoute(parts),
  ...alertRoutes(parts),
];
