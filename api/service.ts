import {
  AuditLog,
  Connectors,
  Definitions,
  Outbound,
  programVersion,
  rulesOf,
  WEBHOOKS,
} from '../runtime/index.ts';
import {
  authenticate,
  type Credentials,
  KeyRing,
  Roles,
  requirePermission,
  roleKind,
  TokenVerifier,
  tenantOf,
} from './access/index.ts';
import { type AnswerParts, maskFor, maskGroups, SegmentSets } from './answers/index.ts';
import {
  type App,
  type AppParts,
  addDashboard,
  addDocs,
  buildApp,
  Connections,
  HttpMetrics,
  openApiDocument,
  RateLimiter,
  requireQuota,
} from './app/index.ts';
import { dialectRoutes, OrderHooks } from './dialects/index.ts';
import {
  type ApiPorts,
  BodyBudget,
  Cursors,
  EventStreams,
  FreshnessTracker,
  Idempotency,
  type RawCall,
  type Route,
  StateLook,
} from './http/index.ts';
import { openJobs } from './open-jobs.ts';
import { AlertLog, AlertWatch, alertKind, alertSection } from './sections/alerts/index.ts';
import { anomalySection, CauseWatch, MARKS, ruleKind, StallWatch } from './sections/anomalies/index.ts';
import { archiveKind, archiveRoutes, archiveSchedule } from './sections/archive/index.ts';
import { attributionRoutes } from './sections/attribution/index.ts';
import { auditRoutes } from './sections/audit/index.ts';
import { catalogRoutes } from './sections/catalog/index.ts';
import { cohortKind, cohortRoutes } from './sections/cohorts/index.ts';
import {
  connectorRoutes,
  eventDoor,
  sampleAnswer,
  sampleOf,
  sampleRequest,
  webhookInRoute,
} from './sections/connectors/index.ts';
import { cubeKind, cubeRoutes } from './sections/cubes/index.ts';
import { ltvRoute, rfmRoute, segmentRoutes } from './sections/customers/index.ts';
import { DashboardSection } from './sections/dashboards/index.ts';
import { LetterReader, letterRoutes, resendKind } from './sections/dead-letters/index.ts';
import { dimensionRoutes } from './sections/dimensions/index.ts';
import { eraseKind, eraseRoute } from './sections/erasure/index.ts';
import { EventSearch, eventRoutes } from './sections/events/index.ts';
import { ExportMaking, exportRoutes, SeamChain } from './sections/exports/index.ts';
import { funnelDefinitionKind, funnelRoutes } from './sections/funnels/index.ts';
import {
  diagnosticsRoutes,
  ErasedMessages,
  erasedKind,
  Gaps,
  gapRoutes,
  healthRoutes,
  metricsRoutes,
  positionRoute,
  resolutionKind,
} from './sections/health/index.ts';
import { bulkRoutes, ingestRoutes } from './sections/ingest/index.ts';
import { backfillRoutes, generationRoutes, jobRoutes, rollupRoute } from './sections/jobs/index.ts';
import { callerRoutes, keyRoutes, roleRoutes, scopesOf } from './sections/keys/index.ts';
import { kpiRoutes } from './sections/kpis/index.ts';
import { ModelSection } from './sections/models/index.ts';
import { importKind } from './sections/order-imports/index.ts';
import { orderRoutes } from './sections/orders/index.ts';
import { ReportWatch, reportKind, reportRoutes } from './sections/reports/index.ts';
import { restatementsRoute } from './sections/restatements/index.ts';
import { fraudRoute, returnRoutes } from './sections/returns/index.ts';
import { SinkSection } from './sections/sinks/index.ts';
import { settingsRoutes } from './sections/tenant-settings/index.ts';
import { UPKEEP_REQUESTS, upkeepKinds, upkeepRoutes, upkeepSchedules } from './sections/upkeep/index.ts';
import { webhookRoutes } from './sections/webhooks/index.ts';
import { whatifRoute } from './sections/whatif/index.ts';
import { Tenants } from './tenants/index.ts';

export { bootstrapAdminKey } from './access/index.ts';
export { DASHBOARD_PATH, hasDashboard, serve } from './app/index.ts';
export { createTopologyApp } from './topology/index.ts';

/** Of the program: what is asked of it is in `/v1` of the path. */
const VERSION = programVersion();

