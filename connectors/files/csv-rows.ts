import { Readable } from 'node:stream';
import { CsvError, parse } from 'csv-parse';
import type { FileRecord } from './file-records.ts';
import { LINE_MAX_BYTES } from './lines.ts';

interface Row {
  readonly record: readonly string[];
  readonly raw: string;
  readonly info: { readonly lines: number };
}

/**
 * The rows of a CSV file (RFC 4180, UTF-8) as JSON objects whose members are named by its first row, all of them texts;
 * an empty cell is no member. A row with other cells than the first row has names is a problem, and so is what follows
 * a quote that does not end.
 */
export async function* csvRows(
  chunks: AsyncIterable<Uint8Array>,
  delimiter: string,
): AsyncGenerator<FileRecord> {
  const parser = parse({
    ...{ delimiter, bom: true, raw: true, info: true, relax_column_count: true, skip_empty_lines: true },
    max_record_size: LINE_MAX_BYTES,
  });
  const rows = Readable.from(chunks, { objectMode: false })
    .on('error', (error) => parser.destroy(error))
    .pipe(parser);
  let names: readonly string[] | undefined;
  let number = 0;
  try {
    for await (const { record, raw } of rows as AsyncIterable<Row>) {
      if (names === undefined) {
        names = record;
        continue;
      }
      yield rowOf(names, record, raw, ++number);
    }
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    const detail = `The rows from here on cannot be read: ${error.message}`;
    yield { value: Buffer.from(''), number: number + 1, problem: { code: 'malformed_csv', detail } };
  } finally {
    parser.destroy();
  }
}

function rowOf(names: readonly string[], cells: readonly string[], raw: string, number: number): FileRecord {
  if (cells.length !== names.length) {
    const detail = `The row has ${cells.length} cells, and the first row ${names.length} names.`;
    return { value: Buffer.from(raw), number, problem: { code: 'malformed_csv', detail } };
  }
  const members = names.flatMap((name, at) => (cells[at] === '' ? [] : [[name, cells[at]] as const]));
  return { value: Buffer.from(JSON.stringify(Object.fromEntries(members))), number };
}
