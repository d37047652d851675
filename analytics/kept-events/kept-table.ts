import { ByteWriter, type KvTable, RecordArena, RunTable } from '../../engine/index.ts';
import type { Backfilled } from '../../operators/index.ts';
import { AttemptKeeper, clearAttempts } from '../kept-attempts/index.ts';
import {
  BUILT_TO,
  heldWords,
  type KeptAttempts,
  type KeptInfo,
  type KeptLimit,
  type KeptLimits,
  type KeptSpec,
} from './kept-definition.ts';
import { KeptEvents, lastOf } from './kept-record.ts';
import { PrefixedTable } from './prefixed-table.ts';

const INITIAL_PENDING = 64;
/** Room for so many pending events stays from commit to commit. */
const ROOM_MAX_EVENTS = 4_096;
/** Of a pending event: the entity's two words, bits, sign; then what is held. */
const HEAD_WORDS = 4;

/** What the tables of an operator write with, one after the other. */
export interface KeptWriting {
  readonly entities: KvTable;
  readonly attempts: KvTable;
  readonly limits: KeptLimits;
  readonly writer: ByteWriter;
  readonly arena: RecordArena;
  /** Hears of an event that is taken back and is not there. */
  readonly missing: (scope: string, time_ms: number) => void;
}

export const keptWriting = (
  parts: Pick<KeptWriting, 'entities' | 'attempts' | 'limits' | 'missing'>,
): KeptWriting => ({
  ...parts,
  ...{ writer: new ByteWriter(), arena: new RecordArena() },
});

/** The events of one definition: those of each entity as a record in sorted runs, and what came since the last commit. */
export class KeptTable implements Backfilled<KeptInfo> {
  slot: KeptInfo;
  /** What its definition asks for; undefined until that is known. */
  spec: KeptSpec | undefined;
  /** The log has no rows before it: events that are older go as records are written. Moves on. */
  cut_ms = Number.NEGATIVE_INFINITY;
  /** Set by a commit that went over a limit. */
  full: KeptLimit | undefined;
  readonly #writing: KeptWriting;
  readonly #events: KeptEvents;
  readonly #words: number;
  #runs: RunTable | undefined;
  #attempts: KeptAttempts | undefined;
  #keeper: AttemptKeeper<KeptEvents> | undefined;
  #stored_bytes = 0;
  #pending = 0;
  #time_ms = new Float64Array(INITIAL_PENDING);
  #columns: Int32Array;

  constructor(slot: KeptInfo, writing: KeptWriting) {
    this.slot = slot;
    this.full = slot.full;
    this.#writing = writing;
    this.#events = new KeptEvents(slot);
    this.#words = HEAD_WORDS + heldWords(slot);
    this.#columns = new Int32Array(INITIAL_PENDING * this.#words);
  }

  /** Events since the last commit. */
  get pending(): number {
    return this.#pending;
  }

  /** As of the last commit that had events. */
  get stored_bytes(): number {
    return this.#stored_bytes;
  }

  /** Its attempts are to be found from the events that are kept. */
  get isBuilding(): boolean {
    return this.full === undefined && this.#built_to !== BUILT_TO.leftOut && this.#built_to < BUILT_TO.all;
  }

