import { asMillraceError, MillraceError } from '../errors.ts';

/** Why the executor did not answer. Stable. */
export type QueryRunErrorCode =
  /** The plan is over a limit: ask for less. Nothing was run. */
  | 'query_too_large'
  /** Too many queries of the tenant or key, or of all, run and wait: ask again after `retryAfter_ms`. */
  | 'too_many_queries'
  /** It ran longer than it may. */
  | 'query_timeout'
  /** Whoever asked has left. */
  | 'query_cancelled'
  /** The thread that ran it ended. Other queries are not concerned. */
  | 'query_thread_failed'
  /** The executor is closed or being closed. */
  | 'queries_stopped'
  /** No module registers a kind of this name. */
  | 'unknown_query_kind'
  /** What the plan names is no longer there; the executor plans again. Never leaves it. */
  | 'plan_stale';

export interface QueryRunErrorOptions {
  /** Plain data: what was found, what is allowed. */
  readonly details?: Readonly<Record<string, unknown>>;
  /** When it makes sense to ask again, ms. */
  readonly retryAfter_ms?: number;
  readonly cause?: unknown;
}

const PASSING: readonly QueryRunErrorCode[] = [
  'too_many_queries',
  'query_timeout',
  'query_thread_failed',
  'queries_stopped',
];

export class QueryRunError extends MillraceError {
  declare readonly code: QueryRunErrorCode;
  readonly details: Readonly<Record<string, unknown>> | undefined;
  readonly retryAfter_ms: number | undefined;

  constructor(code: QueryRunErrorCode, message: string, options: QueryRunErrorOptions = {}) {
    const { cause, details, retryAfter_ms } = options;
    super(code, message, { ...(cause === undefined ? {} : { cause }), retriable: PASSING.includes(code) });
    this.name = 'QueryRunError';
    this.details = details;
    this.retryAfter_ms = retryAfter_ms;
  }
}

/** Thrown by `partial` for a segment that its plan names and its snapshot does not have. */
export class PlanStale extends QueryRunError {
  constructor(what: string) {
    super('plan_stale', `${what} is no longer there: the query has to be planned again.`);
  }
}

/** An error on its way from a thread: plain data. `extra`: what its class adds, such as `status` and `errors`. */
export interface SentError {
  readonly code: string;
  readonly message: string;
  readonly retriable: boolean;
  readonly stack: string | undefined;
  readonly extra: Readonly<Record<string, unknown>>;
}

const OWN_MEMBERS = new Set(['code', 'message', 'retriable', 'stack', 'cause', 'name', 'operator']);

export function sendError(thrown: unknown): SentError {
  const error = asMillraceError(thrown);
  const { code, message, retriable } = error;
  const extra = Object.fromEntries(Object.entries(error).filter(([member]) => !OWN_MEMBERS.has(member)));
  const root = error.cause instanceof Error ? error.cause : error;
  return { code, message, retriable, stack: root.stack, extra };
}

export function receivedError({ code, message, retriable, stack, extra }: SentError): MillraceError {
  const cause = new Error(message);
  if (stack !== undefined) cause.stack = stack;
  return Object.assign(new MillraceError(code, message, { cause, retriable }), extra);
}
