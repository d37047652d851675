import { asMillraceError, MillraceError } from '../../engine/index.ts';

/**
 * Every code that an answer may carry, with its HTTP status and title. Codes are part of the public
 * contract: they are never renamed. The OpenAPI document is made from this table.
 */
export const PROBLEMS = {
  malformed_json: [400, 'The body is not JSON'],
  malformed_request: [400, 'The request is not valid HTTP'],
  malformed_body: [400, 'The body cannot be read'],
  unauthorized: [401, 'No valid credentials'],
  key_revoked: [401, 'The key was revoked'],
  key_expired: [401, 'The key has expired'],
  token_invalid: [401, 'The token is not valid'],
  token_expired: [401, 'The token has expired'],
  signature_invalid: [401, 'The signature is not valid'],
  role_forbidden: [403, 'The role does not allow this'],
  scope_forbidden: [403, 'The scopes of the key do not allow this'],
  tenant_forbidden: [403, 'The key or token does not belong to this tenant'],
  field_masked: [403, 'The role does not see this'],
  link_invalid: [403, 'The link is not valid'],
  not_found: [404, 'Not found'],
  route_not_found: [404, 'There is no such route'],
  method_not_allowed: [405, 'The route does not take this method'],
  body_too_slow: [408, 'The body did not come in time'],
  idempotency_in_flight: [409, 'The first request with this key is still running'],
  name_taken: [409, 'Another one has the name'],
  limit_reached: [409, 'There are as many as there may be'],
  revision_conflict: [409, 'It was changed meanwhile'],
  definition_in_use: [409, 'Something else needs it'],
  dimension_backfilling: [409, 'The dimension is still being built'],
  backfill_running: [409, 'Another backfill is under way'],
  dimension_failed: [409, 'The dimension could not be built'],
  wrong_state: [409, 'The state does not allow this'],
  model_outdated: [409, 'The model was trained by an older version'],
  file_elsewhere: [409, 'Another host has the file'],
  export_failed: [409, 'The file could not be made'],
  expired: [410, 'It was kept for a while, which is over'],
  body_too_large: [413, 'The body is too large'],
  unsupported_media_type: [415, 'The content type is not accepted here'],
  unsupported_encoding: [415, 'The content encoding is not accepted'],
  validation_failed: [422, 'The request breaks its schema'],
  invalid_event: [422, 'The event is not valid'],
  too_many_events: [422, 'Too many events in one request'],
  json_too_deep: [422, 'The JSON is nested too deeply'],
  aggregation_not_supported: [422, 'The metric does not take this aggregation'],
  unknown_timezone: [422, 'There is no such time zone'],
  invalid_range: [422, 'The time range is not valid'],
  range_not_aligned: [422, 'The time range does not lie on whole minutes'],
  too_many_points: [422, 'The answer would be too large'],
  behind_retention: [422, 'Events of that time are no longer kept'],
  position_ahead: [422, 'The position is not reached yet'],
  unknown_query_id: [422, 'No answer has that id'],
  unknown_dimension: [422, 'There is no such dimension'],
  currency_required: [422, 'The money is in several currencies'],
  amount_too_large: [422, 'A sum of money is too large'],
  too_many_groups: [422, 'There are too many groups to compute with'],
  too_many_changes: [422, 'Too many events changed the answer'],
  unknown_segment: [422, 'There is no such segment'],
  segment_too_large: [422, 'The segment has too many customers'],
  not_enough_data: [422, 'There are too few data for a model'],
  fx_rate_missing: [422, 'There is no exchange rate for the conversion'],
  tenant_mismatch: [422, 'Path and header name two tenants'],
  target_forbidden: [422, 'The target may not be reached'],
  channel_not_configured: [422, 'The installation has no settings for the channel'],
  position_unknown: [422, 'The stream has no such position'],
  not_supported: [422, 'Not supported by this installation'],
  invalid_cursor: [422, 'The cursor is not valid'],
  cursor_mismatch: [422, 'The cursor belongs to another filter'],
  idempotency_key_reused: [422, 'The idempotency key was used with another body'],
  query_too_large: [422, 'The query reads too much'],
  headers_too_large: [431, 'The headers are too large'],
  rate_limited: [429, 'Too many requests'],
  too_busy: [429, 'Too much work at once'],
  too_many_jobs: [429, 'Too many jobs are waiting'],
  too_many_streams: [429, 'Too many event streams are open'],
  too_many_keys: [429, 'The tenant has too many keys'],
  too_many_queries: [429, 'Too many queries at once'],
  query_cancelled: [499, 'The client has left'],
  internal: [500, 'Internal error'],
  freshness_unmet: [503, 'The data are not fresh enough'],
  position_unmet: [503, 'The position is not applied yet'],
  state_not_ready: [503, 'The state cannot be read yet'],
  query_timeout: [503, 'The query took too long'],
  query_thread_failed: [503, 'The query could not be finished'],
  queries_stopped: [503, 'The service is being stopped'],
  stream_unavailable: [503, 'The stream cannot be reached'],
  stream_missing: [503, 'The stream is not on the server'],
  stream_recreated: [503, 'The stream is not the one that the state was made from'],
  stream_replaced: [503, 'The stream is not the one that the state was made from'],
  stream_went_back: [503, 'The stream has lost messages'],
  position_ahead_of_stream: [503, 'The stream has lost messages'],
  position_before_stream: [503, 'The stream has lost messages'],
  nats_disconnected: [503, 'The NATS server does not answer'],
  pipeline_failed: [503, 'The pipeline has stopped'],
  stream_full: [503, 'The stream takes no more events'],
  queue_unavailable: [503, 'The queue of notices cannot be reached'],
  audit_unavailable: [503, 'The audit log cannot be written'],
  kv_unavailable: [503, 'The key-value store cannot be reached'],
  objects_unavailable: [503, 'The object store cannot be reached'],
  object_damaged: [503, 'A stored object is damaged'],
  jwks_unavailable: [503, 'The keys of the token issuer cannot be read'],
  disk_full: [503, 'The disk is full'],
  state_damaged: [503, 'The state is damaged'],
  state_truncated: [503, 'The state is damaged'],
} as const satisfies Record<string, readonly [number, string]>;

