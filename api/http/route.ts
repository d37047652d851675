import type { Logger } from 'pino';
import { z } from 'zod';
import { saysKnownMembers } from '../../analytics/index.ts';
import type { AuditAction } from '../../runtime/index.ts';
import { readBody, requireMediaType } from './body.ts';
import type { BodyLease } from './body-budget.ts';
import type { Face } from './face.ts';
import { parseJson } from './json-body.ts';
import type { Permission, Principal } from './permissions.ts';
import { ApiError, type FieldError, invalid, type ProblemCode } from './problem.ts';

/** What a handler returns; the app makes the HTTP answer of it. */
export interface Answer {
  readonly status: 200 | 201 | 202 | 204 | 503;
  readonly headers?: Readonly<Record<string, string>>;
  /** Serialised with exact bigints. */
  readonly json?: unknown;
  /** Instead of `json`: a body that is ready, with its type in `headers`. */
  readonly text?: string;
  /** Instead of `json`: a body that comes bit by bit, with its type in `headers`; cancelled when the client leaves. */
  readonly stream?: ReadableStream<Uint8Array>;
}

/** A request that is allowed, before its parts are checked. */
export interface RawCall {
  readonly request: Request;
  readonly request_id: string;
  readonly principal: Principal;
  readonly tenant: string;
  /** The base of the request's path, e.g. `/v1/order-analytics`: for links. */
  readonly base: string;
  readonly path_params: Readonly<Record<string, string>>;
  readonly log: Logger;
  readonly memory: BodyLease;
  /** Of a route without a key: on whose behalf it is, for the audit log. */
  readonly onBehalf?: (of: { readonly tenant: string; readonly name: string }) => void;
  /** Looks at a JSON body before its schema does; throws ApiError. */
  readonly inspect?: (body: unknown) => void;
}

/** A request whose parts are checked and typed. */
export interface Call<P, Q, B> extends RawCall {
  readonly params: P;
  readonly query: Q;
  readonly body: B;
}

/** An example for the documentation. */
export interface Example {
  readonly summary: string;
  readonly value: unknown;
}
export type Examples = Readonly<Record<string, Example>>;

export interface DocumentedBody {
  readonly description: string;
  /** By media type. */
  readonly content: Readonly<Record<string, { readonly schema: z.ZodType; readonly examples?: Examples }>>;
}

export interface DocumentedAnswer {
  readonly description: string;
  readonly schema?: z.ZodType;
  readonly example?: unknown;
  /** Instead of `schema`: other media types. */
  readonly content?: Readonly<Record<string, { readonly schema: z.ZodType }>>;
  readonly headers?: Readonly<Record<string, string>>;
}

/** What a route says of itself: enough to serve it and to document it. */
export interface RouteInfo {
  /** Unique; the operation's id. */
  readonly id: string;
  readonly method: 'GET' | 'POST' | 'PATCH' | 'DELETE';
  /** Below the base, parameters in braces: `/keys/{id}`. */
  readonly path: string;
  readonly tag: string;
  readonly summary: string;
  readonly description?: string;
  /** What the caller's role has to allow; `any`: every caller that is known; `none`: anybody. */
  readonly permission: Permission | 'any' | 'none';
  /** It is about the installation and not one tenant: for callers of all tenants only. */
  readonly reach?: 'installation';
  /** What the audit log calls it, where `auditedAs` would not know: `none` leaves it out. */
  readonly audited?: AuditAction | 'none';
  /** A body that the handler reads itself, for the documentation. */
  readonly raw_body?: DocumentedBody;
  /** Media types of a JSON body; default: `application/json`. */
  readonly body_types?: readonly [string, ...string[]];
  /** The largest JSON body, bytes. */
  readonly body_max_bytes?: number;
  readonly body_examples?: Examples;
  /** Query parameters of a request that shows the operation; default: none. */
  readonly query_example?: Readonly<Record<string, string>>;
  /** What the documentation shows where the body's own check is looser. */
  readonly documented_body?: z.ZodType;
  /** Takes an `Idempotency-Key`. */
  readonly idempotent?: boolean;
  /** Takes an `If-Match`. */
  readonly conditional?: boolean;
  readonly answers: Readonly<Record<number, DocumentedAnswer>>;
  /** The API that it is of; default: this one. */
  readonly face?: Face;
  /** Codes beyond those that every route has. */
  readonly problems: readonly ProblemCode[];
}

