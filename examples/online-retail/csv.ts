import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { CsvError, parse } from 'csv-parse';
import { MillraceError } from '../../engine/index.ts';
import type { RetailRow } from './events.ts';

export const COLUMNS = [
  'InvoiceNo',
  'StockCode',
  'Description',
  'Quantity',
  'InvoiceDate',
  'UnitPrice',
  'CustomerID',
  'Country',
] as const;

const GZIP_MAGIC = [0x1f, 0x8b];

/** By its first bytes: a name may say anything. */
async function isGzip(path: string): Promise<boolean> {
  const file = await open(path);
  try {
    const { buffer } = await file.read(Buffer.alloc(GZIP_MAGIC.length), 0, GZIP_MAGIC.length, 0);
    return GZIP_MAGIC.every((byte, index) => buffer[index] === byte);
  } finally {
    await file.close();
  }
}

/** Position of each column in the file; throws when one is missing. */
function placesOf(path: string, header: readonly string[]): readonly number[] {
  const missing = COLUMNS.filter((name) => !header.includes(name));
  if (missing.length > 0) {
    throw new MillraceError(
      'bad_columns',
      `"${path}" has no column ${missing.join(', ')}. Its first line must name ${COLUMNS.join(', ')}.`,
    );
  }
  return COLUMNS.map((name) => header.indexOf(name));
}

function unreadable(path: string, error: unknown): unknown {
  if (error instanceof MillraceError || !(error instanceof Error)) return error;
  const code = 'code' in error ? error.code : undefined;
  const reason =
    code === 'ENOENT'
      ? 'there is no such file'
      : code === 'EISDIR'
        ? 'it is a folder'
        : error instanceof CsvError
          ? `it is no proper CSV: ${error.message}`
          : error.message;
  return new MillraceError('unreadable_file', `"${path}" cannot be read: ${reason}.`, { cause: error });
}

/**
 * Reads a CSV file of the data set, plain or gzipped, and hands on its lines in order.
 * Throws `unreadable_file` or `bad_columns`, and what `each` throws.
 */
export async function readRows(path: string, each: (row: RetailRow) => void): Promise<void> {
  let places: readonly number[] | undefined;
  let line = 0;
  const take = (record: readonly string[]): void => {
    line++;
    if (places === undefined) {
      places = placesOf(path, record);
      return;
    }
    const cell = (column: number): string =>
      record[(places as readonly number[])[column] as number] as string;
    each({
      line,
      InvoiceNo: cell(0),
      StockCode: cell(1),
      Description: cell(2),
      Quantity: cell(3),
      InvoiceDate: cell(4),
      UnitPrice: cell(5),
      CustomerID: cell(6),
      Country: cell(7),
    });
  };
  // The pipeline may report that it was stopped, and not what stopped it.
  let refused: { readonly error: unknown } | undefined;
  const collect = async (records: AsyncIterable<readonly string[]>): Promise<void> => {
    for await (const record of records) {
      try {
        take(record);
      } catch (error) {
        refused = { error };
        throw error;
      }
    }
  };
  try {
    const packed = await isGzip(path);
    const parser = parse({ bom: true, skip_empty_lines: true });
    const file = createReadStream(path);
    await (packed ? pipeline(file, createGunzip(), parser, collect) : pipeline(file, parser, collect));
  } catch (error) {
    throw refused === undefined ? unreadable(path, error) : refused.error;
  }
  if (places === undefined) placesOf(path, []);
}
