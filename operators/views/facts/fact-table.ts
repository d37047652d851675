import {
  ByteReader,
  type ByteWriter,
  type Codec,
  expiryOf,
  invariant,
  type KvTable,
  type KvView,
  oldestDay,
  type RawSpec,
  rawTable,
  TTL_PREFIX_BYTES,
  TtlSweep,
  ttlDay,
} from '../../../engine/index.ts';
import { copyBytes, Scratch } from './fact-bytes.ts';
import type { FactKey } from './fact-key.ts';
import { FactRows, NO_ROW } from './fact-rows.ts';

/** The earliest event that claimed a slot of an entity. */
export interface Fact<P> {
  readonly time_ms: number;
  /** Breaks ties on time the same way whatever the order of arrival, e.g. a hash of the event id. */
  readonly tie: number;
  readonly payload: P;
}

const TWO_32 = 2 ** 32;
/** Times are stored in 48 bits. */
const END_MS = 2 ** 48;
/** Offsets within a fact. */
const TIME = 1;
const TIE = 7;
const LENGTH = 15;
export const MAX_SLOTS = 256;
/** Of one generation of the cache; it then turns, however few its rows. */
const GENERATION_MAX_BYTES = 32 * 1_048_576;
const INITIAL_SCRATCH_BYTES = 512;

export type Claim = 'new' | 'earlier' | 'later';

/** Throws `invariant_broken` for what a fact cannot have as its time. */
function requireTime(time_ms: number): void {
  invariant(time_ms >= 0 && time_ms < END_MS && time_ms % 1 === 0, 'the time of a fact is a time in ms');
}

/** How a table of facts lies in the store; see `FactTable`. */
export function factTableSpec(version: number, retain_ms: number): RawSpec {
  return rawTable({ version, logicalRows: (view, watermark_ms) => liveRows(view, watermark_ms, retain_ms) });
}

function* liveRows(view: KvView, watermark_ms: number, retain_ms: number): Iterable<Uint8Array> {
  for (const { key, value } of view.scan()) {
    // When the sweep comes past a forgotten row is no part of the content.
    if (expiryOf(value, { retain_ms }) < watermark_ms) continue;
    yield Buffer.concat([key, Uint8Array.of(0), value.subarray(TTL_PREFIX_BYTES)]);
  }
}

interface FactTableOptions {
  readonly retain_ms: number;
  readonly cacheRows: number;
  /** In an ordered task how long a row is there must not depend on the commit that writes it. */
  readonly ordered?: boolean;
}

/**
 * The facts of the entities of one kind, a row an entity. Rows are kept as the bytes that are stored, so
 * that nothing of them is an object: two bytes of the day (as in front of every row with a TTL), then the
 * facts by slot: slot (1 byte), time (6), tie (8), length of the payload (varint), payload.
 * A write-back cache of two generations: when the young one is full it becomes the old one, and the clean
 * rows of the former old one go. Rows changed since the last commit are never dropped. A row is forgotten
 * `retain_ms` after its last commit (in an ordered task, its last change), by the watermark, to the day.
 */
export class FactTable<P> {
  readonly #table: KvTable;
  readonly #payload: Codec<P>;
  readonly #retain_ms: number;
  readonly #limit_rows: number;
  /** Rows are of the day on which they are changed, and else of that on which they are written. */
  readonly #ordered: boolean;
  #day = 0;
  #young = new FactRows();
  #old = new FactRows();
  /** Rows of the old generation that have come into the young one. */
  #moved = 0;
  #key: FactKey | undefined;
  /** The row of the key in the young generation. */
  #row = NO_ROW;
  /** Where the slot asked for last is, or belongs, from the value's begin. */
  #at = 0;
  /** Length of its fact, or 0. */
  #size = 0;
  #changed_bytes = 0;
  /** Rows last written on a day before this one are forgotten. */
  #oldest_day = 0;
  readonly #sweep: TtlSweep;
  readonly #keyScratch = new Scratch(INITIAL_SCRATCH_BYTES);
  readonly #valueScratch = new Scratch(INITIAL_SCRATCH_BYTES);

