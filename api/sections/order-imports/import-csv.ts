import { Readable } from 'node:stream';
import { parse } from 'csv-parse';
import { asMillraceError, MillraceError } from '../../../engine/index.ts';
import { headProblem, type ImportRecord } from './import-row.ts';

/** Rows of one file: which of them are the last of their order is held in memory. */
export const MAX_IMPORT_ROWS = 200_000;
const MAX_RECORD_CHARS = 65_536;

export interface CsvRow {
  /** Of the file, from 1, where the row ends. */
  readonly line: number;
  readonly record: ImportRecord;
}

/** The rows of a file, with the names of its head in lower case. Throws MillraceError `csv_invalid`, `too_many_rows`. */
export async function* csvRows(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<CsvRow> {
  const parser = parse({
    ...{ bom: true, info: true, skip_empty_lines: true, relax_column_count: true },
    max_record_size: MAX_RECORD_CHARS,
    columns: (head: readonly string[]) => {
      const names = head.map((name) => name.trim().toLowerCase());
      const problem = headProblem(names);
      if (problem !== undefined) throw new MillraceError('csv_invalid', `The head of the file ${problem}.`);
      return names;
    },
  });
  const source = Readable.from(bytes);
  source.on('error', (error) => parser.destroy(error));
  source.pipe(parser);
  let rows = 0;
  try {
    for await (const row of parser as AsyncIterable<{
      readonly record: ImportRecord;
      readonly info: { readonly lines: number };
    }>) {
      if (++rows > MAX_IMPORT_ROWS) throw tooManyRows();
      yield { line: row.info.lines, record: row.record };
    }
  } catch (thrown) {
    if (thrown instanceof Error && 'code' in thrown && String(thrown.code).startsWith('CSV_'))
      throw new MillraceError('csv_invalid', `The file cannot be read as CSV: ${thrown.message}`, {
        cause: thrown,
      });
    throw asMillraceError(thrown);
  } finally {
    source.destroy();
  }
  // A file without a row has not been asked for its head.
  if (rows === 0) throw new MillraceError('csv_invalid', 'The file has no row below its head.');
}

function tooManyRows(): MillraceError {
  const message = `A file may have ${MAX_IMPORT_ROWS} rows. Split it and import the parts one after the other.`;
  return new MillraceError('too_many_rows', message);
}
