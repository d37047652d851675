import type { Plan, PlanHead } from './kind.ts';
import { QueryRunError } from './run-error.ts';

/** How much one query may read and hold. Checked on its plan, before anything runs. */
export interface QueryLimits {
  /** Rows of the log. */
  readonly rows_max: number;
  readonly bytes_max: number;
  readonly cells_max: number;
  /** One partial answer while it grows: this can only be seen while the query runs. */
  readonly partial_bytes_max: number;
}

const MIB = 1_048_576;

export const DEFAULT_QUERY_LIMITS: QueryLimits = {
  rows_max: 200_000_000,
  bytes_max: 16_384 * MIB,
  cells_max: 50_000_000,
  partial_bytes_max: 64 * MIB,
};

/** What runs at once in the API's thread, blocking it: a few milliseconds. All of them have to hold. */
export const INLINE_MAX_COST_MS = 4;
export const INLINE_MAX_ROWS = 65_536;
export const INLINE_MAX_CELLS = 10_000;
/** So many rows where all of them take a millisecond at most. */
const QUICK_MAX_COST_MS = 1;
const QUICK_MAX_ROWS = 4 * INLINE_MAX_ROWS;
/** Partial answers that are merged and finished in the API's thread, bytes. */
export const FINISH_IN_API_MAX_BYTES = 262_144;
/** A plan of at most this much CPU is short: it goes before the long ones and has places of its own. */
export const SHORT_QUERY_MAX_MS = 250;

/** One of at most this much goes before other short ones: it waits for a part of another one, not for all of it. */
export const QUICK_QUERY_MAX_MS = 50;

/** A unit of a quicker query of at most this much runs between the chunks of another one, where no thread is free. */
export const BETWEEN_MAX_MS = 100;

/**
 * A query of at most this much that has to run in one snapshot, as those of what is kept do, has a thread of its own with
 * the priority of an ordinary one: with a lower one it takes several times as long while events come in.
 */
export const URGENT_MAX_MS = 100;

/** From here on a query that runs at once and reads what grows has the thread for urgent ones started, before it needs it. */
const URGENT_SOON_MS = 1;

export type Lane = 'short' | 'long';

export function laneOf(plan: PlanHead): Lane {
  return plan.cost_ms <= SHORT_QUERY_MAX_MS ? 'short' : 'long';
}

/** Throws `query_too_large` with what was found, what is allowed, and how to ask for less. */
export function checkLimits(plan: PlanHead, limits: QueryLimits): void {
  check(plan, 'rows', plan.rows, limits.rows_max);
  check(plan, 'bytes', plan.bytes, limits.bytes_max);
  check(plan, 'cells', plan.cells ?? 0, limits.cells_max);
}

/** Throws `query_too_large` when a partial answer has outgrown its limit. */
export function checkPartial(plan: PlanHead, bytes: Uint8Array, limits: QueryLimits): Uint8Array {
  check(plan, 'bytes of its answer', bytes.byteLength, limits.partial_bytes_max);
  return bytes;
}

function check({ rows, bytes, cells, narrow }: PlanHead, of: string, found: number, allowed: number): void {
  if (found <= allowed) return;
  const advice = narrow.length === 0 ? 'Ask for less' : `To make it smaller, ${narrow.join(', or ')}`;
  throw new QueryRunError(
    'query_too_large',
    `The query has ${found.toLocaleString('en')} ${of}, ${allowed.toLocaleString('en')} are allowed. ${advice}.`,
    { details: { of, found, allowed, rows, bytes, ...(cells === undefined ? {} : { cells }), narrow } },
  );
}

/** Whether a plan is cheap enough for the API's thread. */
export function isCheap({ cost_ms, rows, cells = 0 }: Pick<PlanHead, 'cost_ms' | 'rows' | 'cells'>): boolean {
  const max_rows = cost_ms <= QUICK_MAX_COST_MS ? QUICK_MAX_ROWS : INLINE_MAX_ROWS;
  return cost_ms <= INLINE_MAX_COST_MS && rows <= max_rows && cells <= INLINE_MAX_CELLS;
}

/** Whether a cheap plan may soon be one that has to run in one snapshot of a thread. */
export function isSoonUrgent({ parts, cost_ms }: Plan): boolean {
  return cost_ms > URGENT_SOON_MS && parts.some(({ reads }) => reads === 'mutable');
}

/**
 * How a plan that is not cheap runs. `split`: its immutable parts go to threads, after its mutable ones ran in the
 * plan's own snapshot, for which they must be cheap. `whole`: planned again and run in one snapshot of one thread.
 */
export function placeOf({ parts, cells = 0 }: Plan): 'split' | 'whole' {
  const mutable = parts.filter(({ reads }) => reads === 'mutable');
  if (mutable.length === 0) return 'split';
  const sum = (of: 'cost_ms' | 'rows'): number => mutable.reduce((total, part) => total + part[of], 0);
  return isCheap({ cost_ms: sum('cost_ms'), rows: sum('rows'), cells }) ? 'split' : 'whole';
}
