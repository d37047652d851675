import type { Chunk, ChunkCodes, ChunkHashes, ChunkIndex } from '../../engine/index.ts';
import { CODE, FLAG } from '../rows/index.ts';
import type { BestPositions, Order, Position } from './position.ts';

/** A column test with its texts as codes. Plain data. */
export type CodeTest =
  | {
      readonly kind: 'code';
      /** Places among the code columns of rows, and of items: any of them has one of the codes. */
      readonly columns: readonly number[];
      readonly items: readonly number[];
      readonly codes: Int32Array;
      readonly isOwn: boolean;
    }
  | {
      readonly kind: 'hash';
      readonly column: number;
      readonly hi: Int32Array;
      readonly lo: Int32Array;
      /** Each event has its own value there; other columns of some say what the newest version of their order says. */
      readonly isOwn: boolean;
    };

export interface RowFilter {
  readonly start_ms: number;
  readonly end_ms: number;
  readonly upTo: number;
  readonly order: Order;
  readonly after: Position | undefined;
  readonly tests: readonly CodeTest[];
  readonly sequences: Float64Array | undefined;
}

/** Rows of a chunk that are still candidates; used again for the next chunk. */
export class Candidates {
  rows = new Int32Array(0);
  length = 0;

  /** All rows of a chunk, which are still to be filled in. */
  reset(rows: number): void {
    if (this.rows.length < rows) this.rows = new Int32Array(rows);
    this.length = rows;
  }
}

/** Whether no row of the chunk can be among the best any more, or comes behind `after`. */
export function isOut(chunk: Chunk, best: BestPositions, { order, after }: RowFilter): boolean {
  if (order === 'desc') {
    if (after !== undefined && chunk.min_ms > after.time_ms) return true;
    return best.isFull && chunk.max_ms < best.worst_ms;
  }
  if (after !== undefined && chunk.max_ms < after.time_ms) return true;
  return best.isFull && chunk.min_ms > best.worst_ms;
}

/** Offers the events of a chunk that pass the filter; `place` says which chunk it is. */
export function selectFrom(
  chunk: Chunk,
  place: number,
  filter: RowFilter,
  best: BestPositions,
  candidates: Candidates,
): void {
  if (isOut(chunk, best, filter)) return;
  const flags = chunk.code(CODE.flags);
  candidates.reset(chunk.rows);
  keepFlags(flags, ORIGINAL_OR_MERGED, FLAG.original, candidates);
  for (const test of filter.tests) keepRows(chunk, test, candidates);
  offer(chunk, place, false, filter, best, candidates);
  // Of these, too, the events themselves decide what their columns cannot say.
  candidates.reset(chunk.rows);
  keepFlags(flags, ORIGINAL_OR_MERGED, ORIGINAL_OR_MERGED, candidates);
  for (const test of filter.tests) if (test.isOwn) keepRows(chunk, test, candidates);
  offer(chunk, place, true, filter, best, candidates);
}

const ORIGINAL_OR_MERGED = FLAG.original | FLAG.merged;

function keepRows(chunk: Chunk, test: CodeTest, candidates: Candidates): void {
  if (candidates.length === 0) return;
  if (test.kind === 'hash') keepHashes(chunk.hash(test.column), test.hi, test.lo, candidates);
  else keepCodes(chunk, test, candidates);
}

/** Rows whose flags, as far as the mask goes, are these: of each event only the row that it came in with. */
function keepFlags({ index, values }: ChunkCodes, mask: number, flags: number, candidates: Candidates): void {
  const kept = candidates.rows;
  const rows = candidates.length;
  let length = 0;
  const accepted = values.map((value) => ((value & mask) === flags ? 1 : 0));
  if (!accepted.includes(1)) {
    candidates.length = 0;
  } else if (index !== null) {
    for (let row = 0; row < rows; row++) if (accepted[index[row] as number] === 1) kept[length++] = row;
    candidates.length = length;
  } else {
    for (; length < rows; length++) kept[length] = length;
  }
}

interface Column {
  readonly index: ChunkIndex | null;
  readonly accepted: Uint8Array;
}

