export { eventRoutes } from './event-routes.ts';
export type { EventParts } from './event-search.ts';
