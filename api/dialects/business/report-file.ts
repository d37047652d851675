import { type Cell, type Column, openTableFile } from '../../../runtime/index.ts';

const CSV_TYPE = 'text/csv; charset=utf-8';
const XLSX_TYPE = 'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet';

type Row = Readonly<Record<string, unknown>>;

/** Rows as a file; a report has hundreds at most, so it is made before it is sent. */
export async function reportFile(
  rows: readonly Row[],
  format: 'csv' | 'xlsx',
): Promise<{ readonly media_type: string; readonly stream: ReadableStream<Uint8Array> }> {
  const names = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  const columns = names.map(
    (name): Column => ({ name, type: rows.some((row) => typeof row[name] === 'string') ? 'text' : 'number' }),
  );
  const parts: Uint8Array[] = [];
  const sink = {
    write: async (bytes: Uint8Array | string): Promise<void> => {
      // A writer may use its buffer again.
      parts.push(typeof bytes === 'string' ? new TextEncoder().encode(bytes) : Uint8Array.from(bytes));
    },
  };
  const writer = await openTableFile(format, columns, sink);
  try {
    for (const row of rows) await writer.write(names.map((name) => cellOf(row[name])));
    await writer.finish();
  } finally {
    await writer.close();
  }
  const stream = new ReadableStream<Uint8Array>({
    start: (controller) => {
      for (const part of parts) controller.enqueue(part);
      controller.close();
    },
  });
  return { media_type: format === 'csv' ? CSV_TYPE : XLSX_TYPE, stream };
}

function cellOf(value: unknown): Cell {
  if (typeof value === 'number') return { number: String(value) };
  if (typeof value === 'string' || typeof value === 'boolean') return value;
  return null;
}
