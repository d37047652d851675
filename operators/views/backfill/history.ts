import type { Chunk, RowBatch, ScanRequest } from '../../../engine/index.ts';

export const DAY_MS = 86_400_000;
/** Before and after every time: the first and the last moment of `Date`. */
export const ALL_TIME_MS = -8.64e15;
export const NEVER_MS = 8.64e15;

/** Rows of the past that are read together: those of [start, end), of one scope or of all. */
export interface HistoryRange {
  /** undefined: all scopes. */
  readonly scope: string | undefined;
  readonly start_ms: number;
  readonly end_ms: number;
}

/**
 * The rows of the past: the event log. Read at a barrier, it has the rows of the commit under way, too: the log
 * stands in the graph before the operator that reads it, or in a branch that was made before its own, so its
 * handler has run.
 */
export interface RowHistory {
  /** To be called at each barrier before the others: what the log has may have changed since the last one. */
  refresh(): void;
  /** From this time on it has every row; ALL_TIME_MS: nothing was ever dropped. */
  start_ms(scope: string | undefined): number;
  /** Time of the newest row before this time, or of a row not much later; undefined when there is none. */
  newestBefore(time_ms: number, scope: string | undefined): number | undefined;
  /** Rows that a read goes through, about. */
  rows(range: HistoryRange): number;
  /**
   * Hands over rows in any order, in the columns that were asked for when it was made and the text columns named,
   * of rows and of items. A batch may be used again for the next.
   */
  read(range: HistoryRange, texts: readonly string[], take: (batch: RowBatch) => void): void;
  /**
   * Hands over the chunks that have rows of the range, with all columns; rows outside of `request` are to be left
   * out, as `selectRows` does. In a sealed segment of the log they lie by entity and time.
   */
  chunks(range: HistoryRange, take: (chunk: Chunk, request: ScanRequest) => void): void;
  /** Lets go of the memory that it holds, until it is read again. */
  release(): void;
}

/** A day is read in so many slices at most: powers of two that divide its milliseconds. */
const MAX_SLICES = 1_024;

/** undefined: there is nothing before `from_ms`. A day with more than `max_rows` is read in parts. */
export function nextSlice(
  history: RowHistory,
  scope: string | undefined,
  from_ms: number,
  max_rows: number,
): HistoryRange | undefined {
  const newest_ms = history.newestBefore(from_ms, scope);
  if (newest_ms === undefined) return undefined;
  const last_ms = Math.min(newest_ms, from_ms === NEVER_MS ? newest_ms : from_ms - 1);
  const day_ms = Math.floor(last_ms / DAY_MS) * DAY_MS;
  const rows = history.rows({ scope, start_ms: day_ms, end_ms: day_ms + DAY_MS });
  let slices = 1;
  while (slices < MAX_SLICES && rows > max_rows * slices) slices *= 2;
  const width_ms = DAY_MS / slices;
  const start_ms = day_ms + Math.floor((last_ms - day_ms) / width_ms) * width_ms;
  return { scope, start_ms: Math.max(start_ms, history.start_ms(scope), ALL_TIME_MS), end_ms: from_ms };
}
