import { ByteReader, ByteWriter, type Codec, invariant, MillraceError } from '../base/index.ts';
import type { KvEntry, KvTable } from './kv.ts';
import type { MapSpec } from './table-specs.ts';
import { TTL_PREFIX_BYTES } from './ttl.ts';

/** Rows that are held in memory at once: so many, or so many bytes and one row more. */
const MAX_BATCH_ROWS = 1_000;
const MAX_BATCH_BYTES = 1_048_576;

/** Of a key, in a message. */
const MAX_KEY_CHARS = 80;

/**
 * Reads a row's bytes with the codec that wrote them, in the `migrate` of a `mapTable`:
 * `migrate: (bytes, fromVersion) => newOf(decodeRow(oldCodec, bytes))`. The bytes of `trustedJsonCodec` and
 * `jsonCodec` are no plain JSON text: read them with these. Throws `bad_row` where the codec leaves bytes over.
 */
export function decodeRow<T>(codec: Codec<T>, bytes: Uint8Array): T {
  const reader = new ByteReader(bytes);
  const value = codec.read(reader);
  if (reader.remaining === 0) return value;
  throw new MillraceError(
    'bad_row',
    `The codec read ${reader.position} of ${bytes.length} bytes: it is not the one that wrote them.`,
  );
}

/**
 * Rewrites the rows of a table of an older schema version, batch by batch. To be called inside the transaction
 * that also writes the new version: a crash anywhere in it, or a row that `migrate` throws on (`migration_failed`),
 * leaves the whole table as it was. Memory is bounded by a batch; what the transaction has changed is held by the store (LMDB
 * keeps at most 512 MiB of it in memory, and the file grows by about the size of the table).
 */
export function migrateRows(
  id: string,
  table: KvTable,
  spec: MapSpec<string | number, unknown>,
  from: number,
): void {
  const { migrate, value, ttl } = spec;
  invariant(migrate !== undefined, 'a migration is needed here');
  const prefix = ttl === undefined ? 0 : TTL_PREFIX_BYTES;
  const writer = new ByteWriter();
  let rows = rowsAfter(table, undefined);
  while (rows.length > 0) {
    for (const row of rows) {
      // How long a row lives is not the migration's business.
      writer.reset().bytes(row.value.subarray(0, prefix));
      try {
        value.write(writer, migrate(row.value.subarray(prefix), from));
      } catch (error) {
        throw failed(id, spec, from, row.key, error);
      }
      table.put(row.key, writer.view());
    }
    rows = rowsAfter(table, rows.at(-1)?.key);
  }
}

function failed(
  id: string,
  { key, version }: MapSpec<string | number, unknown>,
  from: number,
  row: Uint8Array,
  error: unknown,
): MillraceError {
  const why = error instanceof Error ? error.message : String(error);
  const named = nameOf(key, row).slice(0, MAX_KEY_CHARS);
  return new MillraceError(
    'migration_failed',
    `The migration of table "${id}" from schema version ${from} to ${version} failed on the row ` +
      `${named}: ${why.replace(/\.$/, '')}. Nothing is changed: the table is as it was, and the program ` +
      'that wrote it can go on. Correct its migrate, and the codec that it reads the old bytes with, or ' +
      'run the version that wrote it.',
    { cause: error, operator: id.slice(0, id.indexOf('/')) },
  );
}

function nameOf(codec: Codec<string | number>, row: Uint8Array): string {
  const reader = new ByteReader(row);
  const scope = reader.orderedString();
  const key = JSON.stringify(codec.read(reader));
  return scope === '' ? key : `${key} of ${JSON.stringify(scope)}`;
}

/** Copies of the next rows: nothing is written under an open cursor. */
function rowsAfter(table: KvTable, last: Uint8Array | undefined): readonly KvEntry[] {
  const rows: KvEntry[] = [];
  let bytes = 0;
  // The last one is the first again: there is no smallest key above one of full length.
  const range = last === undefined ? {} : { start: last };
  for (const { key, value } of table.scan({ ...range, limit: MAX_BATCH_ROWS + 1 })) {
    if (last !== undefined && Buffer.compare(key, last) === 0) continue;
    rows.push({ key: Uint8Array.from(key), value: Uint8Array.from(value) });
    bytes += key.length + value.length;
    if (bytes >= MAX_BATCH_BYTES) break;
  }
  return rows;
}
