import type { ScanPlan } from '../../engine/index.ts';
import type { TimeRange } from '../query/index.ts';
import type { OrdersQuery } from './list-schema.ts';

/** Rows that the first window of a page has, to the orders of the page. */
export const ROWS_TO_AN_ORDER = 32;
/** A window that has too few orders is followed by a larger one. */
const GROWTH = 4;
const MAX_ROWS = 2_000_000;

/** A piece of the time of a list, next to the one that was looked at before. */
export interface ListWindow extends TimeRange {
  readonly isLast: boolean;
}

/** Where a list goes on: behind the cursor, or at the end of its range. */
export function firstEdge({ order, after }: Pick<OrdersQuery, 'order' | 'after'>, range: TimeRange): number {
  if (order === 'asc') return Math.max(range.start_ms, after?.time_ms ?? range.start_ms);
  return Math.min(range.end_ms, after === undefined ? range.end_ms : after.time_ms + 1);
}

/** The pieces of a list's time, in its order, the later ones larger: whoever has found a page takes no more. */
export function* listWindows(
  plan: ScanPlan,
  range: TimeRange,
  query: Pick<OrdersQuery, 'order' | 'after' | 'limit'>,
): Generator<ListWindow> {
  let edge_ms = firstEdge(query, range);
  let rows = ROWS_TO_AN_ORDER * (query.limit + 1);
  for (let isLast = false; !isLast; rows = Math.min(MAX_ROWS, GROWTH * rows)) {
    const other_ms = otherEdge(plan, range, edge_ms, query.order, rows);
    const [start_ms, end_ms] = query.order === 'asc' ? [edge_ms, other_ms] : [other_ms, edge_ms];
    isLast = query.order === 'asc' ? end_ms >= range.end_ms : start_ms <= range.start_ms;
    yield { start_ms, end_ms, isLast };
    edge_ms = other_ms;
  }
}

/** So far from an edge that there are about so many rows between; the end of the range where there are fewer. */
function otherEdge(
  plan: ScanPlan,
  { start_ms, end_ms }: TimeRange,
  edge_ms: number,
  order: OrdersQuery['order'],
  rows: number,
): number {
  let [near, far] = order === 'asc' ? [edge_ms, end_ms] : [edge_ms, start_ms];
  const isEnough = (other_ms: number): boolean =>
    rowsBetween(plan, Math.min(edge_ms, other_ms), Math.max(edge_ms, other_ms)) >= rows;
  if (!isEnough(far)) return far;
  while (Math.abs(far - near) > 1) {
    const middle = Math.floor((near + far) / 2);
    if (isEnough(middle)) far = middle;
    else near = middle;
  }
  return far;
}

/** About: as if the rows of a chunk were spread evenly over its time. */
function rowsBetween({ chunks }: ScanPlan, start_ms: number, end_ms: number): number {
  let rows = 0;
  for (const { rows: all, min_ms = start_ms, max_ms = end_ms - 1 } of chunks) {
    const shared_ms = Math.min(max_ms + 1, end_ms) - Math.max(min_ms, start_ms);
    if (shared_ms > 0) rows += (all * shared_ms) / (max_ms + 1 - min_ms);
  }
  return rows;
}
