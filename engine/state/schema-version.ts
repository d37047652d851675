import { ByteReader, ByteWriter, MillraceError } from '../base/index.ts';
import type { KvStore } from './kv.ts';

const SCHEMA_TABLE = 'meta';

/** Where the meta table has the schema version of a table. */
export function schemaKey(table: string): Uint8Array {
  return new ByteWriter().orderedString('schema').orderedString(table).copy();
}

/**
 * Compares the stored schema version of a table with the program's and brings an older table up with
 * `migrate`. Throws `state_schema_mismatch` where that cannot be.
 */
export function checkVersion(
  store: KvStore,
  id: string,
  version: number,
  migrate: ((fromVersion: number) => void) | undefined,
): void {
  const key = schemaKey(id);
  const stored = store.table(SCHEMA_TABLE).get(key);
  const found = stored === undefined ? undefined : new ByteReader(stored).varint();
  if (found === version) return;
  if (found !== undefined && (migrate === undefined || found > version)) {
    throw new MillraceError(
      'state_schema_mismatch',
      `State table "${id}" was written with schema version ${found}; this program reads version ` +
        `${version} and has no migration. Give the table a migrate, run the version that wrote it, or ` +
        'rebuild the state from the stream with "millrace replay --make-current --force".',
    );
  }
  store.transaction(() => {
    if (found !== undefined) migrate?.(found);
    store.table(SCHEMA_TABLE).put(key, new ByteWriter().varint(version).copy());
  });
}