  get #built_to(): number {
    return this.slot.attempts?.built_to ?? BUILT_TO.stale;
  }

  /** From here on its entities have these attempts. */
  follow(attempts: KeptAttempts): void {
    this.#attempts = attempts;
    if (this.slot.attempts?.meaning === attempts.meaning) return;
    this.#keeper = undefined;
    this.#setBuilt(BUILT_TO.stale);
  }

  #setBuilt(built_to: number): void {
    const { meaning = '' } = this.#attempts ?? {};
    this.slot = { ...this.slot, attempts: { meaning, built_to } };
  }

  /** Lets go of the memory that it writes with, about 150 KB, until there is something to write. */
  close(): void {
    this.#runs = undefined;
    this.#keeper = undefined;
  }

  /**
   * One more event of an entity; sign -1: it takes one back. Gives the array, and the place in it, where the caller
   * writes what is held.
   */
  add(hi: number, lo: number, time_ms: number, bits: number, sign: 1 | -1): number {
    const event = this.#pending++;
    if (event === this.#time_ms.length) this.#grow();
    const at = event * this.#words;
    this.#time_ms[event] = time_ms;
    this.#columns[at] = hi;
    this.#columns[at + 1] = lo;
    this.#columns[at + 2] = bits;
    this.#columns[at + 3] = sign;
    return at + HEAD_WORDS;
  }

  /** A word of what is held, in a place that `add` gave, or behind it. */
  hold(place: number, word: number): void {
    this.#columns[place] = word;
  }

  #grow(): void {
    const [time_ms, columns] = [this.#time_ms, this.#columns];
    this.#time_ms = new Float64Array(time_ms.length * 2);
    this.#columns = new Int32Array(columns.length * 2);
    this.#time_ms.set(time_ms);
    this.#columns.set(columns);
  }

  /** Inside a commit: brings what came into the records, and into the attempts that there are. */
  commit(): void {
    if (this.#pending === 0) return;
    this.#runs ??= this.#open();
    const keeper = this.#kept();
    const order = this.#byEntity();
    for (let from = 0; from < order.length && this.full === undefined; ) {
      from = this.#commitEntity(this.#runs, keeper, order, from);
      if (keeper?.isTooMuch === false) keeper.applyMany(this.cut_ms);
    }
    const { arena, limits } = this.#writing;
    this.#pending = 0;
    if (this.#time_ms.length > ROOM_MAX_EVENTS) {
      this.#time_ms = new Float64Array(INITIAL_PENDING);
      this.#columns = new Int32Array(INITIAL_PENDING * this.#words);
    }
    this.#runs.commit(arena);
    arena.clear();
    this.#stored_bytes = this.#runs.stored_bytes;
    if (this.#stored_bytes > limits.definition_max_bytes) this.full ??= 'definition_max_bytes';
    this.#apply(keeper);
  }

  /** Inside a commit: goes on to find the attempts of those entities that are not asked yet. */
  build(): void {
    if (!this.isBuilding || this.#attempts === undefined) return;
    if (this.#built_to < BUILT_TO.none) {
      this.#clearAttempts();
      this.#setBuilt(BUILT_TO.none);
    }
    this.#runs ??= this.#open();
    const [from, events] = [this.#built_to, this.#events];
    const share = this.#writing.limits.attempts_max_bytes / Math.max(1, this.#runs.stored_bytes);
    const to = Math.min(BUILT_TO.all, from + Math.ceil(share * BUILT_TO.all));
    this.#setBuilt(to);
    const keeper = this.#kept();
    keeper?.was(undefined);
    this.#runs.scan(
      (_hi, _lo, bytes, start, end) => {
        events.clear();
        events.read(bytes, start, end);
        keeper?.is(events);
      },
      from,
      to,
    );
    this.#apply(keeper);
  }

  /** Inside a commit: what lies before a time is forgotten, the attempts' blocks at once. */
  forgetBefore(cut_ms: number): void {
    if (cut_ms === this.cut_ms) return;
    this.cut_ms = cut_ms;
    (this.#keeper ?? this.#keeperOf(this.#attempts))?.forgetBefore(cut_ms);
  }

  /** What keeps the attempts of those entities whose are stored. */
  #kept(): AttemptKeeper<KeptEvents> | undefined {
    this.#keeper ??= this.#keeperOf(this.#attempts);
    return this.#keeper;
  }

  #keeperOf(attempts: KeptAttempts | undefined): AttemptKeeper<KeptEvents> | undefined {
    if (attempts === undefined || this.#built_to <= BUILT_TO.none || this.full !== undefined)
      return undefined;
    return new AttemptKeeper(this.#writing.attempts, this.slot.id, attempts.form, attempts.finder());
  }

  #apply(keeper: AttemptKeeper<KeptEvents> | undefined): void {
    if (keeper === undefined || this.full !== undefined) return;
    if (!keeper.isTooMuch) keeper.apply(this.cut_ms);
    if (keeper.isTooMuch) {
      this.#clearAttempts();
      this.#setBuilt(BUILT_TO.leftOut);
    }
  }

  #clearAttempts(): void {
    this.#keeper = undefined;
    clearAttempts(this.#writing.attempts, this.slot.id);
  }

  #open(): RunTable {
    const isForgotten = (bytes: Uint8Array, start: number): boolean => lastOf(bytes, start) < this.cut_ms;
    return new RunTable(new PrefixedTable(this.#writing.entities, this.slot.id), {}, isForgotten);
  }

  #byEntity(): Uint32Array {
    const [columns, words] = [this.#columns, this.#words];
    const order = Uint32Array.from({ length: this.#pending }, (_, event) => event);
    return order.sort(
      (a, b) =>
        (columns[a * words] as number) - (columns[b * words] as number) ||
        (columns[a * words + 1] as number) - (columns[b * words + 1] as number),
    );
  }

  /** The entity of the event at `order[from]`; gives the place of the next one's. */
  #commitEntity(
    runs: RunTable,
    keeper: AttemptKeeper<KeptEvents> | undefined,
    order: Uint32Array,
    from: number,
  ): number {
    const { writer, arena, limits, missing } = this.#writing;
    const [columns, words, events] = [this.#columns, this.#words, this.#events];
    const first = (order[from] as number) * words;
    const [hi, lo] = [columns[first] as number, columns[first + 1] as number];
    const stored = runs.find(hi, lo);
    events.clear();
    if (stored !== undefined) events.read(stored, 0, stored.length);
    const own = hi >>> 0 < this.#built_to ? keeper : undefined;
    own?.was(stored === undefined ? undefined : events);
    let to = from;
    for (; to < order.length; to++) {
      const at = (order[to] as number) * words;
      if (columns[at] !== hi || columns[at + 1] !== lo) break;
      const sign = columns[at + 3] === 1 ? 1 : -1;
      const time_ms = this.#time_ms[order[to] as number] as number;
      const place = events.append(time_ms, columns[at + 2] as number, sign) * events.words;
      for (let word = 0; word < events.words; word++)
        events.held[place + word] = columns[at + HEAD_WORDS + word] as number;
    }
    events.settle(this.cut_ms, (time_ms) => missing(this.slot.scope, time_ms));
    own?.is(events);
    if (events.count > limits.entity_max_events) this.full = 'entity_max_events';
    else if (events.count > 0) {
      events.write(writer.reset());
      const at = arena.append(hi, lo, writer.length);
      writer.copyTo(arena.area.bytes, at);
    } else if (stored !== undefined) arena.remove(hi, lo);
    return to;
  }
}
