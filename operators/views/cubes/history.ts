import type { RowBatch } from '../../../engine/log/index.ts';
import { ALL_TIME_MS, DAY_MS, NEVER_MS } from './definition.ts';

/**
 * The rows of the past, of all scopes: the event log. Read at a barrier, it has the rows of the commit under way,
 * too: the log stands before the cubes in the graph, so its handler has run.
 */
export interface CubeHistory {
  /** From this time on it has every row; ALL_TIME_MS: nothing was ever dropped. */
  start_ms(): number;
  /** Time of the newest row before this time, or of a row not much later; undefined when there is none. */
  newestBefore(time_ms: number): number | undefined;
  /** Rows that a read of [start, end) goes through, about. */
  rows(start_ms: number, end_ms: number): number;
  /** Hands over the rows of [start, end), in any order. A batch may be used again for the next. */
  read(start_ms: number, end_ms: number, take: (batch: RowBatch) => void): void;
}

/** A day is read in so many slices at most: powers of two that divide its milliseconds. */
const MAX_SLICES = 1_024;

/** The time range that is read next: the newest rows before `from_ms`, a UTC day or a part of it. */
export interface Slice {
  readonly start_ms: number;
  readonly end_ms: number;
}

/** undefined: there is nothing before `from_ms`. A day with more than `max_rows` is read in parts. */
export function nextSlice(history: CubeHistory, from_ms: number, max_rows: number): Slice | undefined {
  const newest_ms = history.newestBefore(from_ms);
  if (newest_ms === undefined) return undefined;
  const last_ms = Math.min(newest_ms, from_ms === NEVER_MS ? newest_ms : from_ms - 1);
  const day_ms = Math.floor(last_ms / DAY_MS) * DAY_MS;
  const rows = history.rows(day_ms, day_ms + DAY_MS);
  let slices = 1;
  while (slices < MAX_SLICES && rows > max_rows * slices) slices *= 2;
  const width_ms = DAY_MS / slices;
  const start_ms = day_ms + Math.floor((last_ms - day_ms) / width_ms) * width_ms;
  return { start_ms: Math.max(start_ms, history.start_ms(), ALL_TIME_MS), end_ms: from_ms };
}
