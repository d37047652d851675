export { dialectRoutes } from './dialect-routes.ts';
