import { randomUUID } from 'node:crypto';
import { type Context, Hono } from 'hono';
import { toJsonText } from '../../analytics/index.ts';
import { traceOf } from '../../engine/index.ts';
import type { AuditLog } from '../../runtime/index.ts';
import { ANONYMOUS, authenticate, type Credentials, requirePermission, tenantOf } from '../access/index.ts';
import {
  type Answer,
  ApiError,
  type ApiPorts,
  type BodyBudget,
  BodyLease,
  type Face,
  type Permission,
  PROBLEM_TYPE,
  problemOf,
  type RawCall,
  type Route,
  type StateLook,
} from '../http/index.ts';
import { audited } from './audit-request.ts';
import type { HttpMetrics } from './http-metrics.ts';
import { type Quota, type RateLimiter, rateLimitHeaders, requireQuota } from './rate-limit.ts';

/** Where the routes lie: the tenant of the caller or of `X-Tenant-ID`, and the tenant of the path. */
export const BASES = ['/v1/order-analytics', '/v1/{tenantId}/order-analytics'] as const;

export interface AppParts {
  readonly credentials: Credentials;
  readonly limiter: RateLimiter;
  readonly audit: AuditLog;
  readonly budget: BodyBudget;
  readonly metrics: HttpMetrics;
  /** Remembers damage of the state that a request met. */
  readonly look: StateLook;
  /** The JSON of an answer as its caller may see it. */
  readonly masked?: (route: Route, who: Pick<RawCall, 'principal' | 'tenant'>, json: unknown) => unknown;
  /** Refuses a body that names dimensions which the tenant cannot use; throws ApiError. */
  readonly requireDimensions?: (tenant: string, body: unknown) => void;
}

/** What the middleware leaves for the log. */
interface Variables {
  request_id: string;
  route: string;
  tenant: string;
  key_id: string;
  quota: Quota;
  face: Face;
}
/** What the server of Node hands on with a request. */
interface Bindings {
  readonly incoming?: { readonly socket?: { readonly remoteAddress?: string } };
}
export type App = Hono<{ Variables: Variables; Bindings: Bindings }>;
type AppContext = Context<{ Variables: Variables; Bindings: Bindings }>;

/** Bodies of routes with these permissions are queries and definitions; others may be events, with any members. */
const NAMES_DIMENSIONS: ReadonlySet<string> = new Set([
  'kpis:read',
  'exports:create',
  'definitions:write',
] satisfies readonly Permission[]);
const REQUEST_ID = /^[A-Za-z0-9._-]{1,128}$/;
const JSON_TYPE = 'application/json; charset=utf-8';

/** The Hono app: every route under both bases, with authentication, limits, errors, log and metrics. */
export function buildApp(ports: ApiPorts, parts: AppParts, routes: readonly Route[]): App {
  const app: App = new Hono();
  app.use('*', observe(ports, parts.metrics));
  app.onError((error, context) => failure(ports, parts, context, error));
  for (const route of routes) {
    for (const base of basesOf(route)) {
      app.on(route.method, honoPath(base + route.path), (context) => serve(ports, parts, route, context));
    }
  }
  const methods = methodTable(app);
  const faces = [...new Set(routes.flatMap(({ face }) => face ?? []))];
  app.notFound((context) => {
    const face = faces.find(({ base }) => base !== '' && context.req.path.startsWith(`${base}/`));
    if (face !== undefined) context.set('face', face);
    return failure(ports, parts, context, noRoute(methods(), context));
  });
  return app;
}

/** What may stand before the path of a route. */
export function basesOf({ face }: Pick<Route, 'face'>): readonly string[] {
  return face === undefined ? BASES : [face.base];
}

/** Where a request came from, as the server of Node says; null in tests, which have none. */
function addressOf(context: AppContext): string | null {
  return context.env?.incoming?.socket?.remoteAddress ?? null;
}

function honoPath(path: string): string {
  return path.replaceAll(/\{(\w+)\}/g, ':$1');
}

function observe(ports: ApiPorts, metrics: HttpMetrics) {
  return async (context: AppContext, next: () => Promise<void>): Promise<void> => {
    const end = metrics.begin();
    const given = context.req.header('x-request-id') ?? '';
    const request_id = REQUEST_ID.test(given) ? given : randomUUID();
    context.set('request_id', request_id);
    context.set('route', 'none');
    await next();
    const { status } = context.res;
    const method = KNOWN_METHODS.has(context.req.method) ? context.req.method : 'other';
    const ms = end(context.get('route'), method, status);
    context.header('X-Request-Id', request_id);
    context.header('X-Content-Type-Options', 'nosniff');
    const quota = context.get('quota') as Quota | undefined;
    for (const [name, text] of quota === undefined ? [] : Object.entries(rateLimitHeaders(quota))) {
      context.header(name, text);
    }
    // Probes and scrapers come every few seconds for ever.
    const level = QUIET_ROUTES.has(context.get('route')) && status < 400 ? 'debug' : 'info';
    ports.log[level](
      {
        request_id,
        method,
        path: context.req.path.slice(0, 512),
        route: context.get('route'),
        status,
        ms: Math.round(ms * 100) / 100,
        tenant: context.get('tenant'),
        key_id: context.get('key_id'),
      },
      'request',
    );
  };
}