export interface Api {
  /** For the settings of the state's current generation: to be asked for with each request. */
  readonly app: App;
  /** Every route of it, as it documents itself. */
  readonly routes: readonly Route[];
  /** The turns of the requests of a connection: for who serves it. */
  readonly connections: Connections;
  /** Ends what would be open for ever, so that the HTTP server can drain. */
  drain(): void;
  /** Gives back the running jobs and stops watching. Call it once the HTTP server has drained. */
  close(): Promise<void>;
}

/**
 * Builds the API: loads the keys, takes up interrupted
 * jobs. Needs the key-value buckets; the state may come later, answers are 503 until then.
 */
export async function createApp(given: ApiPorts): Promise<Api> {
  // Its getters stay: settings are those of the current generation.
  const ports: ApiPorts = Object.create(given, {
    fieldRules: { value: (tenant: string) => tenants.fields.rulesOf(tenant) },
  });
  const { settings, clock, log } = ports;
  const definitions = new Definitions({ store: ports.definitions, clock, log });
  const keys = new KeyRing(definitions, ports, settings.adminKey);
  const tenants = new Tenants(definitions, ports);
  const cohorts = definitions.kind(cohortKind(ports));
  const funnels = definitions.kind(funnelDefinitionKind(ports, tenants));
  const cubes = definitions.kind(cubeKind(ports));
  const rules = definitions.kind(ruleKind(ports, tenants));
  const marks = definitions.kind(MARKS);
  const upkeep = { ports, tenants, requests: definitions.kind(UPKEEP_REQUESTS) };
  const erased = new ErasedMessages(definitions.kind(erasedKind(ports.keyTrust)));
  const gaps = new Gaps(ports, definitions.kind(resolutionKind(ports.keyTrust)), erased);
  const webhooks = definitions.kind(WEBHOOKS);
  const connectors = new Connectors({
    ...ports.connectors,
    ...{ door: eventDoor(ports), secret: ports.keyTrust.secret, clock, log },
  });
  const connected = definitions.kind(connectors.kind);
  const alerts = definitions.kind(
    alertKind(
      ports,
      tenants,
      (tenant, channels) => outbound.requireChannels(tenant, channels),
      (tenant, channels) => outbound.sealed(tenant, channels),
    ),
  );
  const orderHooks = new OrderHooks(definitions, ports, () => outbound);
  const tracker = new FreshnessTracker(ports);
  const segmentSets = new SegmentSets();
  const answers: AnswerParts = { ports, tracker, tenants, segmentSets };
  const models = new ModelSection(definitions, answers);
  const boards = new DashboardSection(definitions, answers, () => current().routes);
  const reports = definitions.kind(reportKind(boards.saved, ports.outbound, boards.runs.families));
  const { families } = boards.runs;
  const sinking = new SinkSection(definitions, {
    ...{ ports, families, connectors: connected, secrets: connectors.secrets },
  });
  tenants.users.add(
    cohorts,
    funnels,
    cubes,
    rules,
    alerts,
    boards.saved,
    boards.dashboards,
    reports,
    sinking.sinks,
  );
  const custom = definitions.kind(roleKind(ports.keyTrust, (tenant, role) => keys.hasRole(tenant, role)));
  const roles = new Roles(custom);
  await definitions.open();
  tenants.fields.start();
  const cursors = Cursors.of(ports.keyTrust);
  const once = new Idempotency(ports.idempotency, clock);
  const metrics = new HttpMetrics();
  const look = new StateLook();
  const connections = new Connections(settings.pipelined_max_requests);
  const events = { answers, cursors, finder: () => ports.finder?.() };
  const search = new EventSearch(events);
  const { saved, runs } = boards;
  const exportParts = { answers, search, families, senders: ports.outbound };
  const exporting = new ExportMaking({ ...exportParts, runs, saved });
  const audit = new AuditLog({ queue: ports.audit, trust: ports.keyTrust, clock, log });
  const letters = new LetterReader(ports.deadLetters);
  const { jobs, spool } = await openJobs(ports, answers, exportParts, (files, spool) => [
    importKind({ ports, answers, spool, fields: () => tenants.fields }),
    models.jobKind,
    resendKind({ ports, reader: letters }),
    eraseKind({
      ...{ ports, tracker, erased },
      told: {
        mayHold: async (first, last) =>
          (await outbound.mayHold(first, last)) || (await orderHooks.mayHold(first, last)),
        withdraw: (tenant, notices) => outbound.withdraw(tenant, notices),
      },
    }),
    sinking.jobKind(exportParts, files),
    ...(ports.archive === undefined ? [] : [archiveKind({ port: ports.archive, clock, log: ports.log })]),
    ...upkeepKinds(upkeep),
  ]);
  const dependsOn = (tenant: string, metrics: readonly string[]): unknown => [
    ...[tenants.defaultsOf(tenant), tenants.metricsOf(tenant, metrics), ports.settings.customDimensions],
  ];
  const chain = new SeamChain({ ports, jobs, dependsOn });
  const reporting = new ReportWatch({ ports, reports, exporting, jobs, chain });
  const outbound = new Outbound({
    ports: ports.outbound,
    webhooks,
    orderWebhooks: orderHooks.webhooks,
    secret: ports.keyTrust.secret,
    clock,
    log,
  });
  const alertLog = new AlertLog(ports.outbound.deliveries);
  const { anomalies } = ports.outbound.sources;
  const alerting = new AlertWatch({ ports, alerts, outbound, log: alertLog, anomalies });
  const schedules = [archiveSchedule(ports, jobs), ...upkeepSchedules(upkeep, jobs)];
  const streams = new EventStreams();
  const making = { jobs, once };
  const { rateLimit: limit } = settings;
  const anomalyParts = { answers, tenants, rules, marks, cursors, making };
  const explaining = new CauseWatch({ anomalies: anomalyParts, found: anomalies });
  const limiter = new RateLimiter(limit);
  const budget = new BodyBudget(settings.bodies);
  const tokens = settings.jwt === undefined ? undefined : new TokenVerifier(settings.jwt, ports, roles);
  const door = eventDoor(ports);
  const samples = {
    ...{ request: sampleRequest, answer: sampleAnswer },
    of: (call: RawCall, bytes: Uint8Array) => sampleOf({ definitions: connected, door }, call, bytes),
  };
  const credentials: Credentials = { keys, roles, tokens };
  const build = (): Pick<Api, 'app' | 'routes'> => {
    const backfills = { making, port: ports.backfill, tenants, custom: ports.settings.customDimensions };
    const routes: Route[] = [
      ...ingestRoutes(ports, once, samples),
      ...bulkRoutes({ spool, jobs, once }),
      ...eventRoutes(events),
      ...letterRoutes({
        ...{ ...making, ports, cursors, reader: letters },
        isMasked: (call) => !search.maskOf(call).isEmpty,
        mappingOf: (tenant, id) => {
          const connector = connected.get(tenant, id);
          return connector === undefined ? undefined : rulesOf(connector.body.mapping);
        },
      }),
      ...kpiRoutes(answers, making),
      ...catalogRoutes(tenants, cursors),
      ...settingsRoutes(tenants, settings),
      ...dimensionRoutes(ports, tenants.dimensions, cursors),
      ...cubeRoutes(ports, cubes, cursors),
      ...exportRoutes({ ...making, answers, search, cursors, exporting }),
      ...sinking.routes(jobs, cursors),
      ...reportRoutes({ reports, reporting, jobs, cursors }),
      ...models.routes(making, cursors),
      whatifRoute(answers),
      ...backfillRoutes(backfills),
      ...generationRoutes(backfills),
      rollupRoute(backfills, ports),
      ...archiveRoutes({ making, port: ports.archive, settings: settings.archive, now: () => clock.now() }),
      ...upkeepRoutes({ ...upkeep, making }),
      ...jobRoutes({ jobs, cursors, streams, now: () => clock.now(), maskOf: (call) => search.maskOf(call) }),
      rfmRoute(answers, cursors),
      ltvRoute(answers, cursors),
      eraseRoute({ ...making, ports }),
      ...segmentRoutes(answers, tenants.segments, cursors),
      ...cohortRoutes(answers, cohorts, cursors),
      ...funnelRoutes(answers, funnels, cursors),
      ...attributionRoutes(answers),
      ...anomalySection(anomalyParts, streams),
      ...alertSection({ answers, tenants, alerts, rules, marks, outbound, log: alertLog, cursors }),
      ...keyRoutes({ keys, roles, cursors, clock, limit, scopesOf: (some) => scopesOf(routes, some) }),
      ...roleRoutes(custom, cursors),
      ...callerRoutes(limit),
      restatementsRoute(answers, cursors),
      ...orderRoutes(answers, cursors),
      ...returnRoutes(answers),
      fraudRoute(answers),
      ...webhookRoutes({ webhooks, outbound, cursors }),
      ...connectorRoutes({ connectors, definitions: connected, cursors }),
      webhookInRoute({
        ...{ ports, connectors, definitions: connected },
        admit: (id) => requireQuota(limiter.take(`connector ${id}`, clock.now())),
        requireKey: (request, tenant) => requireWriter(credentials, request, tenant),
      }),
      ...boards.routes(cursors),
      ...auditRoutes({ audit, cursors }),
      ...gapRoutes(ports, gaps),
      positionRoute(answers, streams),
      ...healthRoutes(ports, tracker, jobs, definitions, look, gaps, { connectors, models }),
      ...metricsRoutes(ports, metrics, () => [
        ...[
          ...jobs.samples(),
          ...streams.samples(),
          ...budget.samples(),
          ...spool.samples(),
          ...connections.samples(),
        ],
        ...[
          ...keys.samples(),
          ...segmentSets.samples(),
          ...tenants.dimensions.samples(),
          ...outbound.samples(),
          ...alerting.samples(),
          ...orderHooks.samples(),
          ...explaining.samples(),
          ...models.samples(),
          ...boards.runs.samples(),
          ...connectors.samples(),
          ...audit.samples(),
          ...(ports.archive?.samples() ?? []),
        ],
      ]),
      ...diagnosticsRoutes(answers, { jobs, spool }),
      ...orderHooks.routes(cursors, (call) => search.maskOf(call)),
      ...dialectRoutes({
        version: VERSION,
        routes: () => current().routes,
        defaultsOf: (tenant) => tenants.defaultsOf(tenant),
        now: () => clock.now(),
        requireAllowed: (principal, asked) => runs.families.requireAllowed(principal, asked),
        ...{ ports, fields: tenants.fields, cursors, jobs, spool, streams, once },
        currencyOf: (tenant) => tenants.defaultsOf(tenant)?.currency,
        isMasked: (call) => !search.maskOf(call).isEmpty,
      }),
    ];
    const requireDimensions = tenants.dimensions.require.bind(tenants.dimensions);
    // Groups of rules and alerts are values of dimensions; other answers mask by themselves, or are refused.
    const masked: AppParts['masked'] = ({ tag }, { principal, tenant }, json) =>
      tag === 'Anomalies' || tag === 'Alerts'
        ? maskGroups(maskFor(principal, tenants.maskedOf(tenant)), json)
        : json;
    const app = buildApp(
      ports,
      { credentials, limiter, audit, budget, metrics, look, requireDimensions, masked },
      routes,
    );
    addDocs(app, () => openApiDocument(routes, VERSION));
    addDashboard(app);
    return { app, routes };
  };
  // Names of dimensions are part of what routes take: another generation of the state may have others.
  let [built, dimensions] = [build(), settings.customDimensions];
  const current = (): Pick<Api, 'app' | 'routes'> => {
    const { customDimensions } = ports.settings;
    if (customDimensions !== dimensions) [built, dimensions] = [build(), customDimensions];
    return built;
  };
  const stalls = new StallWatch(ports, () => [...new Set([...rules.tenants(), ...alerts.tenants()])]);
  stalls.start();
  jobs.start();
  outbound.start();
  alerting.start();
  orderHooks.start();
  reporting.start();
  models.start(jobs);
  sinking.start(exporting, jobs, chain);
  explaining.start();
  for (const schedule of schedules) schedule.start();
  await connectors.start(connected);
  tenants.dimensions.start(() => definitions.readAgain());
  return {
    get app() {
      return current().app;
    },
    get routes() {
      return current().routes;
    },
    connections,
    drain: () => streams.close(),
    close: async () => {
      streams.close();
      await stalls.close();
      tracker.close();
      tenants.dimensions.close();
      for (const schedule of schedules) await schedule.close();
      await connectors.close();
      await reporting.close();
      await models.close();
      await sinking.close();
      await jobs.close();
      await alerting.close();
      await orderHooks.close();
      await explaining.close();
      await outbound.close();
      await definitions.close();
      await audit.close();
    },
  };
}

/** 401 or 403 unless a request has a key that may write events of the tenant. */
async function requireWriter(credentials: Credentials, request: Request, tenant: string): Promise<void> {
  const principal = await authenticate(credentials, request);
  tenantOf(principal, request, tenant);
  requirePermission(principal, { permission: 'events:write', path: '/ingest' });
}
