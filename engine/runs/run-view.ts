import type { KvView } from '../state/index.ts';
import { readManifest } from './layout.ts';
import { RunSet, type VisitRecord } from './run-set.ts';

/**
 * The records of a `RunTable` for readers, in any thread. Made once and told of each snapshot with `follow`, it
 * reads what is new of the runs only; questions are asked within that snapshot.
 */
export class RunView {
  #table: KvView;
  readonly #set = new RunSet();

  constructor(table: KvView) {
    this.#table = table;
    this.follow(table);
  }

  /** Begins a snapshot, whose view of the table is given. */
  follow(table: KvView): void {
    this.#table = table;
    this.#set.follow(readManifest(table).runs, table);
  }

  get memory_bytes(): number {
    return this.#set.memory_bytes;
  }

  /** As of `RunTable.recordCount`. */
  get recordCount(): number {
    return this.#set.recordCount;
  }

  /** Of all blocks. */
  get stored_bytes(): number {
    return this.#set.stored_bytes;
  }

  /** The bytes of a record, valid until the next call; undefined where there is none. */
  find(hi: number, lo: number): Uint8Array | undefined {
    return this.#set.find(hi, lo, this.#table);
  }

  /** Each record whose high word, unsigned, is in [fromHi, toHi), in the order of keys: all, if not said. */
  scan(visit: VisitRecord, fromHi?: number, toHi?: number): void {
    this.#set.scan(this.#table, visit, fromHi, toHi);
  }
}

/** Every record with its key before it (8 bytes), in the order of keys: the rows that a digest is made of. */
export function* runRows(table: KvView): Iterable<Uint8Array> {
  const set = new RunSet();
  set.follow(readManifest(table).runs, table);
  yield* set.rows(table);
}
