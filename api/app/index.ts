export { type App, type AppParts, buildApp } from './app.ts';
export { Connections } from './connections.ts';
export * from './docs.ts';
export { HttpMetrics } from './http-metrics.ts';
export * from './openapi.ts';
export * from './rate-limit.ts';
export { type RunningServer, serve } from './serve.ts';
export { addDashboard, DASHBOARD_PATH, hasDashboard } from './web.ts';
