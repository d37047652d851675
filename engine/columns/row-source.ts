import { FIRST_COLUMN, PART, SEQUENCE, TIME } from './places.ts';
import type { ColumnSpec } from './row-batch.ts';
import type { StoredSchema } from './stored-schema.ts';

/** A hash column: row r has the words hi[ids[r]] and lo[ids[r]]. Number 0 is none. */
export interface HashValues {
  readonly ids: Int32Array;
  readonly hi: Int32Array;
  readonly lo: Int32Array;
  readonly count: number;
}

/** Lists of items that rows share. */
export interface ItemLists {
  /** Of each row; 0 is the empty list. */
  readonly list: Int32Array;
  /** Lists, the empty one included. */
  readonly count: number;
  /** List l has the items [start[l], start[l] + size[l]). */
  readonly start: Int32Array;
  readonly size: Int32Array;
  codes(column: number): Int32Array;
  numbers(column: number): Float64Array;
}

/**
 * Rows with whole columns, on their way into chunks or under a check. A column goes by its place among those of
 * its kind, is null when all its values are none, and is valid until the next one of its kind is asked for.
 */
export interface RowSource {
  readonly rows: number;
  readonly time_ms: Float64Array;
  sequence(): Float64Array;
  part(): Int32Array | null;
  codes(column: number): Int32Array | null;
  hashes(column: number): HashValues | null;
  numbers(column: number): Float64Array | null;
  /** Null when no row has items. */
  items(): ItemLists | null;
}

/** Takes column after column; those without values are left out. `place` is that in a chunk. */
export interface ColumnVisitor {
  codes(place: number, values: Int32Array, spec?: ColumnSpec): void;
  hashes(place: number, values: HashValues, spec: ColumnSpec): void;
  numbers(place: number, values: Float64Array, spec?: ColumnSpec): void;
  items(first: number, specs: readonly ColumnSpec[], lists: ItemLists): void;
}

export function visitColumns(
  source: RowSource,
  { columns, items }: Pick<StoredSchema, 'columns' | 'items'>,
  visitors: readonly ColumnVisitor[],
): void {
  for (const visitor of visitors) visitor.numbers(TIME, source.time_ms);
  const sequence = source.sequence();
  for (const visitor of visitors) visitor.numbers(SEQUENCE, sequence);
  const part = source.part();
  if (part !== null) for (const visitor of visitors) visitor.codes(PART, part);
  const next = { code: 0, hash: 0, number: 0 };
  for (const [index, spec] of columns.entries()) {
    visitColumn(source, FIRST_COLUMN + index, spec, next[spec.kind]++, visitors);
  }
  const lists = source.items();
  if (lists === null) return;
  for (const visitor of visitors) visitor.items(FIRST_COLUMN + columns.length, items, lists);
}

function visitColumn(
  source: RowSource,
  place: number,
  spec: ColumnSpec,
  column: number,
  visitors: readonly ColumnVisitor[],
): void {
  if (spec.kind === 'code') {
    const values = source.codes(column);
    if (values !== null) for (const visitor of visitors) visitor.codes(place, values, spec);
  } else if (spec.kind === 'hash') {
    const values = source.hashes(column);
    if (values !== null) for (const visitor of visitors) visitor.hashes(place, values, spec);
  } else {
    const values = source.numbers(column);
    if (values !== null) for (const visitor of visitors) visitor.numbers(place, values, spec);
  }
}