export type ProblemCode = keyof typeof PROBLEMS;

/** One thing wrong with a request. `path` is dotted, from the root of the body or of the parameters. */
export interface FieldError {
  readonly path: string;
  readonly message: string;
}

/** An answer that is not a success, thrown by whatever finds out. `detail` tells the caller what to do. */
export class ApiError extends MillraceError {
  readonly status: number;
  readonly title: string;
  readonly errors: readonly FieldError[] | undefined;
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    code: ProblemCode,
    detail: string,
    options: {
      errors?: readonly FieldError[];
      headers?: Record<string, string>;
      retryAfter_s?: number;
      cause?: unknown;
    } = {},
  ) {
    super(code, detail, options.cause === undefined ? {} : { cause: options.cause });
    this.name = 'ApiError';
    [this.status, this.title] = PROBLEMS[code];
    this.errors = options.errors;
    this.headers = {
      ...options.headers,
      ...(options.retryAfter_s === undefined
        ? {}
        : { 'Retry-After': String(Math.max(1, options.retryAfter_s)) }),
    };
  }
}

/** The body of an `application/problem+json` answer (RFC 9457). */
export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly code: string;
  readonly instance: string;
  readonly errors?: readonly FieldError[];
}

export interface ProblemAnswer {
  readonly problem: Problem;
  readonly headers: Readonly<Record<string, string>>;
  /** Set where the fault is the server's: to be logged. */
  readonly fault?: MillraceError;
}

export const PROBLEM_TYPE = 'application/problem+json';
export const MAX_ERRORS = 100;

/**
 * Any thrown value as an answer. Errors that carry a 4xx `status` (the query engine's) keep their code;
 * a retriable error is a 503 that names its code; anything else is a 500 that tells nothing but the
 * request's id, under which the log has the cause.
 */
