export { ecommerceRoutes } from './ecommerce-routes.ts';
