import { ALL_TIME_MS, type HistoryRange, nextSlice, type RowHistory } from './history.ts';
import type { BackfillSlot } from './slot.ts';
import type { Backfilled } from './slots.ts';

/**
 * Brings the rows of the log into slots that do not have all of them, newest first. At a barrier it reads a slice
 * of time before what a slot counts, adds its rows, and moves the slot's `from_ms` to the slice's start. Between
 * two barriers rows count where their time is `from_ms` or later; those before it are in the log when their slice
 * is read. So each row counts once, however they come, whatever is late or taken back. Slots of one scope that
 * stand at one time share a read.
 */
export class Backfill<S extends BackfillSlot, B extends Backfilled<S>> {
  readonly #history: RowHistory;
  readonly #max_rows: number;
  /** Adds the rows of a range to what is being built; gives the rows that were read. */
  readonly #read: (building: readonly B[], range: HistoryRange) => number;
  /** Those that do not have all rows that there are. */
  #building: readonly B[] = [];

  constructor(
    history: RowHistory,
    max_rows: number,
    read: (building: readonly B[], range: HistoryRange) => number,
  ) {
    this.#history = history;
    this.#max_rows = max_rows;
    this.#read = read;
  }

  get incomplete(): number {
    return this.#building.length;
  }

  /** From here on it looks after these. Not within a step. */
  follow(slots: readonly B[]): void {
    this.#building = slots;
    this.#history.refresh();
    this.#forgetComplete();
  }

  /** The log's start only moves on: what has reached it once is not asked again. */
  #forgetComplete(): void {
    const starts = new Map<string | undefined, number>();
    this.#building = this.#building.filter((each) => {
      const { from_ms, scope } = each.slot;
      if (from_ms <= ALL_TIME_MS) return false;
      let start_ms = starts.get(scope);
      if (start_ms === undefined) {
        start_ms = this.#history.start_ms(scope);
        starts.set(scope, start_ms);
      }
      if (from_ms > start_ms) return true;
      each.slot = withoutShare(each.slot);
      return false;
    });
    if (this.#building.length === 0) this.#history.release();
  }

  /** Inside a commit. Reads about `max_rows` rows, at least one slice. */
  step(): void {
    if (this.#building.length === 0) return;
    this.#history.refresh();
    let budget = this.#max_rows;
    while (budget > 0) {
      this.#forgetComplete();
      const [first] = this.#building.toSorted((a, b) => b.slot.from_ms - a.slot.from_ms);
      if (first === undefined) return;
      const { from_ms, scope } = first.slot;
      const group = this.#building.filter(({ slot }) => slot.from_ms === from_ms && slot.scope === scope);
      budget -= this.#buildSlice(group, from_ms, scope);
    }
    this.#forgetComplete();
  }

  /** Gives the rows that were read. */
  #buildSlice(group: readonly B[], from_ms: number, scope: string | undefined): number {
    const slice = nextSlice(this.#history, scope, from_ms, this.#max_rows);
    const rows = slice === undefined ? 0 : this.#read(group, slice);
    const reached_ms = slice?.start_ms ?? this.#history.start_ms(scope);
    const share = slice === undefined ? 1 : this.#shareFrom(reached_ms, scope);
    for (const each of group) {
      each.slot = { ...withoutShare(each.slot), from_ms: reached_ms, ...(share < 1 ? { share } : {}) };
    }
    return Math.max(1, rows);
  }

  /** Of all rows there are, about. */
  #shareFrom(start_ms: number, scope: string | undefined): number {
    const before = this.#history.rows({ scope, start_ms: ALL_TIME_MS, end_ms: start_ms });
    const after = this.#history.rows({ scope, start_ms, end_ms: -ALL_TIME_MS });
    return after / Math.max(1, before + after);
  }
}

function withoutShare<S extends BackfillSlot>({ share: _, ...slot }: S): S {
  return slot as unknown as S;
}
