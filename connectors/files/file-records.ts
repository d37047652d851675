import { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { z } from 'zod';
import { MillraceError } from '../../engine/index.ts';
import type { SourceRecord } from '../intake/index.ts';
import { csvRows } from './csv-rows.ts';
import { documentOf, jsonValuesOf } from './json-values.ts';
import { LINE_MAX_BYTES, type Line, linesOf } from './lines.ts';
import { parquetRows } from './parquet-rows.ts';

/** A record of a file, and the number of its line or row, from 1. */
export interface FileRecord extends Pick<SourceRecord, 'value' | 'problem'> {
  readonly number: number;
}

const FORMATS = ['ndjson', 'csv', 'parquet'] as const;
export type FileFormat = (typeof FORMATS)[number];

/** Members of a config that say how files are read. */
export const formatMembers = {
  format: z
    .enum(['auto', ...FORMATS])
    .default('auto')
    .describe(
      '`auto`: by the end of the name, `.csv`, `.parquet` or `.ndjson`, `.jsonl`, `.json`; `.gz` behind it is unpacked',
    ),
  delimiter: z.string().length(1).default(',').describe('Between the cells of a CSV file'),
};

export interface FormatChoice {
  readonly format: 'auto' | FileFormat;
  readonly delimiter: string;
}

const BY_ENDING: Readonly<Record<string, FileFormat>> = {
  csv: 'csv',
  parquet: 'parquet',
  ndjson: 'ndjson',
  jsonl: 'ndjson',
  json: 'ndjson',
};

/** How a file of a name is read; undefined: it is none that is meant. */
export function formatOf(name: string, { format }: FormatChoice): FileFormat | undefined {
  if (format !== 'auto') return format;
  const ending = /\.([a-z0-9]+)(?:\.gz)?$/i.exec(name)?.[1]?.toLowerCase() ?? '';
  return Object.hasOwn(BY_ENDING, ending) ? BY_ENDING[ending] : undefined;
}

/**
 * The records of a file, in order and in bounded memory. Throws `file_unreadable` for what does not unpack, and what
 * the bytes' source throws.
 */
export async function* fileRecords(
  name: string,
  bytes: AsyncIterable<Uint8Array>,
  choice: FormatChoice,
): AsyncGenerator<FileRecord> {
  const chunks = /\.gz$/i.test(name) ? unpacked(name, bytes) : bytes;
  if (formatOf(name, choice) === 'csv') {
    yield* csvRows(chunks, choice.delimiter);
    return;
  }
  if (formatOf(name, choice) === 'parquet') {
    yield* parquetRows(name, chunks);
    return;
  }
  for await (const { bytes: value, number, isCut } of valuesIn(name, chunks)) {
    if (isBlank(value)) continue;
    if (!isCut) yield { value, number };
    else
      yield {
        value,
        number,
        problem: { code: 'too_large', detail: `The record has more than ${LINE_MAX_BYTES} bytes.` },
      };
  }
}

/** A value a line; of a `.json` that is one document its elements, or itself. */
async function* valuesIn(name: string, bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Line> {
  if (!/\.json(?:\.gz)?$/i.test(name)) {
    yield* linesOf(bytes);
    return;
  }
  const { isDocument, chunks } = await documentOf(bytes);
  yield* isDocument ? jsonValuesOf(chunks) : linesOf(chunks);
}

const isBlank = (bytes: Uint8Array): boolean => bytes.every((byte) => byte === 0x20 || byte === 0x09);

async function* unpacked(name: string, bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let failure: unknown;
  const source = Readable.from(bytes, { objectMode: false });
  const gunzip = createGunzip();
  source.on('error', (error) => {
    failure = error;
    gunzip.destroy(error);
  });
  try {
    for await (const chunk of source.pipe(gunzip) as AsyncIterable<Uint8Array>) yield chunk;
  } catch (error) {
    if (failure !== undefined) throw failure;
    throw new MillraceError('file_unreadable', `${name} does not unpack as gzip.`, { cause: error });
  } finally {
    source.destroy();
    gunzip.destroy();
  }
}