/** Which of a column's values are among the codes; undefined: none. */
function acceptedOf({ index, values }: ChunkCodes, codes: Int32Array): Column | undefined {
  const accepted = new Uint8Array(values.length);
  let isAny = false;
  for (let at = 0; at < values.length; at++) {
    if (!codes.includes(values[at] as number)) continue;
    accepted[at] = 1;
    isAny = true;
  }
  return isAny ? { index, accepted } : undefined;
}

function keep({ index, accepted }: Column, candidates: Candidates): void {
  const { rows } = candidates;
  if (index === null) {
    if (accepted[0] === 0) candidates.length = 0;
    return;
  }
  let length = 0;
  for (let at = 0; at < candidates.length; at++) {
    const row = rows[at] as number;
    if (accepted[index[row] as number] === 1) rows[length++] = row;
  }
  candidates.length = length;
}

function keepCodes(chunk: Chunk, test: Extract<CodeTest, { kind: 'code' }>, candidates: Candidates): void {
  const columns = test.columns.flatMap((column) => acceptedOf(chunk.code(column), test.codes) ?? []);
  const [only] = columns;
  if (test.items.length === 0 && columns.length === 1 && only !== undefined) {
    keep(only, candidates);
    return;
  }
  const items = chunk.hasItems && test.items.length > 0 ? chunk.items() : undefined;
  const itemColumns = test.items.flatMap((column) =>
    items === undefined ? [] : (acceptedOf(items.code(column), test.codes) ?? []),
  );
  const { rows } = candidates;
  let length = 0;
  for (let at = 0; at < candidates.length; at++) {
    const row = rows[at] as number;
    let passes = columns.some((column) => passesAt(column, row));
    if (!passes && items !== undefined && itemColumns.length > 0) {
      const start = items.start[row] as number;
      const end = start + (items.count[row] as number);
      for (let item = start; item < end && !passes; item++) {
        passes = itemColumns.some((column) => passesAt(column, item));
      }
    }
    if (passes) rows[length++] = row;
  }
  candidates.length = length;
}

function passesAt({ index, accepted }: Column, at: number): boolean {
  return accepted[index === null ? 0 : (index[at] as number)] === 1;
}

function keepHashes(
  { index, hi, lo }: ChunkHashes,
  wantedHi: Int32Array,
  wantedLo: Int32Array,
  candidates: Candidates,
): void {
  const accepted = new Uint8Array(hi.length);
  let isAny = false;
  for (let wanted = 0; wanted < wantedHi.length; wanted++) {
    const [high, low] = [wantedHi[wanted] as number, wantedLo[wanted] as number];
    for (let at = hi.indexOf(high); at !== -1; at = hi.indexOf(high, at + 1)) {
      if (lo[at] !== low) continue;
      accepted[at] = 1;
      isAny = true;
    }
  }
  if (isAny) keep({ index, accepted }, candidates);
  else candidates.length = 0;
}

function offer(
  chunk: Chunk,
  place: number,
  isMerged: boolean,
  { start_ms, end_ms, upTo, order, after, sequences }: RowFilter,
  best: BestPositions,
  { rows, length }: Candidates,
): void {
  if (length === 0) return;
  const times = chunk.time_ms();
  const sequence = chunk.sequence();
  const parts = chunk.part();
  const sign = order === 'asc' ? 1 : -1;
  for (let at = 0; at < length; at++) {
    const row = rows[at] as number;
    const time_ms = times[row] as number;
    const number = sequence[row] as number;
    if (time_ms < start_ms || time_ms >= end_ms || number > upTo) continue;
    const part = parts[row] as number;
    if (after !== undefined) {
      const behind = sign * (time_ms - after.time_ms || number - after.sequence || part - after.part);
      if (behind <= 0) continue;
    }
    if (sequences !== undefined && !holds(sequences, number)) continue;
    best.offer(time_ms, number, part, place, row, isMerged);
  }
}

/** Binary search. */
function holds(sorted: Float64Array, value: number): boolean {
  let [low, high] = [0, sorted.length - 1];
  while (low <= high) {
    const middle = (low + high) >> 1;
    const found = sorted[middle] as number;
    if (found === value) return true;
    if (found < value) low = middle + 1;
    else high = middle - 1;
  }
  return false;
}
