import {
  type KpiQuery,
  OwnMetrics,
  type RelativeOptions,
  relativeRange,
  requireMetric,
  saysKnownMembers,
  type TenantDefaults,
  zoneOf,
} from '../../../analytics/index.ts';
import { mergePatch } from '../../../runtime/index.ts';
import {
  ApiError,
  allowsOn,
  errorsOf,
  type FieldError,
  noBody,
  type Principal,
  type RawCall,
  type Route,
} from '../../http/index.ts';
import { type Overrides, QUERY_TYPES, type QueryType, type SavedQuery } from './saved-query.ts';

/** What a range is put into where a definition has none: only whether the rest fits is looked at. */
const ANY_RANGE = 'last_30d';

/** Who asks a saved query: a request, a dashboard, a report. */
export type FamilyAsker = Pick<RawCall, 'request_id' | 'principal' | 'tenant' | 'base' | 'log'> & {
  readonly signal: AbortSignal;
  readonly inspect?: (body: unknown) => void;
};

export interface FamilyParts {
  /** All routes, as they are now. */
  readonly routes: () => readonly Route[];
  readonly defaultsOf: (tenant: string) => TenantDefaults | undefined;
  readonly metricsOf: (
    tenant: string,
    names: readonly string[],
  ) => ConstructorParameters<typeof OwnMetrics>[0];
}

/** The members of an answer. */
export type JsonAnswer = Readonly<Record<string, unknown>>;

/** A query that is ready to be asked: its route, the ids in the path, and the body. */
export interface ResolvedQuery {
  readonly type: QueryType;
  readonly route: Route;
  readonly path_params: Readonly<Record<string, string>>;
  readonly body: Readonly<Record<string, unknown>>;
}

/** Every query that can be saved is a body of one of the routes that answer queries: asked there, as by a client. */
export class QueryFamilies {
  readonly #parts: FamilyParts;

  constructor(parts: FamilyParts) {
    this.#parts = parts;
  }

  /** Throws ApiError 422 where the query does not fit its family. */
  check(tenant: string, saved: SavedQuery): void {
    const { range, query } = saved;
    const members = QUERY_TYPES[saved.type].range;
    const given = members.filter((member) => member in query);
    if (range !== undefined && given.length > 0) {
      throw invalid([{ path: `query.${given[0]}`, message: 'is not given beside `range`' }]);
    }
    const whole = range === undefined && given.length === 0 ? { ...saved, range: ANY_RANGE } : saved;
    const { route, body } = this.resolve(tenant, whole, {}, 0);
    const parsed = route.body?.safeParse(body, { error: saysKnownMembers });
    if (parsed?.success === false) throw invalid(errorsOf(parsed.error, 'query'));
    if (saved.type !== 'kpis' || parsed === undefined) return;
    // The schema takes any name: a tenant's own metrics come and go.
    const { metrics } = parsed.data as Pick<KpiQuery, 'metrics'>;
    const own = new OwnMetrics(this.#parts.metricsOf(tenant, metrics));
    for (const [at, name] of metrics.entries()) requireMetric(own, name, `query.metrics.${at}`);
  }

  /** The query with what is given in its place, a relative range as of `now_ms`. Throws ApiError 422. */
  resolve(
    tenant: string,
    saved: Omit<SavedQuery, 'anchor'>,
    overrides: Overrides,
    now_ms: number,
  ): ResolvedQuery {
    const { type } = saved;
    const family = QUERY_TYPES[type];
    const { range: given, ...members } = overrides;
    const merged = mergePatch(saved.query, members) as Record<string, unknown>;
    const isDated = family.range.some((member) => member in members);
    const range = given ?? (isDated ? undefined : saved.range);
    if (range !== undefined) {
      const [from, to] = family.range;
      const { start, end } = this.#datesOf(tenant, range, merged.timezone, now_ms);
      merged[from] = start;
      merged[to] = end;
    }
    const path_params: Record<string, string> = {};
    if ('id' in family) {
      if (typeof merged.id !== 'string')
        throw invalid([{ path: 'query.id', message: 'must name the definition' }]);
      path_params.id = merged.id;
      delete merged.id;
    }
    return { type, route: this.#routeOf(type), path_params, body: merged };
  }

  /** When the newest event of the tenant was; undefined where there is none. */
  async newestEvent(asker: FamilyAsker): Promise<number | undefined> {
    const newest = { type: 'events', query: { limit: 1 } } as const;
    const found = await this.ask(asker, this.resolve(asker.tenant, newest, {}, 0));
    const [event] = found.events as readonly { readonly time: string }[];
    return event === undefined ? undefined : Date.parse(event.time);
  }

  /** The answer of the family's own route. Throws what that throws, and 403 where the caller may not ask it. */
  async ask(
    { signal, ...asker }: FamilyAsker,
    { route, path_params, body }: ResolvedQuery,
  ): Promise<JsonAnswer> {
    this.requireAllowed(asker.principal, route);
    // The address is never read: what the route takes is the body.
    const request = new Request('http://query.invalid/', { method: 'POST', signal });
    const call = { ...asker, request, path_params, memory: noBody() };
    const { json, text } = await route.serveBody(call, body);
    return (text === undefined ? json : JSON.parse(text)) as JsonAnswer;
  }

  requireAllowed(principal: Principal, { permission, path }: Route): void {
    if (permission === 'any' || permission === 'none' || allowsOn(principal, permission, path)) return;
    throw new ApiError(
      'role_forbidden',
      `The query asks ${path}, which needs the permission "${permission}".`,
    );
  }

  #routeOf(type: QueryType): Route {
    const { path } = QUERY_TYPES[type];
    const found = this.#parts.routes().find((route) => route.path === path && route.method === 'POST');
    if (found === undefined) throw new Error(`the queries "${type}" have a route`);
    return found;
  }

  #datesOf(
    tenant: string,
    range: string,
    named: unknown,
    now_ms: number,
  ): { readonly start: string; readonly end: string } {
    const defaults = this.#parts.defaultsOf(tenant);
    const zone = zoneOf(typeof named === 'string' ? named : (defaults?.timezone ?? 'UTC'));
    const options: RelativeOptions = {
      ...{ now_ms, zone },
      ...{ weekStart: defaults?.weekStart, fiscalMonth: defaults?.fiscalMonth },
    };
    const { start_ms, end_ms } = relativeRange(range, options);
    return { start: zone.format(start_ms), end: zone.format(end_ms) };
  }
}

function invalid(errors: readonly FieldError[]): ApiError {
  const [first] = errors;
  return new ApiError('validation_failed', `The query is not valid. ${first?.path}: ${first?.message}`, {
    errors: [...errors],
  });
}