interface RouteSpec<P extends z.ZodType, Q extends z.ZodObject, B extends z.ZodType> extends RouteInfo {
  readonly params?: P;
  readonly query?: Q;
  /** The JSON body. */
  readonly body?: B;
  handle(call: Call<z.output<P>, z.output<Q>, z.output<B>>): Promise<Answer> | Answer;
}

/** A route, its types erased. */
export interface Route extends RouteInfo {
  readonly params: z.ZodType | undefined;
  readonly query: z.ZodObject | undefined;
  readonly body: z.ZodType | undefined;
  serve(call: RawCall): Promise<Answer>;
  /** As a request with this JSON body and no query parameters, whose own body is not read. */
  serveBody(call: RawCall, body: unknown): Promise<Answer>;
}

/** Largest JSON body of a route that names no other size. */
export const JSON_MAX_BYTES = 1_048_576;

const JSON_TYPES = ['application/json'] as const;
const NO_QUERY = z.strictObject({});

/**
 * Defines a route: its parts are checked against their schemas before `handle` sees them. Query
 * parameters that the schema does not know are refused, for a misspelt filter must not be ignored.
 */
export function route<
  P extends z.ZodType = z.ZodUndefined,
  Q extends z.ZodObject = z.ZodObject,
  B extends z.ZodType = z.ZodUndefined,
>(spec: RouteSpec<P, Q, B>): Route {
  const { params, query, body, handle, ...info } = spec;
  const querySchema = (query ?? NO_QUERY) as Q;
  return {
    ...info,
    params,
    query,
    body,
    serve: async (call) => {
      const checked = {
        ...call,
        params: checkParams(params, call.path_params) as z.output<P>,
        query: checkQuery(querySchema, call.request.url),
        body: (body === undefined ? undefined : await checkBody(body, call, spec)) as z.output<B>,
      };
      return handle(checked);
    },
    serveBody: async (call, given) =>
      handle({
        ...call,
        params: checkParams(params, call.path_params) as z.output<P>,
        query: querySchema.parse({}),
        body: (body === undefined ? undefined : checkValue(body, call, given)) as z.output<B>,
      }),
  };
}

function checkParams(schema: z.ZodType | undefined, values: Readonly<Record<string, string>>): unknown {
  if (schema === undefined) return undefined;
  const parsed = schema.safeParse(values);
  // A malformed id names nothing that exists.
  if (!parsed.success) throw new ApiError('not_found', 'There is nothing with this id.');
  return parsed.data;
}

function checkQuery<Q extends z.ZodObject>(schema: Q, url: string): z.output<Q> {
  const search = new URL(url).searchParams;
  const repeated: FieldError[] = [...new Set(search.keys())]
    .filter((name) => search.getAll(name).length > 1)
    .map((name) => ({ path: name, message: 'is given more than once' }));
  if (repeated.length > 0) {
    throw new ApiError('validation_failed', 'Give each query parameter once.', { errors: repeated });
  }
  const parsed = schema.safeParse(Object.fromEntries(search), { error: saysKnownMembers });
  if (!parsed.success) throw invalid(parsed.error, 'A query parameter');
  return parsed.data;
}

async function checkBody(
  schema: z.ZodType,
  call: RawCall,
  { body_types = JSON_TYPES, body_max_bytes = JSON_MAX_BYTES }: RouteInfo,
): Promise<unknown> {
  requireMediaType(call.request, body_types);
  const bytes = await readWithin(call, body_max_bytes);
  return checkValue(schema, call, parseJson(bytes));
}

function checkValue(schema: z.ZodType, call: RawCall, body: unknown): unknown {
  call.inspect?.(body);
  const parsed = schema.safeParse(body, { error: saysKnownMembers });
  if (!parsed.success) throw invalid(parsed.error, 'The body');
  return parsed.data;
}

/** Reads a whole body within its own limit and those of the server, the tenant and the key. */
export function readWithin({ request, memory }: RawCall, max_bytes: number): Promise<Uint8Array> {
  return readBody(request, max_bytes, memory);
}
