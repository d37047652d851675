export { cohortKind, cohortRoutes } from './cohort-routes.ts';