  constructor(
    table: KvTable,
    payload: Codec<P>,
    { retain_ms, cacheRows, ordered = false }: FactTableOptions,
  ) {
    this.#ordered = ordered;
    this.#table = table;
    this.#payload = payload;
    this.#retain_ms = retain_ms;
    this.#sweep = new TtlSweep(table, { retain_ms });
    this.#limit_rows = Math.max(1, Math.floor(cacheRows / 2));
    this.advance(0);
  }

  get cachedRows(): number {
    return this.#young.count + this.#old.count - this.#moved;
  }

  get memory_bytes(): number {
    return this.#young.memory_bytes + this.#old.memory_bytes;
  }

  /** Rows written into the cache since the last commit, each as often as it was: no less than waits for it. */
  get changed_bytes(): number {
    return this.#changed_bytes;
  }

  /** Time moves between batches, never within one: expiry must not depend on arrival. */
  advance(watermark_ms: number): void {
    this.#oldest_day = oldestDay(watermark_ms, { retain_ms: this.#retain_ms });
    this.#day = ttlDay(watermark_ms);
  }

  /** Goes to the entity of a key; what follows is about it. The key must stay until then. */
  open(key: FactKey): void {
    if (this.#young.count >= this.#limit_rows || this.#young.used_bytes >= GENERATION_MAX_BYTES) this.#turn();
    this.#key = key;
    const young = this.#young;
    let row = young.find(key);
    if (row === NO_ROW) row = this.#fetch(key);
    // Not for rows that wait for a commit which writes them with a day of its own.
    const hasDay = this.#ordered || !young.isDirty(row);
    if (row !== NO_ROW && hasDay && this.#isForgotten(young.bytes, young.valueAt(row))) {
      young.truncate(row, TTL_PREFIX_BYTES);
    }
    this.#row = row;
  }

  #isForgotten(bytes: Uint8Array, at: number): boolean {
    return (((bytes[at] as number) << 8) | (bytes[at + 1] as number)) < this.#oldest_day;
  }

