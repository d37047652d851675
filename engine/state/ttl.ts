import type { KvTable } from './kv.ts';

/**
 * A row is forgotten this long after it was last written, both by the watermark, to the day. Not by the
 * time of what it says: events from years ago are remembered as long as any others.
 */
export interface Ttl {
  readonly retain_ms: number;
}

export const TTL_DAY_MS = 86_400_000;
/** In front of the value of a row with a TTL: the day of the watermark when it was written. */
export const TTL_PREFIX_BYTES = 2;

/** What the prefix can hold: a day in 2149. What is written from then on is not forgotten. */
const LAST_DAY = 0xffff;

/** The day of a row that is written now. Before 1970 it is the first. */
export function ttlDay(watermark_ms: number): number {
  return Math.min(LAST_DAY, Math.max(0, Math.floor(watermark_ms / TTL_DAY_MS)));
}

/** The watermark beyond which a stored row with a TTL is forgotten. */
export function expiryOf(row: Uint8Array, ttl: Ttl): number {
  return expiryOfDay(dayOf(row), ttl);
}

/** The same of a row that is written on a day. */
export function expiryOfDay(day: number, { retain_ms }: Ttl): number {
  return day === LAST_DAY ? Number.POSITIVE_INFINITY : (day + 1) * TTL_DAY_MS + retain_ms;
}

/** Rows that were last written on a day before this one are forgotten. */
export function oldestDay(watermark_ms: number, { retain_ms }: Ttl): number {
  return Math.min(LAST_DAY, Math.ceil((watermark_ms - retain_ms) / TTL_DAY_MS - 1));
}

function dayOf(row: Uint8Array): number {
  return ((row[0] as number) << 8) | (row[1] as number);
}

/** Rows looked at in a commit while nothing forgotten has been met. */
const MIN_ROWS_PER_COMMIT = 1_000;
/**
 * And then for each row written, if that is more. With r looked at for each new row, the forgotten ones that are
 * still there are about 1 / (r - 1) of those that live, however fast event time goes.
 */
const ROWS_PER_WRITE = 4;
const FIRST_KEY = new Uint8Array(0);

/**
 * Removes the forgotten rows of a table, some in each commit, so that the cost of a commit stays flat. Rows are
 * forgotten by the day, and a pass over the table learns the oldest day that is left: until that one is over
 * there is nothing to do. After a start a first pass finds it out.
 */
export class TtlSweep {
  readonly #table: KvTable;
  readonly #ttl: Ttl;
  /** Where the pass goes on; undefined: none is under way. */
  #from: Uint8Array | undefined;
  /** The oldest day that the pass has left behind; those written since it began are not older. */
  #left = 0;
  /** There are forgotten rows, for one was met or the last pass has left some that are over now. */
  #hasMet = false;
  /** No row is of an earlier day; undefined before the end of the first pass. */
  #oldest: number | undefined;

  constructor(table: KvTable, ttl: Ttl) {
    this.#table = table;
    this.#ttl = ttl;
  }

  /**
   * Inside the commit, which has written this many rows, all of `oldestWritten`'s day or later: by default that of the
   * watermark. Whether a pass begins.
   */
  run(watermark_ms: number, written: number, oldestWritten: number = ttlDay(watermark_ms)): boolean {
    const begins = this.#from === undefined;
    const oldest = oldestDay(watermark_ms, this.#ttl);
    if (this.#oldest !== undefined && oldestWritten < this.#oldest) this.#oldest = oldestWritten;
    if (this.#from === undefined) {
      if (this.#oldest !== undefined && oldest <= this.#oldest) return false;
      this.#left = Math.min(ttlDay(watermark_ms), oldestWritten);
      this.#hasMet = this.#oldest !== undefined;
      this.#from = FIRST_KEY;
    }
    // Those that are written behind the pass are not met by it.
    if (oldestWritten < this.#left) this.#left = oldestWritten;
    const limit = this.#hasMet
      ? Math.max(MIN_ROWS_PER_COMMIT, written * ROWS_PER_WRITE)
      : MIN_ROWS_PER_COMMIT;
    const gone: Uint8Array[] = [];
    let seen = 0;
    let last: Uint8Array | undefined;
    for (const { key, value } of this.#table.scan(
      this.#from === FIRST_KEY ? { limit } : { start: this.#from, limit },
    )) {
      seen++;
      const day = dayOf(value);
      // Copied where it is needed: a commit looks at many rows.
      if (day < oldest) gone.push(Uint8Array.from(key));
      else if (day < this.#left) this.#left = day;
      if (seen === limit) last = Uint8Array.from(key);
    }
    this.#from = last;
    if (last === undefined) this.#oldest = this.#left;
    if (gone.length > 0) this.#hasMet = true;
    for (const key of gone) this.#table.remove(key);
    return begins;
  }
}
