import { type Dictionary, type KvTable, OTHER_TEXT } from '../../../engine/index.ts';
import { scopePrefix } from './cell-keys.ts';
import { CellStore, NO_LIMIT } from './cell-store.ts';
import type { Cube } from './cube.ts';
import { DayCells } from './day-cells.ts';
import { KEY_WORDS, TouchedCells } from './touched-cells.ts';

export interface FilledDay {
  readonly scope: string;
  readonly cube: string;
  readonly day_ms: number;
}

export interface WriterTables {
  readonly cells: KvTable;
  readonly days: KvTable;
}

/** Brings what was added to a cube since the last commit into its cells on disk. */
export class CubeWriter {
  readonly #cube: Cube;
  readonly #store: CellStore;
  readonly #days: DayCells | undefined;
  readonly #others: TouchedCells;
  readonly #filled: (day: FilledDay) => void;

  constructor(
    cube: Cube,
    { cells, days }: WriterTables,
    cells_per_day: number,
    filled: (day: FilledDay) => void,
  ) {
    const { dimensions, measures, bucket_ms } = cube.slot;
    this.#cube = cube;
    this.#store = new CellStore(cells, dimensions.length, measures);
    this.#days = dimensions.length === 0 ? undefined : new DayCells(days, bucket_ms, cells_per_day);
    this.#others = new TouchedCells(dimensions.length, measures);
    this.#filled = filled;
  }

  get blocksWritten(): number {
    return this.#store.blocksWritten;
  }

  /** Inside a commit. */
  drain(dictionary: Dictionary): void {
    const { touched } = this.#cube;
    if (touched.count === 0) return;
    const order = touched.sorted();
    const { keys, words } = touched;
    for (let from = 0; from < order.length; ) {
      const scope = keys[(order[from] as number) * words] as number;
      let to = from + 1;
      while (to < order.length && keys[(order[to] as number) * words] === scope) to++;
      this.#drainScope(dictionary, scope, order, { from, to });
      from = to;
    }
    touched.clear();
  }

  #drainScope(
    dictionary: Dictionary,
    scopeCode: number,
    order: Uint32Array,
    range: { from: number; to: number },
  ): void {
    const { slot: info, touched } = this.#cube;
    const scope = dictionary.textOf(scopeCode);
    const prefix = scopePrefix(info.id, scope);
    const days = this.#days;
    days?.open(prefix);
    this.#store.merge(prefix, touched, order, range, days ?? NO_LIMIT);
    if (days === undefined) return;
    days.close();
    for (const day_ms of days.filled) this.#filled({ scope, cube: info.name, day_ms });
    if (this.#store.refused.length > 0) this.#mergeOthers(prefix, dictionary.find(OTHER_TEXT));
  }

  /** Cells that were not admitted are one cell, for each bucket and currency. */
  #mergeOthers(prefix: Uint8Array, other: number): void {
    const others = this.#others;
    const { touched } = this.#cube;
    for (const cell of this.#store.refused) {
      const keyAt = cell * touched.words;
      others.key.fill(other);
      for (let word = 0; word < KEY_WORDS; word++) others.key[word] = touched.keys[keyAt + word] as number;
      others.addCell(touched, cell);
    }
    const order = others.sorted();
    this.#store.merge(prefix, others, order, { from: 0, to: order.length }, NO_LIMIT);
    others.clear();
  }
}
