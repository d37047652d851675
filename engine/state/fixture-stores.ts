import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { KvReader, KvStore } from './kv.ts';
import { openLmdbReader, openLmdbStore } from './store-lmdb.ts';
import { MemoryDisk } from './store-memory.ts';

export const STORE_KINDS = ['memory', 'lmdb'] as const;

export interface OpenedStore {
  readonly store: KvStore;
  reader(): KvReader;
  /** Closes the store and opens it again on the same disk. */
  reopen(): Promise<KvStore>;
}

/** The stores of one test, closed and deleted after it. */
export class StoreFixture {
  readonly #cleanups: (() => void | Promise<void>)[] = [];

  open(kind: (typeof STORE_KINDS)[number]): OpenedStore {
    return kind === 'memory' ? this.#memory() : this.#lmdb();
  }

  async close(): Promise<void> {
    for (const cleanup of this.#cleanups.splice(0).reverse()) await cleanup();
  }

  #memory(): OpenedStore {
    const disk = new MemoryDisk();
    return { store: disk.open(), reader: () => disk.reader(), reopen: () => Promise.resolve(disk.open()) };
  }

  #lmdb(): OpenedStore {
    const path = mkdtempSync(join(tmpdir(), 'millrace-store-'));
    this.#cleanups.push(() => rmSync(path, { recursive: true, force: true }));
    const open = (): KvStore => {
      const opened = openLmdbStore(path, { durable: false });
      this.#cleanups.push(() => opened.close());
      return opened;
    };
    const store = open();
    return {
      store,
      reader: () => {
        const reader = openLmdbReader(path, { sharedWithWriter: true });
        this.#cleanups.push(() => reader.close());
        return reader;
      },
      reopen: async () => {
        await store.close();
        return open();
      },
    };
  }
}