export function problemOf(thrown: unknown, request_id: string): ProblemAnswer {
  const error = clientsOwn(asMillraceError(thrown));
  const instance = `urn:request:${request_id}`;
  const answer = (
    status: number,
    title: string,
    code: string,
    detail: string,
    errors?: readonly FieldError[],
  ): Problem => ({
    type: `urn:millrace:problem:${code}`,
    title,
    status,
    detail,
    code,
    instance,
    ...(errors === undefined ? {} : { errors: errors.slice(0, MAX_ERRORS) }),
  });
  if (error instanceof ApiError) {
    const { status, title, code, message, errors, headers } = error;
    const problem = answer(status, title, code, message, errors);
    return status >= 500 && code === 'internal' ? { problem, headers, fault: error } : { problem, headers };
  }
  const status = clientStatus(error);
  if (status !== undefined) {
    const title = titleOf(error.code, 'The request cannot be answered');
    const problem = answer(status, title, error.code, error.message, fieldErrors(error));
    return { problem, headers: retryHeaders(error) };
  }
  if (isDamage(error)) {
    const problem = answer(503, titleOf(error.code, ''), error.code, error.message);
    return { problem, headers: {}, fault: error };
  }
  if (error.retriable) {
    const problem = answer(
      503,
      titleOf(error.code, 'A part of the system is away'),
      error.code,
      error.message,
    );
    return { problem, headers: { 'Retry-After': '1' }, fault: error };
  }
  const detail = `The server failed to answer; its log has the cause under request ${request_id}.`;
  return { problem: answer(500, PROBLEMS.internal[1], 'internal', detail), headers: {}, fault: error };
}

/** Bytes of the state are not what was written: whoever runs the service has to know. */
export function isDamage({ code }: MillraceError): boolean {
  return code === 'state_damaged' || code === 'state_truncated';
}

/** The title of a code of another room, where the table knows it. */
export function titleOf(code: string, otherwise: string): string {
  return code in PROBLEMS ? PROBLEMS[code as ProblemCode][1] : otherwise;
}

/** A NATS server of lower limits than ours refuses what a client sent: that is the client's to mend. */
function clientsOwn(error: MillraceError): MillraceError {
  return error.code === 'message_too_large'
    ? new ApiError('body_too_large', 'An event is larger than the NATS server takes. Send a smaller one.', {
        cause: error,
      })
    : error;
}

function clientStatus(error: MillraceError): number | undefined {
  const status = 'status' in error ? error.status : undefined;
  return typeof status === 'number' && status >= 400 && status < 500 ? status : undefined;
}

function retryHeaders(error: MillraceError): Record<string, string> {
  const seconds = 'retryAfter_s' in error ? error.retryAfter_s : undefined;
  return typeof seconds === 'number' ? { 'Retry-After': String(Math.max(1, seconds)) } : {};
}

function fieldErrors(error: MillraceError): readonly FieldError[] | undefined {
  if (!('errors' in error) || !Array.isArray(error.errors)) return undefined;
  return error.errors.map((entry: unknown) => {
    const { path, message } = (entry ?? {}) as Partial<FieldError>;
    return { path: String(path ?? ''), message: String(message ?? '') };
  });
}

interface Issue {
  readonly path: readonly PropertyKey[];
  readonly message: string;
}

/** The issues of a zod error as `errors`. `under` is put before each path. */
export function errorsOf(error: { readonly issues: readonly Issue[] }, under = ''): FieldError[] {
  return error.issues.slice(0, MAX_ERRORS).map(({ path, message }) => {
    const inner = path.map(String).join('.');
    return { path: under !== '' && inner !== '' ? `${under}.${inner}` : `${under}${inner}`, message };
  });
}

/** A 422 from a zod error. */
export function invalid(error: { readonly issues: readonly Issue[] }, what: string): ApiError {
  const errors = errorsOf(error);
  const first = errors[0];
  const where = first === undefined ? '' : ` ${first.path === '' ? '' : `${first.path}: `}${first.message}`;
  return new ApiError('validation_failed', `${what} is not valid.${where}`, { errors });
}
