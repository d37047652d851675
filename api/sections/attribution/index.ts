export { attributionRoutes } from './attribution-routes.ts';
