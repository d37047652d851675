import { randomUUID } from 'node:crypto';
import { open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { FileMetaData } from 'hyparquet';
import { asMillraceError, MillraceError } from '../../engine/index.ts';
import type { FileRecord } from './file-records.ts';

/** The largest file that is read. */
const PARQUET_MAX_BYTES = 2_147_483_648;
/** Rows that are decoded at once. */
const SLICE_MAX_ROWS = 10_000;

/**
 * The rows of a Parquet file as JSON objects, from a copy on the disk: its end says how it is read. Decimals are texts
 * with all their digits, integers beyond 2^53 too; times are RFC 3339. Throws `file_unreadable`, also for compressions
 * other than Snappy and none.
 */
export async function* parquetRows(
  name: string,
  chunks: AsyncIterable<Uint8Array>,
): AsyncGenerator<FileRecord> {
  const path = join(tmpdir(), `millrace-parquet-${randomUUID()}`);
  try {
    await copied(name, chunks, path);
    yield* rowsOf(name, path);
  } finally {
    await rm(path, { force: true });
  }
}

async function copied(name: string, chunks: AsyncIterable<Uint8Array>, path: string): Promise<void> {
  const file = await open(path, 'wx', 0o600);
  let size_bytes = 0;
  try {
    for await (const chunk of chunks) {
      size_bytes += chunk.length;
      if (size_bytes > PARQUET_MAX_BYTES)
        throw unreadable(name, `it has more than ${PARQUET_MAX_BYTES} bytes`);
      await file.write(chunk);
    }
  } finally {
    await file.close();
  }
}

async function* rowsOf(name: string, path: string): AsyncGenerator<FileRecord> {
  const { asyncBufferFromFile, parquetMetadataAsync, parquetReadObjects } = await import('hyparquet');
  const reading = async <T>(work: () => Promise<T>): Promise<T> => {
    try {
      return await work();
    } catch (error) {
      throw unreadable(name, error instanceof Error ? error.message : asMillraceError(error).message, error);
    }
  };
  const file = await reading(() => asyncBufferFromFile(path));
  const metadata = await reading(() => parquetMetadataAsync(file));
  const scales = scalesOf(metadata);
  const rows = Number(metadata.num_rows);
  for (let rowStart = 0; rowStart < rows; rowStart += SLICE_MAX_ROWS) {
    const rowEnd = Math.min(rows, rowStart + SLICE_MAX_ROWS);
    const some = await reading(() =>
      parquetReadObjects({ file, metadata, rowStart, rowEnd, useOffsetIndex: true }),
    );
    for (const [at, row] of some.entries()) {
      yield { value: Buffer.from(jsonOf(row, scales)), number: rowStart + at + 1 };
    }
  }
}

/** Of decimal columns how many decimals they have, by name. */
function scalesOf({ schema }: FileMetaData): ReadonlyMap<string, number> {
  return new Map(
    schema.flatMap(({ name, converted_type, scale, num_children }) =>
      converted_type === 'DECIMAL' && num_children === undefined ? [[name, scale ?? 0] as const] : [],
    ),
  );
}

function jsonOf(row: Readonly<Record<string, unknown>>, scales: ReadonlyMap<string, number>): string {
  return JSON.stringify(row, (name, value: unknown) => {
    if (typeof value === 'bigint') {
      const number = Number(value);
      return Number.isSafeInteger(number) ? number : String(value);
    }
    const scale = typeof value === 'number' ? scales.get(name) : undefined;
    // The library multiplies: the decimals are those of the column and no more.
    return scale === undefined ? value : (value as number).toFixed(scale);
  });
}

const unreadable = (name: string, why: string, cause?: unknown): MillraceError =>
  new MillraceError('file_unreadable', `${name} cannot be read as Parquet: ${why}.`, { cause });