async function serve(ports: ApiPorts, parts: AppParts, route: Route, context: AppContext): Promise<Response> {
  context.set('route', route.id);
  if (route.face !== undefined) context.set('face', route.face);
  const request = context.req.raw;
  const { tenantId, ...path_params } = context.req.param() as Record<string, string>;
  const request_id = context.get('request_id');
  const own = tenantId === undefined ? BASES[0] : `/v1/${tenantId}/order-analytics`;
  const base = route.face?.base ?? own;
  let principal = ANONYMOUS;
  if (route.permission !== 'none') {
    principal = await authenticate(parts.credentials, request);
    context.set('key_id', principal.key_id);
    const quota = parts.limiter.take(principal.key_id, ports.clock.now(), principal.rate_limit ?? undefined);
    context.set('quota', quota);
    requireQuota(quota);
  }
  let who = { principal, tenant: principal.tenant };
  const about = {
    route,
    request_id,
    base,
    who: () => who,
    url: new URL(request.url),
    ip: addressOf(context),
  };
  const answer = await audited(parts.audit, about, async () => {
    if (route.permission === 'none') return await handle(ANONYMOUS.tenant);
    const tenant = tenantOf(principal, request, tenantId);
    who = { principal, tenant };
    context.set('tenant', tenant);
    requirePermission(principal, route);
    return await handle(tenant);
  });
  // A HEAD is answered as a GET without its body: what would send it ends here.
  if (request.method === 'HEAD') await answer.stream?.cancel();
  const { json } = answer;
  const shown = json === undefined ? answer : { ...answer, json: parts.masked?.(route, who, json) ?? json };
  return respond(shown, request.method === 'HEAD');

  async function handle(tenant: string): Promise<Answer> {
    const owner = { tenant, key: principal.key_id };
    const memory = new BodyLease(parts.budget, owner, ports.settings.bodyPace);
    try {
      return await route.serve({
        ...{ request, request_id, principal, tenant, base, path_params, log: ports.log, memory },
        onBehalf: (of) => {
          who = { principal: { ...principal, name: of.name }, tenant: of.tenant };
        },
        ...(NAMES_DIMENSIONS.has(route.permission)
          ? { inspect: (body: unknown) => parts.requireDimensions?.(tenant, body) }
          : {}),
      });
    } finally {
      // Not before: a body is held for as long as the stream takes to store it.
      memory.release();
    }
  }
}

function respond({ status, headers, json, text, stream }: Answer, isHead: boolean): Response {
  const body = (isHead ? undefined : stream) ?? text ?? (json === undefined ? null : toJsonText(json));
  const type: Record<string, string> = json === undefined ? {} : { 'Content-Type': JSON_TYPE };
  return new Response(body, { status, headers: { ...type, 'Cache-Control': 'no-store', ...headers } });
}

function failure(ports: ApiPorts, { look }: AppParts, context: AppContext, error: unknown): Response {
  const request_id = context.get('request_id');
  const { problem, headers, fault } = problemOf(error, request_id);
  if (fault !== undefined) {
    look.saw(fault);
    const trace = traceOf({ header: (name) => context.req.header(name) });
    ports.log.error(
      { request_id, ...trace, err: fault, cause: fault.cause },
      `request failed: ${fault.code}`,
    );
  }
  const face = context.get('face') as Face | undefined;
  const { status, json } = face?.errorOf(problem) ?? { status: problem.status, json: problem };
  return new Response(toJsonText(json), {
    status,
    headers: { 'Content-Type': face?.media_type ?? PROBLEM_TYPE, 'Cache-Control': 'no-store', ...headers },
  });
}

const QUIET_ROUTES = new Set(['getHealth', 'getMetrics']);
const KNOWN_METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']);

/** Finds the methods that a path takes; built on first use, when all routes are there. */
function methodTable(app: App): () => (path: string) => string[] {
  let table: { readonly pattern: RegExp; readonly method: string }[] | undefined;
  return () => {
    table ??= app.routes
      .filter(({ method }) => method !== 'ALL')
      .map(({ path, method }) => ({
        pattern: new RegExp(`^${path.replaceAll('.', '\\.').replaceAll(/:\w+/g, '[^/]+')}$`),
        method,
      }));
    const entries = table;
    return (path) => [
      ...new Set(entries.filter(({ pattern }) => pattern.test(path)).map(({ method }) => method)),
    ];
  };
}

function noRoute(methodsOf: (path: string) => string[], context: AppContext): ApiError {
  const methods = methodsOf(context.req.path);
  if (methods.length === 0) {
    return new ApiError(
      'route_not_found',
      'There is nothing at this path. /openapi.json lists what there is.',
    );
  }
  const allow = methods.includes('GET') ? [...methods, 'HEAD'] : methods;
  return new ApiError('method_not_allowed', `This path takes ${allow.join(', ')}.`, {
    headers: { Allow: allow.join(', ') },
  });
}
