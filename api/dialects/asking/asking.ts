import { z } from 'zod';
import { type TenantDefaults, type Zone, zoneOf } from '../../../analytics/index.ts';
import { asMillraceError } from '../../../engine/index.ts';
import { ApiError, noBody, type Principal, type RawCall, type Route } from '../../http/index.ts';
import {
  type AnswerMeta,
  type AskedMeta,
  areOfOneState,
  askedMetaSchema,
  mergedMeta,
} from './answer-meta.ts';

export interface AskingParts {
  /** All routes of the first API, as they are now. */
  readonly routes: () => readonly Route[];
  readonly defaultsOf: (tenant: string) => TenantDefaults | undefined;
  readonly now: () => number;
  /** Throws 403 where the caller may not ask the route. */
  readonly requireAllowed: (principal: Principal, route: Route) => void;
}

/** Where links of the first API lie. */
const BASE = '/v1/order-analytics';

const numbers = z.record(z.string(), z.number().nullable());
const bucketSchema = z.looseObject({ time: z.string() });
const kpiSchema = z.looseObject({
  groups: z.array(
    z.looseObject({
      key: z.record(z.string(), z.string().nullable()),
      buckets: z.array(bucketSchema),
      totals: numbers,
      previous_totals: numbers.optional(),
      delta_pct: numbers.optional(),
    }),
  ),
  groups_total: z.int(),
  currency: z.string().optional(),
});

export type KpiGroups = z.output<typeof kpiSchema>['groups'];
export interface KpiNumbers {
  readonly groups: KpiGroups;
  readonly groups_total: number;
  /** Of the money; null where there is none. */
  readonly currency: string | null;
}

/** What other APIs know without asking. */
class Surroundings {
  protected readonly parts: AskingParts;

  constructor(parts: AskingParts) {
    this.parts = parts;
  }

  now(): number {
    return this.parts.now();
  }

  defaultsOf(tenant: string): TenantDefaults | undefined {
    return this.parts.defaultsOf(tenant);
  }

  zoneOf(tenant: string): Zone {
    return zoneOf(this.defaultsOf(tenant)?.timezone ?? 'UTC');
  }
}

/** Where answers of other APIs are made. */
export class Inquiries extends Surroundings {
  /** For an answer whose pages name the state that they are of. */
  asking(): Asking {
    return new Asking(this.parts);
  }

  /**
   * One answer that is made of several: all of one state. Where events came in between, so that they were of two,
   * everything is asked once more as of the newest of them.
   */
  async answered<T>(
    compute: (asking: Asking) => Promise<T>,
  ): Promise<{ readonly answer: T; readonly meta: AnswerMeta }> {
    const asking = new Asking(this.parts);
    const answer = await compute(asking);
    const newest = asking.metas.at(-1);
    if (newest === undefined || areOfOneState(asking.metas)) return { answer, meta: asking.meta };
    const pinned = new Asking(this.parts, newest.position);
    return { answer: await compute(pinned), meta: { ...pinned.meta, position: newest.position } };
  }
}

/** Asks the first API, as its callers do, for one answer of another: none of these computes a number by itself. */
export class Asking extends Surroundings {
  /** The position as of which all is answered; undefined: as it is. */
  readonly #asOf: AskedMeta['position'] | undefined;
  /** What the answers said of themselves, in the order in which they came. */
  readonly metas: AskedMeta[] = [];
  readonly #warnings: string[] = [];

  constructor(parts: AskingParts, asOf?: AskedMeta['position']) {
    super(parts);
    this.#asOf = asOf;
  }

  get meta(): AnswerMeta {
    const merged = mergedMeta(this.metas);
    return { ...merged, warnings: [...new Set([...merged.warnings, ...this.#warnings])] };
  }

  /** Says something of the answer in its `meta`. */
  warn(sentence: string): void {
    this.#warnings.push(sentence);
  }

  /** The answer of a route to a body. Throws what that throws, and 403 where the caller may not ask it. */
  async ask<T>(call: RawCall, path: string, body: object, schema: z.ZodType<T>): Promise<T> {
    const found = this.#routeOf('POST', path, call);
    const asked = this.#asOf === undefined ? body : { ...body, as_of: this.#asOf };
    const { json, text } = await found.serveBody(this.#asked(call, 'POST', {}, ''), asked);
    return schema.parse(this.#seen(text === undefined ? json : JSON.parse(text)));
  }

  /** The answer of a route to a GET. */
  async get<T>(
    call: RawCall,
    path: string,
    given: {
      readonly path?: Readonly<Record<string, string>>;
      readonly query?: Readonly<Record<string, string>>;
    },
    schema: z.ZodType<T>,
  ): Promise<T> {
    const found = this.#routeOf('GET', path, call);
    const search = new URLSearchParams(given.query).toString();
    const { json, text } = await found.serve(this.#asked(call, 'GET', given.path ?? {}, search));
    return schema.parse(text === undefined ? json : JSON.parse(text));
  }

  #seen(answer: unknown): unknown {
    const { meta } = Object(answer) as { readonly meta?: unknown };
    if (meta !== undefined) this.metas.push(askedMetaSchema.parse(meta));
    return answer;
  }

  #routeOf(method: 'GET' | 'POST', path: string, { principal }: RawCall): Route {
    const found = this.parts
      .routes()
      .find((route) => route.face === undefined && route.path === path && route.method === method);
    if (found === undefined) throw new Error(`"${path}" is a route`);
    this.parts.requireAllowed(principal, found);
    return found;
  }

  #asked(
    { request, request_id, principal, tenant, log, inspect }: RawCall,
    method: 'GET' | 'POST',
    path_params: Readonly<Record<string, string>>,
    search: string,
  ): RawCall {
    return {
      ...{ request_id, principal, tenant, log, path_params, memory: noBody(), base: BASE },
      // Of its address only the parameters are read.
      request: new Request(`http://query.invalid/?${search}`, { method, signal: request.signal }),
      ...(inspect === undefined ? {} : { inspect }),
    };
  }

  /**
   * KPIs whose money is of one currency: that which is asked for, else the tenant's, else the only one there is.
   * Throws 422 `currency_required` where there are several.
   */
  async kpis(call: RawCall, query: object): Promise<KpiNumbers> {
    const asked = this.ask(call, '/kpis/query', query, kpiSchema).catch((thrown: unknown) => {
      const { code, message } = asMillraceError(thrown);
      throw code === 'currency_required' ? currencyRequired(message) : thrown;
    });
    const { groups, groups_total, currency } = await asked;
    const currencies = [...new Set(groups.flatMap(({ key }) => key.currency ?? []))].sort();
    const [only] = currencies;
    if (currency === undefined && currencies.length > 1) {
      throw currencyRequired(
        `The money is in several currencies (${currencies.slice(0, 5).join(' and ')}): ask for one with ` +
          '`currency`, or set a reporting currency.',
      );
    }
    return { groups, groups_total, currency: currency ?? only ?? null };
  }
}

/** Of the only group of a query without `group_by`; zero of what nobody counted. */
export function totalsOf({ groups }: KpiNumbers): {
  readonly now: Readonly<Record<string, number | null>>;
  readonly before: Readonly<Record<string, number | null>>;
} {
  const [first] = groups;
  return { now: first?.totals ?? {}, before: first?.previous_totals ?? {} };
}

const currencyRequired = (message: string): ApiError =>
  new ApiError('currency_required', message, { errors: [{ path: 'currency', message }] });
