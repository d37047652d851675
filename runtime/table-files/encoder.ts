import type { Column } from './table.ts';
import type { TableSink } from './table-file.ts';
import type { TableEncoder, TableThreadData } from './thread-messages.ts';

/** Encodes in the thread that calls it. Libraries are loaded when they are needed: others do not pay for them. */
export async function openEncoder(
  format: TableThreadData['format'],
  columns: readonly Column[],
  sink: TableSink,
): Promise<TableEncoder> {
  return format === 'parquet'
    ? new (await import('./parquet-file.ts')).ParquetFile(columns, sink)
    : new (await import('./xlsx-file.ts')).XlsxFile(columns, sink);
}
