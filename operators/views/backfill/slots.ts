import type { KvTable } from '../../../engine/index.ts';
import { NEVER_MS, type RowHistory } from './history.ts';
import { type BackfillSlot, readSlots, removeSlotRows, writeSlot } from './slot.ts';

/** A definition that an operator counts rows for, and what it has of it. */
export interface Backfilled<S extends BackfillSlot> {
  slot: S;
}

export interface SlotsConfig<S extends BackfillSlot, B extends Backfilled<S>> {
  /** The table of slots; nothing else lies in it. */
  readonly slots: KvTable;
  /** Tables whose keys begin with a slot's id, four bytes. */
  readonly rows: readonly KvTable[];
  /** Rows of a dropped slot that are removed in a commit. */
  readonly drop_max_rows: number;
  /** What counts rows for a slot that goes on, or is new. */
  readonly open: (slot: S) => B;
}

/** What a slot is to be, without what only the state knows. */
export type WantedSlot<S extends BackfillSlot> = Omit<S, 'id' | 'from_ms' | 'share' | 'isDropped'>;

/**
 * The slots of an operator, in memory and in the state. What is wanted no more is dropped, and its rows go piece by
 * piece; what is new begins without rows, or with all of them where there are none yet.
 */
export class Slots<S extends BackfillSlot, B extends Backfilled<S>> {
  readonly #config: SlotsConfig<S, B>;
  #live: readonly B[] = [];
  #dropped: readonly S[] = [];
  #written: ReadonlyMap<number, S>;

  constructor(config: SlotsConfig<S, B>) {
    this.#config = config;
    const stored = readSlots<S>(config.slots);
    this.#written = new Map(stored.map((slot) => [slot.id, slot]));
    this.#dropped = stored.filter(({ isDropped }) => isDropped);
    this.#live = stored.filter(({ isDropped }) => !isDropped).map(config.open);
  }

  get live(): readonly B[] {
    return this.#live;
  }

  /** No slot was ever stored. */
  get isEmpty(): boolean {
    return this.#written.size === 0;
  }

  /**
   * From here on these are wanted; `isSame` says whether a slot is already what is wanted. `newFrom_ms` is where a
   * new one begins.
   */
  want(
    wanted: readonly WantedSlot<S>[],
    isSame: (slot: S, wanted: WantedSlot<S>) => boolean,
    newFrom_ms: (wanted: WantedSlot<S>) => number,
  ): void {
    const byName = new Map(wanted.map((each) => [each.name, each]));
    const isKept = ({ slot }: B): boolean => {
      const want = byName.get(slot.name);
      return want !== undefined && isSame(slot, want);
    };
    const kept = this.#live.filter(isKept);
    const stays = new Set(kept);
    const gone = this.#live.filter((each) => !stays.has(each));
    this.#dropped = [...this.#dropped, ...gone.map(({ slot }) => ({ ...slot, isDropped: true }))];
    const names = new Set(kept.map(({ slot }) => slot.name));
    const slots = [...this.#dropped, ...kept.map(({ slot }) => slot)];
    let id = slots.reduce((last, slot) => Math.max(last, slot.id), 0);
    const added = wanted
      .filter(({ name }) => !names.has(name))
      .map((want) => ({ ...want, id: ++id, from_ms: newFrom_ms(want), isDropped: false }) as S);
    this.#live = [...kept, ...added.map(this.#config.open)];
  }

  /** Inside a commit: stores what changed, and removes a piece of what was dropped. */
  flush(): void {
    const { slots, rows, drop_max_rows } = this.#config;
    this.#dropped = this.#dropped.filter(({ id }) => !removeSlotRows(slots, rows, id, drop_max_rows));
    const now = [...this.#dropped, ...this.#live.map(({ slot }) => slot)];
    for (const slot of now) if (this.#written.get(slot.id) !== slot) writeSlot(slots, slot);
    this.#written = new Map(now.map((slot) => [slot.id, slot]));
  }
}

/** Where a new slot begins: in a log without rows it has them all, else none of them. */
export function newFrom(history: RowHistory, scope: string | undefined): number {
  return history.newestBefore(NEVER_MS, scope) === undefined ? history.start_ms(scope) : NEVER_MS;
}
