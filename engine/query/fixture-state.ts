import type { KvStore, KvTable, KvView } from '../kv.ts';
import { META_TABLE, writeProgress } from '../meta.ts';

/**
 * A state like a log with a cube, small enough to know each answer: commit c adds a segment of `rowsOf(c)` rows of
 * value c, and the same sum to the one cell of the cube. Segments are immutable and get merged.
 */
export const SEGMENTS = 'toy/segments';
export const ROWS = 'toy/rows';
export const CUBE = 'toy/cube';
const CELL = Uint8Array.of(1);

export function rowsOf(commit: number): number {
  return 10 + (commit % 7);
}

/** What the sum of all rows is after a commit. */
export function sumAt(commit: number): number {
  let sum = 0;
  for (let each = 1; each <= commit; each++) sum += each * rowsOf(each);
  return sum;
}

export function segmentKey(id: number): Uint8Array {
  const key = Buffer.alloc(4);
  key.writeUInt32BE(id);
  return Uint8Array.from(key);
}

export function idOf(key: Uint8Array): number {
  return Buffer.from(key).readUInt32BE();
}

export function doublesOf(bytes: Uint8Array): Float64Array {
  return new Float64Array(Uint8Array.from(bytes).buffer);
}

const bytesOf = (values: Float64Array): Uint8Array => new Uint8Array(values.buffer);

export function cellOf(cube: KvView): number {
  const bytes = cube.get(CELL);
  return bytes === undefined ? 0 : (doublesOf(bytes)[0] as number);
}

/** Writes the state, one commit a call. */
export class ToyWriter {
  readonly #store: KvStore;
  readonly #segments: KvTable;
  readonly #rows: KvTable;
  readonly #cube: KvTable;
  readonly #meta: KvTable;
  #commit = 0;
  #nextId = 1;

  constructor(store: KvStore) {
    this.#store = store;
    this.#segments = store.table(SEGMENTS);
    this.#rows = store.table(ROWS);
    this.#cube = store.table(CUBE);
    this.#meta = store.table(META_TABLE);
  }

  get commits(): number {
    return this.#commit;
  }

  commit({ merge = false } = {}): void {
    const commit = this.#commit + 1;
    this.#store.transaction(() => {
      if (merge) this.#merge();
      const added = new Float64Array(rowsOf(commit)).fill(commit);
      this.#put(added);
      const cell = cellOf(this.#cube) + commit * rowsOf(commit);
      this.#cube.put(CELL, bytesOf(Float64Array.of(cell)));
      this.#writeProgress(commit);
    });
    this.#commit = commit;
  }

  #merge(): void {
    const keys = [...this.#segments.scan()].map(({ key }) => Uint8Array.from(key));
    const values = keys.flatMap((key) => [...doublesOf(this.#rows.get(key) ?? new Uint8Array())]);
    for (const key of keys) {
      this.#segments.remove(key);
      this.#rows.remove(key);
    }
    if (values.length > 0) this.#put(Float64Array.from(values));
  }

  #put(values: Float64Array): void {
    // An id is never used again: a name means the same rows for good.
    const key = segmentKey(this.#nextId++);
    this.#segments.put(key, bytesOf(Float64Array.of(values.length)));
    this.#rows.put(key, bytesOf(values));
  }

  #writeProgress(commit: number): void {
    writeProgress(this.#meta, {
      commit,
      committed_at_ms: 0,
      stream: 'EVENTS',
      incarnation: 'i',
      partition: '0',
      sequence: commit,
      head: commit,
      watermark_ms: null,
      outbox_next: 0,
      notices: {},
    });
  }
}
