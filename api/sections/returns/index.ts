export { fraudRoute } from './fraud-route.ts';
export { returnRoutes } from './return-routes.ts';
