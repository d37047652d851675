import { writeSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { intCodec, invariant, stringCodec, stringKey } from '../base/index.ts';
import { openLmdbStore } from './store-lmdb.ts';
import { mapTable } from './table-specs.ts';
import { openTables } from './tables.ts';

/** A process of the migration's test: PATH fill ROWS | PATH migrate HANG_AT_ROW. */
const [path, work, count] = process.argv.slice(2);
invariant(path !== undefined && work !== undefined && count !== undefined, 'PATH WORK COUNT is given');
const store = openLmdbStore(path);
const rows = Number(count);

if (work === 'fill') {
  const { notes } = openTables(store, 'op', {
    notes: mapTable<string, string>({ key: stringKey, value: stringCodec, version: 1 }),
  });
  const scope = notes.scope('');
  store.transaction(() => {
    for (let row = 0; row < rows; row++) scope.set(`row ${row}`, `${row} `.padEnd(200, '.'));
    notes.flush(0);
  });
} else {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  let [migrated, held_bytes] = [0, 0];
  collect();
  const before_bytes = heldBytes();
  openTables(store, 'op', {
    notes: mapTable<string, number>({
      key: stringKey,
      value: intCodec,
      version: 2,
      migrate: (bytes) => {
        migrated++;
        if (migrated === rows) {
          writeSync(1, 'half\n');
          Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
        }
        if (migrated % 20_000 === 0) {
          collect();
          held_bytes = Math.max(held_bytes, heldBytes() - before_bytes);
        }
        return Number.parseInt(Buffer.from(bytes).subarray(2).toString(), 10);
      },
    }),
  });
  writeSync(1, `${JSON.stringify({ migrated, held_bytes })}\n`);
}
await store.close();

function heldBytes(): number {
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}
