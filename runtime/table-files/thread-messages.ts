import type { Column } from './table.ts';
import type { TableFileWriter, TableFormat } from './table-file.ts';

/** Encodes a table in the thread that calls it. */
export type TableEncoder = Pick<TableFileWriter, 'write' | 'finish'>;

/** What the thread of a file is started with. Plain data. */
export interface TableThreadData {
  readonly millrace: 'table';
  readonly format: Exclude<TableFormat, 'ndjson' | 'csv'>;
  readonly columns: readonly Column[];
}

export type ToTableThread =
  /** JSON of rows of cells. */
  | { readonly kind: 'rows'; readonly rows: string }
  /** The bytes that it gave last are written. */
  | { readonly kind: 'taken' }
  | { readonly kind: 'finish' };

export type FromTableThread =
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array }
  /** A message of rows is done with. */
  | { readonly kind: 'encoded' }
  | { readonly kind: 'finished' }
  | { readonly kind: 'failed'; readonly code: string; readonly message: string };
