export { cubeKind, cubeRoutes } from './cube-routes.ts';
