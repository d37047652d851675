import { MillraceError } from '../base/index.ts';
import { FIRST_COLUMN } from './places.ts';
import type { ColumnKind, ColumnSpec, LogSchema } from './row-batch.ts';

/** Columns that segments were written with, and where each lies in a chunk. */
export interface StoredSchema {
  readonly id: number;
  readonly columns: readonly ColumnSpec[];
  readonly items: readonly ColumnSpec[];
}

export function physicalColumns({ columns, items }: Pick<StoredSchema, 'columns' | 'items'>): number {
  return FIRST_COLUMN + columns.length + items.length;
}

/**
 * The columns of a schema and those that only older segments have: a merge loses none of them. Throws
 * `log_column_changed`.
 */
export function unionOf(
  schema: Pick<LogSchema, 'columns' | 'items'>,
  older: readonly StoredSchema[],
): Pick<StoredSchema, 'columns' | 'items'> {
  const columns = [...schema.columns];
  const items = [...schema.items];
  for (const stored of older) {
    addMissing(columns, stored.columns);
    addMissing(items, stored.items);
  }
  return { columns, items };
}

function addMissing(to: ColumnSpec[], from: readonly ColumnSpec[]): void {
  for (const spec of from) {
    const known = to.find(({ name }) => name === spec.name);
    if (known === undefined) to.push(spec);
    else checkKind(known, spec);
  }
}

function checkKind({ name, kind }: ColumnSpec, stored: ColumnSpec): void {
  if (kind === stored.kind) return;
  throw new MillraceError(
    'log_column_changed',
    `The column "${name}" of the event log holds values of kind ${stored.kind}, and is declared as ${kind}. Give the new column another name.`,
  );
}

/** Where the columns of a schema lie in a chunk, by kind and place among their kind; -1: not there. */
export interface ColumnPlaces {
  readonly codes: readonly number[];
  readonly hashes: readonly number[];
  readonly numbers: readonly number[];
  readonly itemCodes: readonly number[];
  readonly itemNumbers: readonly number[];
}

/** Throws `log_column_changed`. */
export function placesOf(schema: Pick<LogSchema, 'columns' | 'items'>, stored: StoredSchema): ColumnPlaces {
  const places = (
    specs: readonly ColumnSpec[],
    from: readonly ColumnSpec[],
    first: number,
    wanted: ColumnKind,
  ): number[] =>
    specs
      .filter(({ kind }) => kind === wanted)
      .map((spec) => {
        const at = from.findIndex(({ name }) => name === spec.name);
        if (at >= 0) checkKind(spec, from[at] as ColumnSpec);
        return at < 0 ? -1 : first + at;
      });
  const firstItem = FIRST_COLUMN + stored.columns.length;
  return {
    codes: places(schema.columns, stored.columns, FIRST_COLUMN, 'code'),
    hashes: places(schema.columns, stored.columns, FIRST_COLUMN, 'hash'),
    numbers: places(schema.columns, stored.columns, FIRST_COLUMN, 'number'),
    itemCodes: places(schema.items, stored.items, firstItem, 'code'),
    itemNumbers: places(schema.items, stored.items, firstItem, 'number'),
  };
}
