import { join } from 'node:path';
import { Definitions } from '../runtime/index.ts';
import { KeyRing, TokenVerifier } from './access/index.ts';
import type { AnswerParts } from './answers/index.ts';
import { type App, addDocs, buildApp, HttpMetrics, openApiDocument, RateLimiter } from './app/index.ts';
import {
  type ApiPorts,
  BodyBudget,
  Cursors,
  FreshnessTracker,
  Idempotency,
  type Route,
} from './http/index.ts';
import { attributionRoutes } from './sections/attribution/index.ts';
import { rfmRoute } from './sections/customers/index.ts';
import { eventRoutes } from './sections/events/index.ts';
import { diagnosticsRoutes, healthRoutes, metricsRoutes } from './sections/health/index.ts';
import { BULK_JOB, bulkRoutes, bulkRunner, ingestRoutes, Spool } from './sections/ingest/index.ts';
import { JobManager, JobStore, jobRoutes } from './sections/jobs/index.ts';
import { keyRoutes } from './sections/keys/index.ts';
import { kpiRoutes } from './sections/kpis/index.ts';

export { bootstrapAdminKey } from './access/index.ts';
export { serve } from './app/index.ts';

export const API_VERSION = '1.0.0';

export interface Api {
  /** For the settings of the state's current generation: to be asked for with each request. */
  readonly app: App;
  /** Every route of it, as it documents itself. */
  readonly routes: readonly Route[];
  /** Interrupts the running job and stops watching. Call it once the HTTP server has drained. */
  close(): Promise<void>;
}

/**
 * Builds the API: loads the keys, makes the cursors' secret on the first start, takes up interrupted
 * jobs. Needs the key-value buckets; the state may come later, answers are 503 until then.
 */
export async function createApp(ports: ApiPorts): Promise<Api> {
  const { settings, clock, log } = ports;
  const keys = new KeyRing(ports);
  await keys.open();
  const definitions = new Definitions({ store: ports.definitions, clock, log });
  await definitions.open();
  const cursors = await Cursors.open(ports.keys);
  const once = new Idempotency(ports.idempotency, clock);
  const spool = new Spool(join(settings.dataDir, 'spool'), settings.bulk);
  const store = new JobStore(join(settings.dataDir, 'jobs'), log);
  const jobs = new JobManager({ store, clock, log, queued_max: settings.bulk.queued_jobs_max });
  jobs.register(BULK_JOB, bulkRunner({ spool, ports }));
  await jobs.load();
  await spool.open(jobs.unfinished());
  const tracker = new FreshnessTracker(ports);
  const metrics = new HttpMetrics();
  const answers: AnswerParts = { ports, tracker };
  const limiter = new RateLimiter(settings.rateLimit);
  const budget = new BodyBudget(settings.inflightBody_bytes);
  const tokens = settings.jwt === undefined ? undefined : new TokenVerifier(settings.jwt, ports);
  const build = (): Pick<Api, 'app' | 'routes'> => {
    const routes = [
      ...ingestRoutes(ports, once),
      ...bulkRoutes({ spool, jobs, once }),
      ...eventRoutes({ answers, cursors, finder: () => ports.finder?.() }),
      ...kpiRoutes(answers),
      rfmRoute(answers, cursors),
      ...attributionRoutes(answers),
      ...jobRoutes(jobs, cursors),
      ...keyRoutes(keys, cursors, clock),
      ...healthRoutes(ports, jobs, definitions),
      ...metricsRoutes(ports, metrics),
      ...diagnosticsRoutes(answers, { jobs, spool }),
    ];
    const app = buildApp(ports, { credentials: { keys, tokens }, limiter, budget, metrics }, routes);
    addDocs(app, () => openApiDocument(routes, API_VERSION), API_VERSION);
    return { app, routes };
  };
  // Names of dimensions are part of what routes take: another generation of the state may have others.
  let [built, dimensions] = [build(), settings.customDimensions];
  const current = (): Pick<Api, 'app' | 'routes'> => {
    const { customDimensions } = ports.settings;
    if (customDimensions !== dimensions) [built, dimensions] = [build(), customDimensions];
    return built;
  };
  jobs.start();
  return {
    get app() {
      return current().app;
    },
    get routes() {
      return current().routes;
    },
    close: async () => {
      tracker.close();
      await jobs.close();
      await keys.close();
      await definitions.close();
    },
  };
}
