import type { RowHashes, RowTable } from './row-table.ts';

/**
 * Takes the retractions among the ordered rows [from, to) of one entity out, each with the row that it takes back:
 * one of the same time, event and content. Returns where the rows that are left end.
 */
export function netRows(table: RowTable, order: Uint32Array, from: number, to: number): number {
  const { retraction } = table;
  let isAny = false;
  for (let at = from; at < to && !isAny; at++) isAny = retraction[order[at] as number] === 1;
  if (!isAny) return to;
  const gone = new Set<number>();
  for (let at = from; at < to; at++) {
    const row = order[at] as number;
    if (retraction[row] === 1) {
      gone.add(row);
      gone.add(takenBack(table, order, from, at, gone));
    }
  }
  let end = from;
  for (let at = from; at < to; at++) {
    const row = order[at] as number;
    if (!gone.has(row)) order[end++] = row;
  }
  return end;
}

/** The row that the retraction at `order[at]` takes back: rows of one event lie before its retractions. */
function takenBack(
  table: RowTable,
  order: Uint32Array,
  from: number,
  at: number,
  gone: ReadonlySet<number>,
): number {
  const retraction = order[at] as number;
  for (let place = at - 1; place >= from; place--) {
    const row = order[place] as number;
    if (table.time_ms[row] !== table.time_ms[retraction] || table.event[row] !== table.event[retraction])
      break;
    if (table.retraction[row] === 0 && !gone.has(row) && saysTheSame(table, row, retraction)) return row;
  }
  throw new Error('a retraction takes back a row that the log has');
}

function saysTheSame({ bits, codes, numbers, hashes }: RowTable, a: number, b: number): boolean {
  return (
    bits[a] === bits[b] &&
    codes.every((column) => column[a] === column[b]) &&
    numbers.every((column) => sameNumber(column[a] as number, column[b] as number)) &&
    hashes.every(({ hi, lo }: RowHashes) => hi[a] === hi[b] && lo[a] === lo[b])
  );
}

/** NaN is none. */
function sameNumber(a: number, b: number): boolean {
  return a === b || (Number.isNaN(a) && Number.isNaN(b));
}
