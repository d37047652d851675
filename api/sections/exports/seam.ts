import { MillraceError } from '../../../engine/index.ts';
import type { AnswerTable, Cell, Column } from '../../../runtime/index.ts';

/** A position of the stream, as answers say it. */
export type SeamPosition = Readonly<Record<string, Readonly<Record<string, number>>>>;

/** What a file said up to its position. */
export interface SeamEnd {
  readonly position: SeamPosition;
  /** The end of its range, ms. */
  readonly end_ms: number;
  /** Up to where it could be complete, ms; null: nowhere. */
  readonly complete_until_ms: number | null;
}

/** Between which positions a file lies. */
export interface Seam {
  /** What an answer depends on beside the query and the position: where that changes, files begin anew. */
  readonly of: string;
  /** The file before; null: this one says everything, and those before it are to be dropped. */
  readonly after: SeamEnd | null;
  readonly to: SeamPosition;
}

/** Of which position a row is: of rows of one key the one with the largest counts. */
export const AS_OF: Column = { name: 'as_of', type: 'integer' };

interface SeamRows {
  /** Of the answer as of the position before; undefined where there is none. */
  readonly before: AnswerTable | undefined;
  readonly now: AnswerTable;
  readonly seam: Seam;
  /** Columns that are metrics; those before them are the key. */
  readonly metrics: ReadonlySet<string>;
}

/**
 * The rows that say what changed between two positions: those that are new or have other values, those of buckets that
 * the file before could not say to their end, and, with zeros, those that are no more. Files put one behind the other,
 * of each key the newest row, are the answer at the last position.
 */
export function seamRows({ before, now, seam, metrics }: SeamRows): AnswerTable {
  const { columns } = now;
  const isKey = columns.map(({ name }) => !metrics.has(name) && name !== 'incomplete');
  const keyOf = (cells: readonly Cell[]): string => JSON.stringify(cells.filter((_, at) => isKey[at]));
  const timeAt = columns.findIndex(({ name }) => name === 'time');
  const as_of: Cell = { number: String(sequenceOf(seam.to)) };
  const old = new Map<string, readonly Cell[]>();
  for (const cells of before?.rows ?? []) old.set(keyOf(cells), cells);
  const current = [...now.rows];
  const isOpen = openBuckets(
    current.map((cells) => String(cells[timeAt])),
    seam.after,
  );
  const rows = function* (): Generator<readonly Cell[]> {
    for (const cells of current) {
      const key = keyOf(cells);
      const earlier = old.get(key);
      old.delete(key);
      const isSame = earlier !== undefined && JSON.stringify(earlier) === JSON.stringify(cells);
      if (!isSame || isOpen(String(cells[timeAt]))) yield [...cells, as_of];
    }
    for (const cells of old.values()) {
      const gone = cells.map((cell, at) => (isKey[at] ? cell : nothingOf(columns[at], cell)));
      yield [...gone, as_of];
    }
  };
  return { columns: [...columns, AS_OF], rows: rows() };
}

/** Of a bucket's start, whether the bucket was not over, or not asked for, when the file before was made. */
function openBuckets(times: readonly string[], after: SeamEnd | null): (time: string) => boolean {
  if (after === null) return () => true;
  const limit_ms = Math.min(after.end_ms, after.complete_until_ms ?? Number.NEGATIVE_INFINITY);
  const sorted = [...new Set(times)].sort((a, b) => Date.parse(a) - Date.parse(b));
  const open = new Set(
    sorted.filter((_, at) => {
      const next = sorted[at + 1];
      return next === undefined || Date.parse(next) > limit_ms;
    }),
  );
  return (time) => open.has(time);
}

/** What a row says that is no more. */
function nothingOf(column: Column | undefined, cell: Cell): Cell {
  if (column?.type === 'boolean') return false;
  const isCounted =
    column?.type === 'money' || (typeof cell === 'object' && cell !== null && 'number' in cell);
  return isCounted ? { number: '0' } : null;
}

/** The sequence of a position of one stream. */
export function sequenceOf(position: SeamPosition): number {
  const [partitions = {}] = Object.values(position);
  return partitions['0'] ?? 0;
}

/** Throws where a file would not be the whole of an answer. */
export function requireWhole({ truncated }: { readonly truncated: boolean }): void {
  if (!truncated) return;
  throw new MillraceError(
    'seam_truncated',
    'The query has more groups than an answer has: its files would leave some out. Filter, or group by less.',
  );
}
