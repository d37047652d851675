export { UPKEEP_REQUESTS } from './upkeep-request.ts';
export { upkeepRoutes } from './upkeep-routes.ts';
export { upkeepKinds, upkeepSchedules } from './upkeep-schedules.ts';
