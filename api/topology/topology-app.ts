import { createHash, randomUUID, timingSafeEqual } from 'node:crypto';
import { type Context, Hono } from 'hono';
import type { Logger } from 'pino';
import { toJsonText } from '../../analytics/index.ts';
import {
  type GatheredAnswer,
  type KvReader,
  META_TABLE,
  type MetricSample,
  type PartRequest,
  type RefusedQuery,
  readProgress,
  type SupervisedState,
  type TableSize,
  type Topology,
} from '../../engine/index.ts';
import { type Cause, PROMETHEUS_TYPE } from '../../runtime/index.ts';
import { addDashboard, DASHBOARD_PATH, HttpMetrics } from '../app/index.ts';
import {
  ApiError,
  Cursors,
  operatorStates,
  PROBLEM_TYPE,
  problemOf,
  timeText,
  timeTextOrNull,
} from '../http/index.ts';
import { gatherTable } from './gathered-table.ts';
import { tableParamsOf } from './table-query.ts';
import { type Asked, answerTable, type ServedTable, servedTables, type TableAnswer } from './tables.ts';

/** What the HTTP server of a topology needs of the process that runs it. */
export interface TopologyPorts {
  readonly topology: Topology;
  readonly log: Logger;
  /** Everything but the health asks for it as a bearer token; undefined: nothing does. */
  readonly token: string | undefined;
  /** The committed states that this process has: one, or those of its tasks. */
  readers(): readonly KvReader[];
  /** Answers from all partitions, whichever process has them; undefined: there is one state. */
  readonly ask?: (request: PartRequest, timeout_ms?: number) => Promise<GatheredAnswer | RefusedQuery>;
  metrics(): readonly MetricSample[];
  /** How the task stands. */
  status(): {
    readonly state: SupervisedState;
    readonly error?: { readonly code: string; readonly message: string };
  };
  connected(): boolean;
  why(): Promise<readonly Cause[]>;
}

interface Variables {
  request_id: string;
  route: string;
}
type TopologyContext = Context<{ Variables: Variables }>;

const REQUEST_ID = /^[A-Za-z0-9._-]{1,128}$/;
const MAX_TRACEPARENT_CHARS = 128;
const JSON_TYPE = 'application/json; charset=utf-8';
const QUIET_ROUTES: ReadonlySet<string> = new Set(['/health', '/metrics']);
const METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']);

/** Serves health, metrics, and read-only queries of the tables of a topology of one's own. */
export function createTopologyApp(ports: TopologyPorts): Hono<{ Variables: Variables }> {
  const app = new Hono<{ Variables: Variables }>();
  const metrics = new HttpMetrics();
  const tables = new Map(servedTables(ports.topology).map((table) => [table.name, table]));
  const secret = createHash('sha256').update(`cursors of ${ports.topology.name}`).digest();
  const cursors = new Cursors(secret);
  app.use('*', observe(ports, metrics));
  app.use('*', authorise(ports.token));
  app.onError((error, context) => failure(ports, context, error));
  app.notFound((context) => failure(ports, context, noRoute(context)));
  get(app, '/', () => json({ topology: ports.topology.name, routes: ROUTES }));
  get(app, '/health', () => health(ports));
  get(app, '/metrics', async () => {
    return new Response(await metrics.text(ports.metrics()), {
      headers: { 'Content-Type': PROMETHEUS_TYPE },
    });
  });
  get(app, '/topology', () => {
    return json({ ...ports.topology.describe(), mermaid: ports.topology.draw() });
  });
  get(app, '/operators', () => json(operators(ports)));
  get(app, '/tables', () => json({ tables: [...tables.values()].map(shown) }));
  get(app, '/tables/:name', async (context) => {
    const table = tableOf(tables, context.req.param('name') ?? '');
    const params = tableParamsOf(new URL(context.req.url).searchParams);
    const { found, json: body } = await answerOf(ports, { table, params, cursors });
    if (!found) throw new ApiError('not_found', `The table "${table.name}" has no row of this key.`);
    return json(body);
  });
  addDashboard(app, 'topology');
  return app;
}

const ROUTES = ['/health', '/metrics', '/topology', '/operators', '/tables', '/tables/{name}'];

function get(
  app: Hono<{ Variables: Variables }>,
  path: string,
  handle: (context: TopologyContext) => Response | Promise<Response>,
): void {
  app.get(path, (context) => {
    context.set('route', path.replaceAll(/:(\w+)/g, '{$1}'));
    return handle(context);
  });
}

function json(value: unknown, status = 200): Response {
  return new Response(toJsonText(value), {
    status,
    headers: { 'Content-Type': JSON_TYPE, 'Cache-Control': 'no-store' },
  });
}

const shown = ({ name, id, by }: ServedTable) => ({
  name,
  id,
  by,
  queries: by === 'key' ? ['key', 'range', 'prefix'] : ['window', 'windows'],
});

function tableOf(tables: ReadonlyMap<string, ServedTable>, name: string): ServedTable {
  const table = tables.get(name);
  if (table !== undefined) return table;
  const known = [...tables.keys()].join(', ') || 'none';
  throw new ApiError('not_found', `There is no table "${name}"; there are: ${known}.`);
}

async function health(ports: TopologyPorts): Promise<Response> {
  const { state, error } = ports.status();
  const why = await ports.why();
  const status =
    state === 'failed' ? 'failed' : state === 'running' && ports.connected() ? 'ok' : whileNot(state);
  const body = {
    status,
    time: timeText(Date.now()),
    topology: ports.topology.name,
    task: { state, ...(error === undefined ? {} : { code: error.code, message: error.message }) },
    nats: { connected: ports.connected() },
    notices: noticesOf(ports.readers()),
    why,
  };
  return json(body, status === 'ok' ? 200 : 503);
}

