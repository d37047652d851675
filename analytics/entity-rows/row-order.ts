import type { RowTable } from './row-table.ts';

const MAX_BITS = 20;
/** Aimed at: so few that insertion is the fastest way. */
const ROWS_A_BUCKET = 8;
/** A bucket of more is sorted by the runtime, where it is not in order already. */
const INSERTION_MAX_ROWS = 48;
const ROWS_A_CHECK = 65_536;

/**
 * The rows in order of entity, time and event; a retraction behind the row that it may take back. By counting of the
 * hashes' first bits, then by insertion: rows come from sorted chunks, so a bucket is nearly in order.
 */
export function orderRows(table: RowTable, check: () => void): Uint32Array {
  const { count } = table;
  const bits = Math.min(MAX_BITS, Math.max(1, 32 - Math.clz32(Math.floor(count / ROWS_A_BUCKET))));
  const { hi } = table.entity;
  const ends = new Uint32Array((1 << bits) + 1);
  for (let row = 0; row < count; row++) {
    const bucket = ((hi[row] as number) >>> (32 - bits)) + 1;
    ends[bucket] = (ends[bucket] as number) + 1;
  }
  for (let bucket = 1; bucket < ends.length; bucket++)
    ends[bucket] = (ends[bucket] as number) + (ends[bucket - 1] as number);
  const next = ends.slice();
  const order = new Uint32Array(count);
  for (let row = 0; row < count; row++) {
    const bucket = (hi[row] as number) >>> (32 - bits);
    const place = next[bucket] as number;
    next[bucket] = place + 1;
    order[place] = row;
  }
  let checked = 0;
  for (let bucket = 0; bucket + 1 < ends.length; bucket++) {
    const from = ends[bucket] as number;
    const to = ends[bucket + 1] as number;
    if (to - from > 1) sortBucket(table, order, from, to);
    if (to - checked >= ROWS_A_CHECK) {
      checked = to;
      check();
    }
  }
  return order;
}

function sortBucket(table: RowTable, order: Uint32Array, from: number, to: number): void {
  if (to - from > INSERTION_MAX_ROWS) {
    if (!isSorted(table, order, from, to)) order.subarray(from, to).sort((a, b) => compareRows(table, a, b));
    return;
  }
  for (let at = from + 1; at < to; at++) {
    const row = order[at] as number;
    let hole = at;
    for (; hole > from && compareRows(table, row, order[hole - 1] as number) < 0; hole--)
      order[hole] = order[hole - 1] as number;
    order[hole] = row;
  }
}

function isSorted(table: RowTable, order: Uint32Array, from: number, to: number): boolean {
  for (let at = from + 1; at < to; at++)
    if (compareRows(table, order[at - 1] as number, order[at] as number) > 0) return false;
  return true;
}

function compareRows(
  { entity: { hi, lo }, time_ms, event, retraction, sequence }: RowTable,
  a: number,
  b: number,
): number {
  return (
    ((hi[a] as number) >>> 0) - ((hi[b] as number) >>> 0) ||
    (lo[a] as number) - (lo[b] as number) ||
    (time_ms[a] as number) - (time_ms[b] as number) ||
    (event[a] as number) - (event[b] as number) ||
    (retraction[a] as number) - (retraction[b] as number) ||
    (sequence[a] as number) - (sequence[b] as number)
  );
}
