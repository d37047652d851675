import { invariant } from '../base/index.ts';
import {
  checkKey,
  type KvEntry,
  type KvRange,
  type KvReader,
  type KvStore,
  type KvTable,
  type KvView,
} from './kv.ts';

type Rows = Map<string, Uint8Array>;

interface MemoryTable {
  rows: Rows;
  /** Sorted keys as of the last scan; what changed since then is merged in by the next. */
  sorted: readonly string[];
  /** Keys that came or went since the last scan. */
  changed: Set<string>;
}

/**
 * The store of the simulation: the LMDB contract without a disk. What is committed outlives a `crash`,
 * which is dropping the KvStore and opening another on the same MemoryDisk.
 */
export class MemoryDisk {
  readonly tables = new Map<string, MemoryTable>();
  /** Rows of the open transaction as they were before it, oldest change first. */
  readonly uncommitted: {
    readonly table: MemoryTable;
    readonly key: string;
    readonly before: Uint8Array | undefined;
  }[] = [];
  /** Called at the start and just before the end of each commit: a simulated crash throws from here. */
  fault: ((step: 'begin' | 'end') => void) | undefined;

  open(): KvStore {
    return new MemoryStore(this);
  }

  /** Another disk with the committed content of this one. */
  copy(): MemoryDisk {
    const copy = new MemoryDisk();
    for (const name of this.tables.keys()) {
      const table = this.#committed(name);
      if (table === undefined) continue;
      const rows = new Map(table.rows);
      copy.tables.set(name, { rows, sorted: [], changed: new Set(rows.keys()) });
    }
    return copy;
  }

  reader(): KvReader {
    return {
      snapshot: (work) => {
        // What is committed stays while `work` runs, and a table that is being written is copied for it once.
        const tables = new Map<string, MemoryTable | undefined>();
        const committed = (name: string): MemoryTable | undefined => {
          if (!tables.has(name)) tables.set(name, this.#committed(name));
          return tables.get(name);
        };
        return work((name) => viewOf(() => committed(name)));
      },
      tableNames: () => [...this.tables.keys()].sort(),
      close: () => Promise.resolve(),
    };
  }

  /** A table without what the open transaction, if there is one, has done to it. */
  #committed(name: string): MemoryTable | undefined {
    const table = this.tables.get(name);
    if (table === undefined || this.uncommitted.length === 0) return table;
    const rows = new Map(table.rows);
    const copy: MemoryTable = { rows, sorted: [], changed: new Set(rows.keys()) };
    for (const change of this.uncommitted.toReversed()) {
      if (change.table === table) apply(copy, change.key, change.before);
    }
    return copy;
  }

  /** Undoes the open transaction. */
  revert(): void {
    for (const { table, key, before } of this.uncommitted.reverse()) apply(table, key, before);
  }
}

function text(key: Uint8Array): string {
  return Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString('latin1');
}

function sortedKeys(table: MemoryTable): readonly string[] {
  const { changed, rows, sorted } = table;
  if (changed.size === 0) return sorted;
  const fresh = [...changed].filter((key) => rows.has(key)).sort();
  const merged: string[] = [];
  let at = 0;
  for (const key of sorted) {
    if (changed.has(key)) continue;
    while (at < fresh.length && (fresh[at] as string) < key) merged.push(fresh[at++] as string);
    merged.push(key);
  }
  while (at < fresh.length) merged.push(fresh[at++] as string);
  table.sorted = merged;
  changed.clear();
  return merged;
}

/** Row by row as they are asked for: a scan that is left early costs what it has given. */
function* scanRows(table: MemoryTable | undefined, range: KvRange): Generator<KvEntry> {
  if (table === undefined) return;
  const sorted = sortedKeys(table);
  const from = range.start === undefined ? 0 : lowerBound(sorted, text(range.start));
  const to = range.end === undefined ? sorted.length : lowerBound(sorted, text(range.end));
  const count = Math.max(0, Math.min(to - from, range.limit ?? sorted.length));
  for (let at = 0; at < count; at++) {
    const key = sorted[range.reverse === true ? to - 1 - at : from + at] as string;
    const value = table.rows.get(key);
    invariant(value !== undefined, 'a sorted key has a row');
    yield { key: Buffer.from(key, 'latin1'), value };
  }
}

function lowerBound(sorted: readonly string[], key: string): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((sorted[middle] as string) < key) low = middle + 1;
    else high = middle;
  }
  return low;
}

function viewOf(table: () => MemoryTable | undefined): KvView {
  return {
    get: (key) => table()?.rows.get(text(key)),
    scan: (range = {}) => scanRows(table(), range),
  };
}

class MemoryStore implements KvStore {
  readonly #disk: MemoryDisk;
  #writing = false;

  constructor(disk: MemoryDisk) {
    this.#disk = disk;
  }

  table(name: string): KvTable {
    let table = this.#disk.tables.get(name);
    if (table === undefined) {
      table = { rows: new Map(), sorted: [], changed: new Set() };
      this.#disk.tables.set(name, table);
    }
    const held = table;
    const change = (key: Uint8Array, value: Uint8Array | undefined): void => {
      invariant(this.#writing, `a write to ${name} happens inside a commit`);
      if (value !== undefined) checkKey(key, name);
      const id = text(key);
      this.#disk.uncommitted.push({ table: held, key: id, before: held.rows.get(id) });
      apply(held, id, value === undefined ? undefined : Uint8Array.from(value));
    };
    return {
      get: (key) => held.rows.get(text(key)),
      // All at once: the writer may change the table while it goes through them.
      scan: (range = {}) => [...scanRows(held, range)],
      put: change,
      remove: (key) => change(key, undefined),
      removeRange: (range) => {
        invariant(this.#writing, `a removal from ${name} happens inside a commit`);
        for (const { key } of [...scanRows(held, { ...range, limit: held.rows.size })])
          change(key, undefined);
      },
    };
  }

  tableNames(): readonly string[] {
    return [...this.#disk.tables.keys()].sort();
  }

  transaction<T>(work: () => T): T {
    invariant(!this.#writing, 'transactions do not nest');
    this.#writing = true;
    try {
      this.#disk.fault?.('begin');
      const result = work();
      this.#disk.fault?.('end');
      return result;
    } catch (error) {
      this.#disk.revert();
      throw error;
    } finally {
      this.#disk.uncommitted.length = 0;
      this.#writing = false;
    }
  }

  sizeBytes(): number {
    let bytes = 0;
    for (const { rows } of this.#disk.tables.values()) {
      for (const [key, value] of rows) bytes += key.length + value.length;
    }
    return bytes;
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

function apply(table: MemoryTable, key: string, value: Uint8Array | undefined): void {
  const had = table.rows.has(key);
  if (value === undefined) table.rows.delete(key);
  else table.rows.set(key, value);
  if (had !== (value !== undefined)) table.changed.add(key);
}
