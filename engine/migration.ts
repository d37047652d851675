import { ByteWriter } from './bytes.ts';
import { invariant } from './errors.ts';
import type { KvEntry, KvTable } from './kv.ts';
import type { MapSpec } from './tables.ts';
import { TTL_PREFIX_BYTES } from './ttl.ts';

/** Rows that are held in memory at once: so many, or so many bytes and one row more. */
const MAX_BATCH_ROWS = 1_000;
const MAX_BATCH_BYTES = 1_048_576;

/**
 * Rewrites the rows of a table of an older schema version, batch by batch. To be called inside the transaction
 * that also writes the new version: a crash anywhere in it, or a row that `migrate` throws on, leaves the whole
 * table as it was. Memory is bounded by a batch; what the transaction has changed is held by the store (LMDB
 * keeps at most 512 MiB of it in memory, and the file grows by about the size of the table).
 */
export function migrateRows(table: KvTable, spec: MapSpec<string, unknown>, from: number): void {
  const { migrate, value, ttl } = spec;
  invariant(migrate !== undefined, 'a migration is needed here');
  const prefix = ttl === undefined ? 0 : TTL_PREFIX_BYTES;
  const writer = new ByteWriter();
  let rows = rowsAfter(table, undefined);
  while (rows.length > 0) {
    for (const row of rows) {
      // How long a row lives is not the migration's business.
      writer.reset().bytes(row.value.subarray(0, prefix));
      value.write(writer, migrate(row.value.subarray(prefix), from));
      table.put(row.key, writer.view());
    }
    rows = rowsAfter(table, rows.at(-1)?.key);
  }
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
