import {
  answerPosition,
  DAY_MS,
  type OfTenant,
  type OrderQueries,
  readCompleteUntil,
} from '../../analytics/index.ts';
import {
  asMillraceError,
  META_TABLE,
  type MillraceError,
  type PlannedQuery,
  type Progress,
  type QueryAnswer,
  type QueryExecutor,
  type QueryKind,
  type QueryLimits,
  type QueryRunErrorCode,
  type QueryRunOptions,
  readProgress,
} from '../../engine/index.ts';
import {
  ApiError,
  awaitFreshness,
  type FieldError,
  FRESHNESS_PROBLEMS,
  type Freshness,
  type FreshnessWish,
  type Principal,
  type ProblemCode,
  requireFreshness,
  requireReader,
} from '../http/index.ts';
import type { AnswerParts, AnswerState } from './answer-meta.ts';
import { dimensionsIn, maskFor } from './pii-mask.ts';
import { analyticsOf } from './queries.ts';
import { type RunSegment, withSegments } from './query-segments.ts';
import type { SegmentSetKey } from './segment-sets.ts';

/** Problems of every route that runs a query. */
export const QUERY_RUN_PROBLEMS = [
  'field_masked',
  'query_too_large',
  'too_many_queries',
  'query_timeout',
  'query_thread_failed',
  'queries_stopped',
  'state_not_ready',
  ...FRESHNESS_PROBLEMS,
  'unknown_segment',
  'segment_too_large',
] as const satisfies readonly ProblemCode[];

/** An answer with the state that it was made from, for `meta`. */
export interface Answered<A> extends QueryAnswer<A> {
  readonly state: AnswerState;
}

export interface Planned extends PlannedQuery {
  readonly state: AnswerState;
}

export interface QueryWish {
  readonly wish: FreshnessWish;
  /** Narrower than the service's. */
  readonly limits?: QueryLimits;
  readonly deadline_ms?: number;
}

/** Who asks: a call, or a job for whoever made it. */
export interface Asker {
  readonly request: Pick<Request, 'signal'>;
  readonly tenant: string;
  /** Of a job, the key alone: what it may see was looked at when it was made. */
  readonly principal: Pick<Principal, 'key_id'> | Principal;
}

/**
 * Runs a query for a caller: waits as it wishes, counts it for its tenant and key, drops it when the client's
 * connection closes. Throws ApiError for what the executor refuses; what a kind throws passes.
 */
export async function runQuery<Q, S, P, A>(
  parts: AnswerParts,
  call: Asker,
  kind: QueryKind<Q, S, P, A>,
  query: Q,
  wish: QueryWish,
): Promise<Answered<A>> {
  const own = ofTenant(parts, call, query);
  requireSeen(parts, call, own);
  const asking = await begin(parts, call, wish);
  const warnings = parts.tenants?.dimensions.warningsOf(call.tenant, own) ?? [];
  try {
    const whole = await withSegments(...resolving(parts, call, own, asking));
    const answered = await asking.executor.run(kind, whole, asking.options);
    return { ...answered, state: { ...asking.stateAt(answered.progress), warnings } };
  } catch (thrown) {
    throw asProblem(thrown);
  }
}

/** What the query would read and cost, for `dry_run`; `refused` is an ApiError. */
export async function planQuery<Q, S, P, A>(
  parts: AnswerParts,
  call: Asker,
  kind: QueryKind<Q, S, P, A>,
  query: Q,
  wish: QueryWish,
): Promise<Planned> {
  const own = ofTenant(parts, call, query);
  requireSeen(parts, call, own);
  const asking = await begin(parts, call, wish);
  const nobody = async () => ({ hashes: new SharedArrayBuffer(0) });
  const { settings } = parts.ports;
  const at = { custom: settings.customDimensions, now_ms: parts.ports.clock.now() };
  const whole = await withSegments(own, parts.tenants, call.tenant, at, nobody);
  const planned = await asking.executor.plan(kind, whole, asking.options).catch((thrown: unknown) => {
    throw asProblem(thrown);
  });
  const refused = planned.refused === undefined ? undefined : asProblem(planned.refused);
  return { ...planned, refused, state: asking.stateAt(planned.progress) };
}

const segmentKinds = new WeakMap<readonly string[], OrderQueries['segment']>();

/** One for each list of dimensions: a kind keeps the dictionary that it has read. */
function segmentKindOf(settings: AnswerParts['ports']['settings']): OrderQueries['segment'] {
  const { customDimensions } = settings;
  const kind = segmentKinds.get(customDimensions) ?? analyticsOf(settings).queries.segment;
  segmentKinds.set(customDimensions, kind);
  return kind;
}

/** How the segments of a query are found: by the same caller, on the same state or a newer one. */
function resolving<Q>(
  parts: AnswerParts,
  asker: Asker,
  query: Q,
  { executor, options, generation, progress }: Asking,
): Parameters<typeof withSegments<Q>> {
  const { settings, clock } = parts.ports;
  const run: RunSegment = async (segment) => {
    const kind = segmentKindOf(settings);
    const own = ofTenant(parts, asker, segment);
    // Nobody asks through a segment for what their role does not see.
    requireSeen(parts, asker, own);
    const keyAt = (at: Progress | undefined): SegmentSetKey => ({
      ...{ tenant: asker.tenant, generation, query: own },
      position: answerPosition(own, at).position,
      retention: [Math.floor((at?.watermark_ms ?? 0) / DAY_MS), at?.control ?? null],
    });
    const key = keyAt(progress());
    const kept = parts.segmentSets?.get(key);
    if (kept !== undefined) return { position: key.position, hashes: kept };
    const { answer, progress: foundAt } = await executor.run(kind, own, options);
    const hashes = answer.body.hashes as SharedArrayBuffer;
    const found = keyAt(foundAt);
    parts.segmentSets?.put(found, hashes);
    return { position: found.position, hashes };
  };
  const at = { custom: settings.customDimensions, now_ms: clock.now() };
  return [query, parts.tenants, asker.tenant, at, run];
}

