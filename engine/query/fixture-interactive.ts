import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stringCodec, stringKey } from '../base/index.ts';
import {
  type KvReader,
  type KvStore,
  type KvView,
  MapTable,
  MemoryDisk,
  mapTable,
  openLmdbReader,
  openLmdbStore,
  openTables,
} from '../state/index.ts';
import { META_TABLE, type Progress, writeProgress } from '../task/index.ts';
import {
  type AnswerTo,
  type FailedAnswer,
  type QueryableTable,
  queryTable,
  type TableQuery,
} from './interactive.ts';
import { tableRowCodec, type WindowKey, windowRow, windowRowKey } from './interactive-layout.ts';

/** A state of one operator `op` with tables to query, for tests of queries. */
export interface Queried {
  readonly store: KvStore;
  readonly reader: KvReader;
  close(): Promise<void>;
}

export const QUERIED_STORES = { memory: openMemory, lmdb: openLmdb } as const;

function openMemory(): Queried {
  const disk = new MemoryDisk();
  return { store: disk.open(), reader: disk.reader(), close: () => Promise.resolve() };
}

function openLmdb(): Queried {
  const path = mkdtempSync(join(tmpdir(), 'millrace-queried-'));
  const store = openLmdbStore(path, { durable: false });
  const reader = openLmdbReader(path, { sharedWithWriter: true });
  const close = async (): Promise<void> => {
    await reader.close();
    await store.close();
    rmSync(path, { recursive: true, force: true });
  };
  return { store, reader, close };
}

export const ROWS: QueryableTable<string> = { id: 'op/rows', codec: stringCodec };
export const WINDOWS: QueryableTable<string> = { id: 'op/windows', codec: stringCodec };

const SPECS = {
  rows: mapTable({ key: stringKey, value: tableRowCodec(stringCodec), version: 1 }),
  windows: mapTable({ key: windowRowKey, value: stringCodec, version: 1 }),
};

export class QueriedWriter {
  readonly #store: KvStore;
  readonly #tables: ReturnType<typeof openTables<typeof SPECS>>;
  #commits = 0;

  constructor(store: KvStore) {
    this.#store = store;
    this.#tables = openTables(store, 'op', SPECS);
  }

  row(key: string, value: string | undefined, scope = ''): void {
    this.#tables.rows.scope(scope).set(key, { time_ms: 1, value });
  }

  window(window: WindowKey, value: string, scope = ''): void {
    this.#tables.windows.scope(scope).set(windowRow(window), value);
  }

  /** What was written becomes all that there is. */
  commitOnly(): void {
    this.commit(() => {
      for (const name of Object.keys(SPECS)) this.#store.table(`op/${name}`).removeRange({});
    });
    // What is cached would come back.
    const tables = openTables(this.#store, 'op', SPECS);
    Object.assign(this.#tables, tables);
  }

  commit(before: () => void = () => undefined): void {
    const commit = ++this.#commits;
    const progress: Progress = {
      ...{ commit, stream: 'S', incarnation: 'i', partition: '0', sequence: commit, watermark_ms: commit },
      ...{ committed_at_ms: 0, head: 0, outbox_next: 0, notices: {} },
    };
    this.#store.transaction(() => {
      before();
      for (const table of Object.values(this.#tables)) if (table instanceof MapTable) table.flush(0);
      writeProgress(this.#store.table(META_TABLE), progress);
    });
  }
}

/** A query, or an error where the answer is none. */
export function asked<V, const Q extends TableQuery>(
  reader: KvReader,
  table: QueryableTable<V>,
  query: Q,
): Exclude<AnswerTo<Q, V>, FailedAnswer> {
  const answer = queryTable(reader, table, query);
  if (!answer.ok) throw new Error(`${answer.reason}: ${answer.message}`);
  return answer as Exclude<AnswerTo<Q, V>, FailedAnswer>;
}

/** A reader that counts the rows that scans of a table give. */
export function counting(reader: KvReader, table: string): { readonly reader: KvReader; rows(): number } {
  let rows = 0;
  const countingView = (view: KvView): KvView => ({
    get: (key) => view.get(key),
    *scan(range) {
      for (const row of view.scan(range)) {
        rows++;
        yield row;
      }
    },
  });
  return {
    reader: {
      snapshot: (work) =>
        reader.snapshot((open) => work((name) => (name === table ? countingView(open(name)) : open(name)))),
      tableNames: () => reader.tableNames(),
      close: () => reader.close(),
    },
    rows: () => rows,
  };
}
