import { join } from 'node:path';
import { adoptEarlierJobs, Definitions, diskIdOf, JobFiles, Jobs } from '../runtime/index.ts';
import { KeyRing, TokenVerifier } from './access/index.ts';
import type { AnswerParts } from './answers/index.ts';
import { type App, addDocs, buildApp, HttpMetrics, openApiDocument, RateLimiter } from './app/index.ts';
import {
  type ApiPorts,
  BodyBudget,
  Cursors,
  EventStreams,
  FreshnessTracker,
  Idempotency,
  type Route,
} from './http/index.ts';
import { attributionRoutes } from './sections/attribution/index.ts';
import { cohortKind, cohortRoutes } from './sections/cohorts/index.ts';
import { rfmRoute } from './sections/customers/index.ts';
import { EventSearch, eventRoutes } from './sections/events/index.ts';
import { exportKind, exportRoutes } from './sections/exports/index.ts';
import { funnelDefinitionKind, funnelRoutes } from './sections/funnels/index.ts';
import { diagnosticsRoutes, healthRoutes, metricsRoutes } from './sections/health/index.ts';
import { bulkKind, bulkRoutes, ingestRoutes, Spool } from './sections/ingest/index.ts';
import { backfillKind, backfillRoutes, jobRoutes } from './sections/jobs/index.ts';
import { keyRoutes } from './sections/keys/index.ts';
import { kpiRoutes, queryKind } from './sections/kpis/index.ts';

export { bootstrapAdminKey } from './access/index.ts';
export { serve } from './app/index.ts';
export { createTopologyApp } from './topology/index.ts';

export const API_VERSION = '1.0.0';

export interface Api {
  readonly app: App;
  /** Every route, as it documents itself. */
  readonly routes: readonly Route[];
  /** Ends what would be open for ever, so that the HTTP server can drain. */
  drain(): void;
  /** Gives back the running jobs and stops watching. Call it once the HTTP server has drained. */
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
  const cohorts = definitions.kind(cohortKind(settings.customDimensions));
  const funnels = definitions.kind(funnelDefinitionKind(settings.customDimensions));
  await definitions.open();
  const cursors = await Cursors.open(ports.keys);
  const once = new Idempotency(ports.idempotency, clock);
  const tracker = new FreshnessTracker(ports);
  const metrics = new HttpMetrics();
  const answers: AnswerParts = { ports, tracker };
  const events = { answers, cursors, finder: () => ports.finder?.() };
  const search = new EventSearch(events);
  const { jobs, spool } = await openJobs(ports, answers, search);
  const streams = new EventStreams();
  const making = { jobs, once };
  const routes = [
    ...ingestRoutes(ports, once),
    ...bulkRoutes({ spool, jobs, once }),
    ...eventRoutes(events),
    ...kpiRoutes(answers, making),
    ...exportRoutes({ ...making, answers, search, cursors }),
    ...backfillRoutes(making, ports.backfill),
    ...jobRoutes({ jobs, cursors, streams, now: () => clock.now() }),
    rfmRoute(answers, cursors),
    ...cohortRoutes(answers, cohorts, cursors),
    ...funnelRoutes(answers, funnels, cursors),
    ...attributionRoutes(answers),
    ...keyRoutes(keys, cursors, clock),
    ...healthRoutes(ports, jobs, definitions),
    ...metricsRoutes(ports, metrics, () => [...jobs.samples(), ...streams.samples()]),
    ...diagnosticsRoutes(answers, { jobs, spool }),
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
    drain: () => streams.close(),
    close: async () => {
      streams.close();
      tracker.close();
      await jobs.close();
      await keys.close();
      await definitions.close();
    },
  };
}

/** Opens the jobs with all their kinds, and what an earlier version left of its own. */
async function openJobs(
  ports: ApiPorts,
  answers: AnswerParts,
  search: EventSearch,
): Promise<{ readonly jobs: Jobs; readonly spool: Spool }> {
  const { settings, clock, log, backfill } = ports;
  const { dataDir } = settings;
  const files = new JobFiles(join(dataDir, 'job-files'), await diskIdOf(dataDir), settings.jobs);
  await files.open();
  const spool = new Spool(join(dataDir, 'spool'), settings.bulk);
  const jobs = new Jobs({ ...ports.jobs, files, clock, log, queued_max: settings.jobs.queued_max });
  const bulk = bulkKind({ spool, ports });
  const kinds = [bulk, exportKind({ answers, search, files }), queryKind(answers, files)];
  for (const kind of backfill === undefined ? kinds : [...kinds, backfillKind(backfill)]) jobs.register(kind);
  await jobs.open();
  await adoptEarlierJobs(join(dataDir, 'jobs'), jobs, { errors: ports.jobs.errors, lane: bulk.lane, log });
  await spool.open(jobs.unfinished());
  return { jobs, spool };
}
