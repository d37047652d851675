import { MillraceError } from '../../../engine/index.ts';
import { csvLines } from '../../../runtime/index.ts';
import { headProblem, type ImportRecord } from './import-row.ts';

/** Rows of one file: which of them are the last of their order is held in memory. */
export const MAX_IMPORT_ROWS = 200_000;

export interface CsvRow {
  /** Of the file, from 1, where the row ends. */
  readonly line: number;
  readonly record: ImportRecord;
}

/** The rows of a file, with the names of its head in lower case. Throws MillraceError `csv_invalid`, `too_many_rows`. */
export async function* csvRows(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<CsvRow> {
  let names: readonly string[] | undefined;
  let rows = 0;
  for await (const { line, cells } of csvLines(bytes)) {
    if (names === undefined) {
      names = cells.map((name) => name.trim().toLowerCase());
      const problem = headProblem(names);
      if (problem !== undefined) throw new MillraceError('csv_invalid', `The head of the file ${problem}.`);
      continue;
    }
    if (++rows > MAX_IMPORT_ROWS) throw tooManyRows();
    yield { line, record: Object.fromEntries(names.map((name, at) => [name, cells[at] ?? ''])) };
  }
  if (rows === 0) throw new MillraceError('csv_invalid', 'The file has no row below its head.');
}

function tooManyRows(): MillraceError {
  const message = `A file may have ${MAX_IMPORT_ROWS} rows. Split it and import the parts one after the other.`;
  return new MillraceError('too_many_rows', message);
}
