export { keyRoutes } from './key-routes.ts';
export * from './role-routes.ts';
