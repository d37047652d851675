export { BULK_JOB, bulkRoutes, bulkRunner } from './bulk-routes.ts';
export { subjectToken } from './event-check.ts';
export { positionOf } from './ingest-events.ts';
export { ingestRoutes } from './ingest-routes.ts';
export { Spool } from './spool.ts';
