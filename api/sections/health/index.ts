export * from './diagnostics-routes.ts';
export { ErasedMessages, erasedKind, Gaps, resolutionKind } from './gap-resolution.ts';
export { gapRoutes } from './gap-routes.ts';
export { healthRoutes } from './health-routes.ts';
export * from './metrics-routes.ts';
export { positionRoute } from './position-route.ts';
