import { type Chunk, type ChunkHashes, type EntityShare, shareOf, WideIndex } from '../../engine/index.ts';
import { refineRange } from '../row-sums/index.ts';
import { CODE } from '../rows/index.ts';
import { type DerivedCode, lonerHash, RowTable } from './row-table.ts';
import { type RowTest, RowTests } from './row-test.ts';

export const MAX_SHARES = 64;

/** Which rows are collected, and what of them. Columns by their place among those of their kind. */
export interface EntityRowsConfig {
  /** Hash column of the entity; rows without one are skipped. */
  readonly entity: number;
  readonly share: EntityShare;
  /** A row is collected when it passes any of them. */
  readonly tests: readonly RowTest[];
  /** Code columns carried along. */
  readonly codes?: readonly number[];
  /** Number columns carried along. */
  readonly numbers?: readonly number[];
  /** Hash columns carried along. */
  readonly hashes?: readonly number[];
  /** Codes that are made of a row, carried behind `codes`: rows that say the same must have the same code. */
  readonly derived?: readonly DerivedCode[];
  /** Each event without the entity stands alone: it comes as an entity of its own. */
  readonly loners?: boolean;
  /** Of the entities only those; default: all. Loners are none. */
  readonly entities?: (hi: number, lo: number) => boolean;
  /** Of the plan: rows outside are left out. */
  readonly request: { readonly start_ms: number; readonly end_ms: number; readonly upTo?: number };
}

/**
 * One entity: its rows are those at `order[from..to)` of the table, by time, then by the code of the event. Valid
 * during the call.
 */
export type EntityRowsVisitor = (table: RowTable, order: Uint32Array, from: number, to: number) => void;

/**
 * Collects the rows of entities from the chunks of a scan, in any order, and hands them out entity by entity: net of
 * corrections, so each event is there once, as it is now (or was at `upTo`). What comes out is a function of the set
 * of events: not of the order of arrival, nor of how rows lie in segments.
 *
 * Takes about 40 bytes a row and 4 to 8 for each column that is carried. All rows of an entity have to come to the
 * same one, so a large query is divided by `share` and not by time.
 */
export class EntityRows {
  readonly table: RowTable;
  readonly #config: EntityRowsConfig;
  readonly #tests: RowTests;
  readonly #entity = new WideIndex();
  #rows = new Uint32Array(0);

  constructor(config: EntityRowsConfig) {
    const { codes = [], numbers = [], hashes = [], derived = [], loners = false, share } = config;
    if (share.of > MAX_SHARES || (share.of & (share.of - 1)) !== 0)
      throw new RangeError(`${share.of} is no number of shares`);
    this.#config = config;
    this.#tests = new RowTests(config.tests);
    this.table = new RowTable({ codes, numbers, hashes, derived, loners });
  }

  add(chunk: Chunk): void {
    if (this.#config.entities !== undefined && !this.#oursOf(chunk.hash(this.#config.entity)).includes(1))
      return;
    const bits = this.#tests.of(chunk);
    if (bits === undefined) return;
    const count = this.#select(chunk, bits);
    if (count > 0) this.table.append(chunk, this.#config.entity, bits, this.#rows.subarray(0, count));
  }

  /** The rows of the entities of the share that pass a test; returns how many there are. */
  #select(chunk: Chunk, bits: Uint32Array): number {
    if (this.#rows.length < chunk.rows) this.#rows = new Uint32Array(chunk.rows);
    const rows = this.#rows;
    const hashes = chunk.hash(this.#config.entity);
    const isOurs = this.#oursOf(hashes);
    const places = this.#entity.of(hashes.index, chunk.rows);
    let count = 0;
    for (let row = 0; row < chunk.rows; row++) {
      rows[count] = row;
      count += bits[row] !== 0 ? (isOurs[places[row] as number] as number) : 0;
    }
    if (this.#config.loners === true) count = this.#dropLoners(chunk, places, rows, count);
    if (chunk.isWhole) return count;
    const { start_ms, end_ms, upTo = Number.POSITIVE_INFINITY } = this.#config.request;
    if (chunk.min_ms < start_ms || chunk.max_ms >= end_ms)
      count = refineRange(chunk.time_ms(), start_ms, end_ms, rows, count);
    if (chunk.max_sequence > upTo)
      count = refineRange(chunk.sequence(), Number.NEGATIVE_INFINITY, upTo + 1, rows, count);
    return count;
  }

  #oursOf({ hi, lo }: Pick<ChunkHashes, 'hi' | 'lo'>): Uint8Array {
    const { share, loners, entities } = this.#config;
    const { index, of } = share;
    const ours = new Uint8Array(hi.length);
    for (let at = 0; at < hi.length; at++) {
      const high = hi[at] as number;
      const isNone = (high | (lo[at] as number)) === 0;
      const isOfShare = isNone ? loners === true : shareOf(high, of) === index;
      ours[at] = isOfShare && (entities?.(high, lo[at] as number) ?? true) ? 1 : 0;
    }
    return ours;
  }

  /** Leaves out the loners of other shares. */
  #dropLoners(chunk: Chunk, places: Uint32Array, rows: Uint32Array, count: number): number {
    const { index, of } = this.#config.share;
    if (of === 1) return count;
    const { hi, lo } = chunk.hash(this.#config.entity);
    const events = chunk.code(CODE.event);
    let kept = 0;
    for (let at = 0; at < count; at++) {
      const row = rows[at] as number;
      rows[kept] = row;
      const place = places[row] as number;
      const isLoner = hi[place] === 0 && lo[place] === 0;
      const event = events.values[events.index === null ? 0 : (events.index[row] as number)] as number;
      kept += !isLoner || shareOf(lonerHash(event), of) === index ? 1 : 0;
    }
    return kept;
  }

  /**
   * Calls `visit` for each entity with rows left, in order of hashes. `check` is called every few milliseconds and may
   * throw.
   */
  visit(visit: EntityRowsVisitor, check: () => void = () => {}): void {
    this.table.visit(visit, check);
  }
}
