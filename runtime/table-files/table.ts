/** A value of a file: a text, or JSON that is ready (a number, a payload). null: there is none. */
export type Cell = string | boolean | null | { readonly number: string } | { readonly json: string };

/** What the values of a column are; `money` is a decimal of the major unit, `time` RFC 3339. */
export type ColumnType = 'text' | 'time' | 'integer' | 'number' | 'money' | 'boolean' | 'json';

export interface Column {
  readonly name: string;
  readonly type: ColumnType;
}

/** An answer as a table: each row has a cell for each column. */
export interface AnswerTable {
  readonly columns: readonly Column[];
  readonly rows: Iterable<readonly Cell[]>;
}
