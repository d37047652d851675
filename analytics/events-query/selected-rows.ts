import type { BestPositions, Order } from './position.ts';

/** Doubles in front of the arrays. */
const HEADER_NUMBERS = 6;

/**
 * Selected rows of one part of a plan, sorted, in parallel arrays: what travels between threads and is merged.
 * Codes are the dictionary's. `codes` and `numbers` are empty where only positions are wanted.
 */
export interface SelectedRows {
  readonly order: Order;
  readonly limit: number;
  readonly scanned_rows: number;
  readonly length: number;
  readonly time_ms: Float64Array;
  readonly sequence: Float64Array;
  readonly part: Int32Array;
  /** 1: its columns may say what a newer version of its order says. */
  readonly merged: Int32Array;
  readonly numbers: readonly Float64Array[];
  readonly codes: readonly Int32Array[];
}

/** Arrays of `length` rows in one buffer. */
export function newRows(
  head: Pick<SelectedRows, 'order' | 'limit' | 'scanned_rows'>,
  length: number,
  numbers: number,
  codes: number,
): { readonly rows: SelectedRows; readonly bytes: Uint8Array } {
  const bytes = new Uint8Array(8 * HEADER_NUMBERS + length * (16 + 8 + 8 * numbers + 4 * codes));
  new Float64Array(bytes.buffer, 0, HEADER_NUMBERS).set([
    length,
    head.limit,
    head.order === 'asc' ? 1 : 0,
    head.scanned_rows,
    numbers,
    codes,
  ]);
  return { rows: rowsOf(bytes), bytes };
}

/** The rows in bytes of `newRows`, as views. */
export function rowsOf(given: Uint8Array): SelectedRows {
  // Views of doubles begin at whole doubles.
  const bytes = given.byteOffset % 8 === 0 ? given : new Uint8Array(given);
  const { buffer } = bytes;
  let at = bytes.byteOffset;
  const [length = 0, limit = 0, isAscending, scanned_rows = 0, numbers = 0, codes = 0] = new Float64Array(
    buffer,
    at,
    HEADER_NUMBERS,
  );
  at += 8 * HEADER_NUMBERS;
  const doubles = (): Float64Array => {
    const array = new Float64Array(buffer, at, length);
    at += 8 * length;
    return array;
  };
  const ints = (): Int32Array => {
    const array = new Int32Array(buffer, at, length);
    at += 4 * length;
    return array;
  };
  const time_ms = doubles();
  const sequence = doubles();
  const amounts = Array.from({ length: numbers }, doubles);
  return {
    order: isAscending === 1 ? 'asc' : 'desc',
    limit,
    scanned_rows,
    length,
    time_ms,
    sequence,
    numbers: amounts,
    part: ints(),
    merged: ints(),
    codes: Array.from({ length: codes }, ints),
  };
}

/** The best of two, in one more buffer. */
export function mergeRows(first: Uint8Array, second: Uint8Array): Uint8Array {
  const [a, b] = [rowsOf(first), rowsOf(second)];
  const length = Math.min(a.limit, a.length + b.length);
  const head = {
    order: a.order,
    limit: a.limit,
    scanned_rows: a.scanned_rows + b.scanned_rows,
  };
  const { rows, bytes } = newRows(
    head,
    length,
    Math.max(a.numbers.length, b.numbers.length),
    Math.max(a.codes.length, b.codes.length),
  );
  let [atA, atB] = [0, 0];
  for (let at = 0; at < length; at++) {
    const isA = atB >= b.length || (atA < a.length && compare(a, atA, b, atB) <= 0);
    if (isA) copyRow(a, atA++, rows, at);
    else copyRow(b, atB++, rows, at);
  }
  return bytes;
}

function compare(a: SelectedRows, atA: number, b: SelectedRows, atB: number): number {
  const difference =
    (a.time_ms[atA] as number) - (b.time_ms[atB] as number) ||
    (a.sequence[atA] as number) - (b.sequence[atB] as number) ||
    (a.part[atA] as number) - (b.part[atB] as number);
  return a.order === 'asc' ? difference : -difference;
}

function copyRow(from: SelectedRows, at: number, to: SelectedRows, toAt: number): void {
  to.time_ms[toAt] = from.time_ms[at] as number;
  to.sequence[toAt] = from.sequence[at] as number;
  to.part[toAt] = from.part[at] as number;
  to.merged[toAt] = from.merged[at] as number;
  for (let column = 0; column < from.numbers.length; column++) {
    (to.numbers[column] as Float64Array)[toAt] = (from.numbers[column] as Float64Array)[at] as number;
  }
  for (let column = 0; column < from.codes.length; column++) {
    (to.codes[column] as Int32Array)[toAt] = (from.codes[column] as Int32Array)[at] as number;
  }
}

/** What the best positions are, without their columns, and where each of them lies. */
export function positionsOf(
  best: BestPositions,
  order: Order,
  scanned_rows: number,
  columns: { readonly numbers: number; readonly codes: number },
): { readonly rows: SelectedRows; readonly bytes: Uint8Array; readonly sorted: Int32Array } {
  const sorted = best.sorted();
  const head = { order, limit: best.limit, scanned_rows };
  const made = newRows(head, sorted.length, columns.numbers, columns.codes);
  for (let at = 0; at < sorted.length; at++) {
    const from = sorted[at] as number;
    made.rows.time_ms[at] = best.timeAt(from);
    made.rows.sequence[at] = best.sequenceAt(from);
    made.rows.part[at] = best.partAt(from);
    made.rows.merged[at] = best.isMergedAt(from) ? 1 : 0;
  }
  return { ...made, sorted };
}
