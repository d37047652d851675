export { dimensionRoutes } from './dimension-routes.ts';
