import { invariant } from './errors.ts';
import type { KvEntry, KvRange, KvReader, KvStore, KvTable, KvView } from './kv.ts';

type Rows = Map<string, Uint8Array>;

interface MemoryTable {
  rows: Rows;
  /** Sorted keys, made anew after a change: scans are rare beside gets. */
  sorted: string[] | undefined;
}

/**
 * The store of the simulation: the LMDB contract without a disk. What is committed outlives a `crash`,
 * which is dropping the KvStore and opening another on the same MemoryDisk.
 */
export class MemoryDisk {
  readonly tables = new Map<string, MemoryTable>();
  /** Called at the start and just before the end of each commit: a simulated crash throws from here. */
  fault: ((step: 'begin' | 'end') => void) | undefined;

  open(): KvStore {
    return new MemoryStore(this);
  }

  reader(): KvReader {
    return {
      snapshot: (work) => work((name) => viewOf(() => this.tables.get(name))),
      tableNames: () => [...this.tables.keys()].sort(),
      close: () => Promise.resolve(),
    };
  }
}

function text(key: Uint8Array): string {
  return Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString('latin1');
}

function scanRows(table: MemoryTable | undefined, range: KvRange): KvEntry[] {
  if (table === undefined) return [];
  table.sorted ??= [...table.rows.keys()].sort();
  const { sorted } = table;
  const from = range.start === undefined ? 0 : lowerBound(sorted, text(range.start));
  const to = range.end === undefined ? sorted.length : lowerBound(sorted, text(range.end));
  const keys = sorted.slice(from, Math.max(from, to));
  if (range.reverse === true) keys.reverse();
  return keys.slice(0, range.limit ?? keys.length).map((key) => {
    const value = table.rows.get(key);
    invariant(value !== undefined, 'a sorted key has a row');
    return { key: Buffer.from(key, 'latin1'), value };
  });
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
  #undo: (() => void)[] | undefined;

  constructor(disk: MemoryDisk) {
    this.#disk = disk;
  }

  table(name: string): KvTable {
    let table = this.#disk.tables.get(name);
    if (table === undefined) {
      table = { rows: new Map(), sorted: undefined };
      this.#disk.tables.set(name, table);
    }
    const held = table;
    const change = (key: Uint8Array, value: Uint8Array | undefined): void => {
      const undo = this.#undo;
      invariant(undo !== undefined, `a write to ${name} happens inside a commit`);
      const id = text(key);
      const before = held.rows.get(id);
      undo.push(() => apply(held, id, before));
      apply(held, id, value === undefined ? undefined : Uint8Array.from(value));
    };
    return {
      ...viewOf(() => held),
      put: change,
      remove: (key) => change(key, undefined),
    };
  }

  tableNames(): readonly string[] {
    return [...this.#disk.tables.keys()].sort();
  }

  transaction<T>(work: () => T): T {
    invariant(this.#undo === undefined, 'transactions do not nest');
    const undo: (() => void)[] = [];
    this.#undo = undo;
    try {
      this.#disk.fault?.('begin');
      const result = work();
      this.#disk.fault?.('end');
      return result;
    } catch (error) {
      for (const revert of undo.reverse()) revert();
      throw error;
    } finally {
      this.#undo = undefined;
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
  if (had !== (value !== undefined)) table.sorted = undefined;
}