/** The query with what its tenant has set, and with those of the tenant's own metrics that it names. */
function ofTenant<Q>({ tenants }: AnswerParts, { tenant }: Asker, query: Q): Q {
  const defaults = tenants?.defaultsOf(tenant);
  const own_metrics = tenants?.metricsOf(tenant, metricNamesIn(query)) ?? [];
  // Stored definitions and jobs among them, which no body names.
  tenants?.dimensions.require(tenant, [query, own_metrics]);
  if (defaults === undefined && own_metrics.length === 0) return query;
  const given: OfTenant = {
    ...(defaults === undefined ? {} : { tenant: defaults }),
    ...(own_metrics.length === 0 ? {} : { own_metrics }),
  };
  return { ...query, ...given };
}

/** Throws 403 `field_masked` where the answer would show what events mask for the caller. */
function requireSeen({ tenants }: AnswerParts, { tenant, principal }: Asker, query: unknown): void {
  if (!('permissions' in principal)) return;
  maskFor(principal, tenants?.maskedOf(tenant)).requireDimensions(dimensionsIn(query));
}

/** The names of metrics in a query, or in those of a batch, which are not checked yet. */
function metricNamesIn(query: unknown): readonly string[] {
  const { metrics, queries } = query as { readonly metrics?: unknown; readonly queries?: unknown };
  const listed = [
    metrics,
    ...(Array.isArray(queries) ? queries.map((one: unknown) => Object(one).metrics) : []),
  ];
  const names = listed.flatMap((list: unknown): unknown[] => (Array.isArray(list) ? list : []));
  return [...new Set(names.filter((name) => typeof name === 'string'))];
}

interface Asking {
  readonly executor: QueryExecutor;
  readonly generation: number;
  /** Of the state as it is now. */
  progress(): Progress | undefined;
  readonly options: QueryRunOptions;
  /** How fresh an answer of a commit is, now that it is there. */
  stateAt(progress: Progress | undefined): AnswerState;
}

async function begin(
  { ports, tracker }: AnswerParts,
  { request, tenant, principal }: Asker,
  { wish, ...rest }: QueryWish,
): Promise<Asking> {
  await awaitFreshness(ports, tracker, wish);
  const { generation, reader, queries } = requireReader(ports);
  if (queries === undefined) {
    throw new ApiError('state_not_ready', 'Queries cannot be run yet. Ask again in a moment.', {
      retryAfter_s: 1,
    });
  }
  // Before the answer's snapshot: it never says more than that holds.
  const watermark_ms = reader.snapshot((table) => readCompleteUntil(table, tenant));
  let seen: { readonly freshness: Freshness; readonly at_ms: number } | undefined;
  const accept = (progress: Progress | undefined): void => {
    const freshness = tracker.of(progress);
    requireFreshness(freshness, wish.max_staleness_ms);
    seen = { freshness, at_ms: ports.clock.now() };
  };
  return {
    ...{ executor: queries, generation },
    progress: () => reader.snapshot((table) => readProgress(table(META_TABLE))),
    options: { ...rest, scope: tenant, key: principal.key_id, signal: request.signal, accept },
    stateAt: (progress) => {
      const { freshness, at_ms } = seen ?? { freshness: tracker.of(progress), at_ms: ports.clock.now() };
      const aged = agedTo(freshness, progress, ports.clock.now() - at_ms);
      return { generation, progress, freshness: aged, watermark_ms };
    },
  };
}

/** The answer may be of a commit after the one whose freshness was looked at, and took its time. */
function agedTo(freshness: Freshness, progress: Progress | undefined, elapsed_ms: number): Freshness {
  const sequence = progress?.sequence ?? 0;
  const { lag_messages: lag, staleness_ms } = freshness;
  const lag_messages = lag === null ? null : Math.max(0, lag - (sequence - freshness.sequence));
  return {
    ...freshness,
    sequence,
    lag_messages,
    staleness_ms: staleness_ms === null ? null : staleness_ms + Math.max(0, elapsed_ms),
  };
}

/** Codes of the executor that a caller may see; the others are faults of ours. */
const CODES = new Set<string>([
  'query_too_large',
  'too_many_queries',
  'query_timeout',
  'query_cancelled',
  'query_thread_failed',
  'queries_stopped',
] satisfies readonly (QueryRunErrorCode & ProblemCode)[]);

function asProblem(thrown: unknown): MillraceError {
  const error = asMillraceError(thrown);
  if (error instanceof ApiError || !CODES.has(error.code)) return error;
  // Errors that come from a thread have the members, not the class.
  const { retryAfter_ms, details } = error as Partial<{
    readonly retryAfter_ms: number;
    readonly details: Readonly<Record<string, unknown>>;
  }>;
  const errors = narrowing(details);
  return new ApiError(error.code as ProblemCode, error.message, {
    cause: error,
    ...(errors.length === 0 ? {} : { errors }),
    ...(retryAfter_ms === undefined ? {} : { retryAfter_s: Math.ceil(retryAfter_ms / 1_000) }),
  });
}

/** What would make the query smaller, each as an entry that a program can show. */
function narrowing(details: Readonly<Record<string, unknown>> | undefined): FieldError[] {
  const { narrow } = details ?? {};
  if (!Array.isArray(narrow)) return [];
  return narrow.map((clause) => ({ path: '', message: String(clause) }));
}
