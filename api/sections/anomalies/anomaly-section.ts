import type { EventStreams, Route } from '../../http/index.ts';
import { causeRoute } from './cause-route.ts';
import { anomalyRoutes, historyRoutes } from './history-routes.ts';
import { type AnomalyParts, ruleRoutes } from './rule-routes.ts';
import { scanRoutes } from './scan-routes.ts';
import { streamRoute } from './stream-route.ts';

/** Section 8: rules, what they found, and what they would have. */
export function anomalySection(parts: AnomalyParts, streams: EventStreams): readonly Route[] {
  return [
    ...ruleRoutes(parts),
    ...historyRoutes(parts),
    ...scanRoutes(parts),
    causeRoute(parts),
    streamRoute(parts, streams),
    ...anomalyRoutes(parts),
  ];
}
