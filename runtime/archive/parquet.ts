import { parquetReadObjects } from 'hyparquet';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { ARCHIVE_COLUMNS, type ArchiveColumnType, type ArchiveRow } from '../../analytics/index.ts';

/** Rows of a row group. */
const GROUP_ROWS = 10_000;

type Schema = NonNullable<Parameters<typeof parquetWriteBuffer>[0]['schema']>;

const ELEMENTS: Readonly<Record<ArchiveColumnType, Omit<Schema[number], 'name'>>> = {
  integer: { type: 'INT64' },
  text: { type: 'BYTE_ARRAY', converted_type: 'UTF8' },
  time: { type: 'INT64', converted_type: 'TIMESTAMP_MILLIS' },
  bytes: { type: 'BYTE_ARRAY' },
};

const SCHEMA: Schema = [
  { name: 'root', num_children: ARCHIVE_COLUMNS.length },
  ...ARCHIVE_COLUMNS.map(({ name, type }): Schema[number] => ({
    name,
    ...ELEMENTS[type],
    repetition_type: 'OPTIONAL',
  })),
];

/** Rows as an Apache Parquet file (Snappy). */
export function encodeRows(rows: readonly ArchiveRow[]): Uint8Array {
  const columnData = ARCHIVE_COLUMNS.map(({ name }) => ({
    name,
    data: rows.map((row) => row[name] ?? null),
  }));
  return new Uint8Array(parquetWriteBuffer({ columnData, schema: SCHEMA, rowGroupSize: GROUP_ROWS }));
}

/** The rows of a file, with these columns or all. Throws what the reader throws where it is none. */
export async function decodeRows(
  bytes: Uint8Array,
  columns?: readonly string[],
): Promise<Readonly<Record<string, unknown>>[]> {
  const { buffer, byteOffset, byteLength } = bytes;
  const file = {
    byteLength,
    slice: (start: number, end = byteLength): ArrayBuffer =>
      buffer.slice(byteOffset + start, byteOffset + end) as ArrayBuffer,
  };
  // Bytes that are no text stay bytes.
  return await parquetReadObjects({
    file,
    utf8: false,
    ...(columns === undefined ? {} : { columns: [...columns] }),
  });
}
