import { join } from 'node:path';
import type { AnswerParts } from './answer-meta.ts';
import { type App, buildApp } from './app.ts';
import { BodyBudget } from './body.ts';
import { BULK_JOB, bulkRoutes, bulkRunner } from './bulk.ts';
import { Cursors } from './cursor.ts';
import { diagnosticsRoutes } from './diagnostics.ts';
import { addDocs } from './docs.ts';
import { FreshnessTracker } from './freshness.ts';
import { healthRoutes } from './health.ts';
import { HttpMetrics } from './http-metrics.ts';
import { Idempotency } from './idempotency.ts';
import { ingestRoutes } from './ingest.ts';
import { JobManager } from './job-manager.ts';
import { JobStore } from './job-store.ts';
import { jobRoutes } from './jobs.ts';
import { KeyRing } from './key-ring.ts';
import { keyRoutes } from './keys.ts';
import { kpiRoutes } from './kpis.ts';
import { metricsRoutes } from './metrics.ts';
import { openApiDocument } from './openapi.ts';
import type { ApiPorts } from './ports.ts';
import { RateLimiter } from './rate-limit.ts';
import type { Route } from './route.ts';
import { Spool } from './spool.ts';
import { TokenVerifier } from './token-verifier.ts';

export { bootstrapAdminKey } from './key-ring.ts';
export { serve } from './serve.ts';

export const API_VERSION = '1.0.0';

export interface Api {
  readonly app: App;
  /** Every route, as it documents itself. */
  readonly routes: readonly Route[];
  /** Interrupts the running job and stops watching. Call it once the HTTP server has drained. */
  close(): Promise<void>;
}

/**
 * Builds the API: loads the keys, makes the cursors' secret on the first start, takes up interrupted
 * jobs. Needs the key-value buckets; the state may come later, answers are 503 until then.
 */
export async function createApp(ports: ApiPorts): Promise<Api> {
  const { settings, clock, log, events } = ports;
  const keys = new KeyRing(ports);
  await keys.open();
  const cursors = await Cursors.open(ports.keys);
  const once = new Idempotency(ports.idempotency, clock);
  const spool = new Spool(join(settings.dataDir, 'spool'), settings.bulk);
  const store = new JobStore(join(settings.dataDir, 'jobs'), log);
  const jobs = new JobManager({ store, clock, log, queued_max: settings.bulk.queued_jobs_max });
  jobs.register(BULK_JOB, bulkRunner({ spool, events, clock, log }));
  await jobs.load();
  await spool.open(jobs.unfinished());
  const tracker = new FreshnessTracker(ports);
  const metrics = new HttpMetrics();
  const answers: AnswerParts = { ports, tracker };
  const routes = [
    ...ingestRoutes(events, once, clock),
    ...bulkRoutes({ spool, jobs, once }),
    ...kpiRoutes(answers),
    ...jobRoutes(jobs, cursors),
    ...keyRoutes(keys, cursors, clock),
    ...healthRoutes(ports, jobs),
    ...metricsRoutes(ports, metrics),
    ...diagnosticsRoutes(ports, { tracker, jobs, spool }),
  ];
  const limiter = new RateLimiter(settings.rateLimit);
  const budget = new BodyBudget(settings.inflightBody_bytes);
  const tokens = settings.jwt === undefined ? undefined : new TokenVerifier(settings.jwt, ports);
  const app = buildApp(ports, { credentials: { keys, tokens }, limiter, budget, metrics }, routes);
  addDocs(app, () => openApiDocument(routes, API_VERSION), API_VERSION);
  jobs.start();
  return {
    app,
    routes,
    close: async () => {
      tracker.close();
      await jobs.close();
      await keys.close();
    },
  };
}
