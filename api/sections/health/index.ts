export * from './diagnostics-routes.ts';
export { gapRoute } from './gap-routes.ts';
export { healthRoutes } from './health-routes.ts';
export * from './metrics-routes.ts';
