export { eraseKind } from './erase-job.ts';
export { eraseRoute } from './erase-route.ts';
