export { orderApiRoutes } from './order-api-routes.ts';
