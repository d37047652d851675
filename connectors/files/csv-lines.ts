import { Readable } from 'node:stream';
import { CsvError, parse } from 'csv-parse';
import { asMillraceError, MillraceError } from '../../engine/index.ts';

/** A row of a CSV file, its head among them. */
export interface CsvLine {
  /** Of the file, from 1, where the row ends. */
  readonly line: number;
  readonly cells: readonly string[];
}

const RECORD_MAX_CHARS = 65_536;
/** What the parser says quotes the field, which may be all of a file that is none. */
const MESSAGE_MAX_CHARS = 200;

/** The rows of a CSV file (RFC 4180, UTF-8) with their places. Throws MillraceError `csv_invalid` where it is none. */
export async function* csvLines(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<CsvLine> {
  const parser = parse({
    ...{ bom: true, info: true, skip_empty_lines: true, relax_column_count: true },
    max_record_size: RECORD_MAX_CHARS,
  });
  const source = Readable.from(bytes);
  source.on('error', (error) => parser.destroy(error));
  source.pipe(parser);
  try {
    for await (const row of parser as AsyncIterable<{
      readonly record: readonly string[];
      readonly info: { readonly lines: number };
    }>)
      yield { line: row.info.lines, cells: row.record };
  } catch (thrown) {
    if (thrown instanceof CsvError)
      throw new MillraceError(
        'csv_invalid',
        `The file cannot be read as CSV: ${thrown.message.slice(0, MESSAGE_MAX_CHARS)}`,
        {
          cause: thrown,
        },
      );
    throw asMillraceError(thrown);
  } finally {
    source.destroy();
    parser.destroy();
  }
}
