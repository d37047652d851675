import { finished } from 'node:stream/promises';
import { CsvError, type Parser, parse } from 'csv-parse';
import type { FileRecord } from './file-records.ts';
import { LINE_MAX_BYTES } from './lines.ts';

interface Row {
  readonly record: readonly string[];
  readonly raw: string;
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
  const queue: Row[] = [];
  const parser = parse({
    ...{ delimiter, bom: true, raw: true, relax_column_count: true, skip_empty_lines: true },
    max_record_size: LINE_MAX_BYTES,
    // Taken here: what the stream holds is lost with its error.
    on_record: (row: unknown) => {
      queue.push(row as Row);
      return null;
    },
  });
  let names: readonly string[] | undefined;
  let number = 0;
  function* taken(): Generator<FileRecord> {
    for (const { record, raw } of queue.splice(0)) {
      if (names === undefined) names = record;
      else yield rowOf(names, record, raw, ++number);
    }
  }
  const done = finished(parser.resume());
  done.catch(() => undefined);
  let failure: unknown;
  try {
    for await (const chunk of chunks) {
      failure = await written(parser, chunk);
      yield* taken();
      if (failure !== undefined) break;
    }
    if (failure === undefined) {
      parser.end();
      failure = await done.then(() => undefined).catch((error: unknown) => error);
      yield* taken();
    }
  } finally {
    parser.destroy();
  }
  if (failure === undefined) return;
  if (!(failure instanceof CsvError)) throw failure;
  const detail = `The rows from here on cannot be read: ${failure.message}`;
  yield { value: Buffer.from(''), number: number + 1, problem: { code: 'malformed_csv', detail } };
}

/** What went wrong with it; undefined: nothing. */
const written = (parser: Parser, chunk: Uint8Array): Promise<unknown> =>
  new Promise((resolve) => parser.write(chunk, (error) => resolve(error ?? undefined)));

function rowOf(names: readonly string[], cells: readonly string[], raw: string, number: number): FileRecord {
  if (cells.length !== names.length) {
    const detail = `The row has ${cells.length} cells, and the first row ${names.length} names.`;
    return { value: Buffer.from(raw), number, problem: { code: 'malformed_csv', detail } };
  }
  const members = names.flatMap((name, at) => (cells[at] === '' ? [] : [[name, cells[at]] as const]));
  return { value: Buffer.from(JSON.stringify(Object.fromEntries(members))), number };
}
