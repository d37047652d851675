import { type RowFormat, rowText } from './row-text.ts';
import type { Cell, Column } from './table.ts';
import { ThreadedFile } from './threaded-file.ts';

/** Where the bytes of a file go, in order. */
export interface TableSink {
  write(bytes: Uint8Array | string): Promise<void>;
}

/** Writes a table row by row; memory does not grow with the rows. */
export interface TableFileWriter {
  readonly media_type: string;
  /** A cell for each column. Throws what the sink throws. */
  write(cells: readonly Cell[]): Promise<void>;
  /** Once, after the last row. */
  finish(): Promise<void>;
  /** Whatever became of it: nothing is written any more. */
  close(): Promise<void>;
}

export const TABLE_FORMATS = ['ndjson', 'csv', 'parquet', 'xlsx'] as const;
export type TableFormat = (typeof TABLE_FORMATS)[number];

/** Whether a file of the format can be gone on with from any of its rows. */
export function isText(format: TableFormat): format is RowFormat {
  return format === 'ndjson' || format === 'csv';
}

/** A writer of a table file. Close it. */
export async function openTableFile(
  format: TableFormat,
  columns: readonly Column[],
  sink: TableSink,
): Promise<TableFileWriter> {
  if (!isText(format)) return new ThreadedFile(format, columns, sink);
  const text = rowText(
    format,
    columns.map(({ name }) => name),
  );
  if (text.head !== '') await sink.write(text.head);
  return {
    media_type: text.media_type,
    write: (cells) => sink.write(text.line(cells)),
    finish: () => Promise.resolve(),
    close: () => Promise.resolve(),
  };
}