  #fetch(key: FactKey): number {
    const young = this.#young;
    const old = this.#old.find(key);
    if (old !== NO_ROW) {
      const row = young.take(this.#old, old);
      this.#moved++;
      if (this.#old.isDirty(old)) {
        this.#old.markClean(old);
        young.markDirty(row);
      }
      return row;
    }
    const stored = this.#table.get(key.whole());
    if (stored === undefined || this.#isForgotten(stored, 0)) return NO_ROW;
    const row = young.add(key, stored.length);
    young.bytes.set(stored, young.valueAt(row));
    return row;
  }

  /** What an event of this time and tie is to a slot. */
  claim(slot: number, time_ms: number, tie: number): Claim {
    this.#locate(slot);
    if (this.#size === 0) return 'new';
    const { view } = this.#young;
    const at = this.#young.valueAt(this.#row) + this.#at;
    const known_ms = view.getUint16(at + TIME) * TWO_32 + view.getUint32(at + TIME + 2);
    if (time_ms !== known_ms) return time_ms < known_ms ? 'earlier' : 'later';
    return tie < view.getFloat64(at + TIE) ? 'earlier' : 'later';
  }

  #locate(slot: number): void {
    this.#at = TTL_PREFIX_BYTES;
    this.#size = 0;
    if (this.#row === NO_ROW) return;
    const { bytes } = this.#young;
    const start = this.#young.valueAt(this.#row);
    const end = start + this.#young.valueLength(this.#row);
    let at = start + TTL_PREFIX_BYTES;
    while (at < end && (bytes[at] as number) < slot) at += factSize(bytes, at);
    this.#at = at - start;
    if (at < end && bytes[at] === slot) this.#size = factSize(bytes, at);
  }

  /** The fact of a slot. */
  read(slot: number): Fact<P> | undefined {
    this.#locate(slot);
    if (this.#size === 0) return undefined;
    const from = this.#young.valueAt(this.#row) + this.#at;
    const reader = new ByteReader(this.#young.bytes.subarray(from + TIME, from + this.#size));
    const time_ms = reader.u48();
    const tie = reader.f64();
    reader.varint();
    return { time_ms, tie, payload: this.#payload.read(reader) };
  }

  /** Makes this the fact of a slot, with the payload's bytes. Times are whole ms from 1970 on. */
  write(slot: number, time_ms: number, tie: number, payload: ByteWriter): void {
    requireTime(time_ms);
    this.#locate(slot);
    const length = payload.length;
    const size = LENGTH + varintSize(length) + length;
    const rows = this.#young;
    let at: number;
    if (this.#row === NO_ROW) {
      this.#row = rows.add(this.#key as FactKey, TTL_PREFIX_BYTES + size);
      at = rows.valueAt(this.#row) + TTL_PREFIX_BYTES;
    } else {
      const from = rows.valueAt(this.#row);
      const until = rows.valueLength(this.#row);
      const to = rows.replace(this.#row, until - this.#size + size);
      at = to + this.#at;
      const rest = this.#at + this.#size;
      copyBytes(rows.view, from, rows.view, to, this.#at);
      copyBytes(rows.view, from + rest, rows.view, at + size, until - rest);
    }
    const { bytes, view } = rows;
    bytes[at] = slot;
    view.setUint16(at + TIME, Math.floor(time_ms / TWO_32));
    view.setUint32(at + TIME + 2, time_ms % TWO_32);
    view.setFloat64(at + TIE, tie);
    let to = at + LENGTH;
    let left = length;
    for (; left >= 128; left >>>= 7) bytes[to++] = (left & 127) | 128;
    bytes[to++] = left;
    payload.copyTo(bytes, to);
    if (this.#ordered) view.setUint16(rows.valueAt(this.#row), this.#day);
    this.#changed_bytes += rows.valueLength(this.#row);
    rows.markDirty(this.#row);
  }

  #turn(): void {
    const old = this.#old;
    const young = this.#young;
    old.drain((row) => young.markDirty(young.take(old, row)));
    old.clear();
    this.#old = young;
    this.#young = old;
    this.#moved = 0;
    this.#row = NO_ROW;
  }

  /** Writes what changed, and looks at a bounded number of stored rows to remove the forgotten. Inside a commit. */
  flush(watermark_ms: number): void {
    const day = ttlDay(watermark_ms);
    let written = 0;
    let oldest = day;
    for (const rows of [this.#old, this.#young]) {
      rows.drain((row) => {
        written++;
        if (this.#ordered) oldest = Math.min(oldest, rows.view.getUint16(rows.valueAt(row)));
        else rows.view.setUint16(rows.valueAt(row), day);
        const key = copied(rows, rows.keyAt(row), rows.keyLength(row), this.#keyScratch);
        this.#table.put(key, copied(rows, rows.valueAt(row), rows.valueLength(row), this.#valueScratch));
      });
    }
    this.#changed_bytes = 0;
    this.#row = NO_ROW;
    this.#sweep.run(watermark_ms, written, oldest);
  }
}

/** A short copy costs less than a view of one's own. */
function copied(rows: FactRows, at: number, length: number, scratch: Scratch): Buffer {
  scratch.reserve(length);
  copyBytes(rows.view, at, scratch.view, 0, length);
  return scratch.first(length);
}

function varintSize(value: number): number {
  let size = 1;
  for (let left = value; left >= 128; left >>>= 7) size++;
  return size;
}

/** Length of the fact at `at`. */
function factSize(bytes: Uint8Array, at: number): number {
  let to = at + LENGTH;
  let byte = bytes[to++] as number;
  if (byte < 128) return to - at + byte;
  let length = byte & 127;
  for (let shift = 7; byte >= 128; shift += 7) {
    byte = bytes[to++] as number;
    length |= (byte & 127) << shift;
  }
  return to - at + length;
}
