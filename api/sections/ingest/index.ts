export { bulkKind } from './bulk-job.ts';
export { bulkRoutes } from './bulk-routes.ts';
export { checkEvent, type EventCheck, subjectToken } from './event-check.ts';
export { checkAll, prepare, timeLimits } from './ingest-events.ts';
export { ingestRoutes } from './ingest-routes.ts';
export { Spool } from './spool.ts';
