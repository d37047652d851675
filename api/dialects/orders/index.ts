export { type OrderApiParts, orderApiRoutes } from './order-api-routes.ts';