/** How each operator stands, as of the last commit. */
function operators({ topology, ...ports }: TopologyPorts) {
  const readers = ports.readers();
  const samples = ports.metrics();
  const watermarks = readers.map(
    (reader) => reader.snapshot((table) => readProgress(table(META_TABLE)))?.watermark_ms ?? null,
  );
  const lags = samples.filter(({ name }) => name === 'millrace.task.lag').map(({ value }) => value);
  return {
    time: timeText(Date.now()),
    watermark: timeTextOrNull(leastOf(watermarks)),
    lag: lags.length === 0 ? null : Math.max(...lags),
    operators: operatorStates(topology.describe(), samples, sizesOf(readers)),
  };
}

/** What was not simply processed, since the state was made, by kind. */
function noticesOf(readers: readonly KvReader[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const reader of readers) {
    const progress = reader.snapshot((table) => readProgress(table(META_TABLE)));
    for (const kinds of Object.values(progress?.notices ?? {})) {
      for (const [kind, count] of Object.entries(kinds)) counts[kind] = (counts[kind] ?? 0) + count;
    }
  }
  return counts;
}

/** Null where one has none. */
function leastOf(watermarks: readonly (number | null)[]): number | null {
  const least = Math.min(...watermarks.map((time_ms) => time_ms ?? Number.NEGATIVE_INFINITY));
  return Number.isFinite(least) ? least : null;
}

/** The tables of all states together. */
function sizesOf(readers: readonly KvReader[]): ReadonlyMap<string, TableSize> {
  const sizes = new Map<string, TableSize>();
  for (const reader of readers) {
    for (const [table, { rows, size_bytes }] of reader.tableSizes?.() ?? []) {
      const before = sizes.get(table) ?? { rows: 0, size_bytes: 0 };
      sizes.set(table, { rows: before.rows + rows, size_bytes: before.size_bytes + size_bytes });
    }
  }
  return sizes;
}

async function answerOf(ports: TopologyPorts, asked: Omit<Asked, 'reader'>): Promise<TableAnswer> {
  if (ports.ask !== undefined) return await gatherTable({ ...asked, ask: ports.ask });
  const [reader] = ports.readers();
  if (reader === undefined)
    throw new ApiError('state_not_ready', 'There is no state yet.', { retryAfter_s: 1 });
  return await answerTable({ ...asked, reader });
}

const whileNot = (state: SupervisedState): string => (state === 'starting' ? 'starting' : 'degraded');

function observe({ log }: TopologyPorts, metrics: HttpMetrics) {
  return async (context: TopologyContext, next: () => Promise<void>): Promise<void> => {
    const end = metrics.begin();
    const given = context.req.header('x-request-id') ?? '';
    const request_id = REQUEST_ID.test(given) ? given : randomUUID();
    context.set('request_id', request_id);
    context.set('route', 'none');
    await next();
    const { status } = context.res;
    const route = context.get('route');
    const method = METHODS.has(context.req.method) ? context.req.method : 'other';
    const ms = Math.round(end(route, method, status) * 100) / 100;
    context.header('X-Request-Id', request_id);
    context.header('X-Content-Type-Options', 'nosniff');
    const level = QUIET_ROUTES.has(route) && status < 400 ? 'debug' : 'info';
    const traceparent = context.req.header('traceparent')?.slice(0, MAX_TRACEPARENT_CHARS);
    log[level](
      { request_id, traceparent, method, path: context.req.path.slice(0, 512), route, status, ms },
      'request',
    );
  };
}

function authorise(token: string | undefined) {
  const wanted = token === undefined ? undefined : hash(`Bearer ${token}`);
  return async (context: TopologyContext, next: () => Promise<void>): Promise<void> => {
    // Probes have no secrets.
    const { path } = context.req;
    // Nor has the dashboard: what it shows is asked for with the token.
    const isPage = path === DASHBOARD_PATH || path.startsWith(`${DASHBOARD_PATH}/`);
    const isOpen = wanted === undefined || path === '/health' || isPage;
    if (!isOpen && !timingSafeEqual(hash(context.req.header('authorization') ?? ''), wanted)) {
      throw new ApiError('unauthorized', 'Send the token of HTTP_TOKEN: "Authorization: Bearer TOKEN".', {
        headers: { 'WWW-Authenticate': 'Bearer' },
      });
    }
    await next();
  };
}

const hash = (text: string): Buffer => createHash('sha256').update(text).digest();

function noRoute({ req }: TopologyContext): ApiError {
  return METHODS.has(req.method) && req.method !== 'GET' && req.method !== 'HEAD'
    ? new ApiError('method_not_allowed', 'This server only reads: it takes GET and HEAD.', {
        headers: { Allow: 'GET, HEAD' },
      })
    : new ApiError('route_not_found', `There is nothing at this path. There is: ${ROUTES.join(', ')}.`);
}

function failure({ log }: TopologyPorts, context: TopologyContext, thrown: unknown): Response {
  const request_id = context.get('request_id');
  const { problem, headers, fault } = problemOf(thrown, request_id);
  if (fault !== undefined) log.error({ request_id, err: fault }, `request failed: ${fault.code}`);
  return new Response(toJsonText(problem), {
    status: problem.status,
    headers: { 'Content-Type': PROBLEM_TYPE, 'Cache-Control': 'no-store', ...headers },
  });
}
