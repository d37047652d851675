export { dialectRoutes } from './dialect-routes.ts';
export { OrderHooks } from './orders-hooks/index.ts';
