import type { EventBatch } from '../events/index.ts';
import { EarliestOrders } from './earliest-orders.ts';
import { ENTRY_HEAD_BYTES, type OwnRow, readOwn, writeOwn } from './own-row.ts';
import { RecordReader, RecordWriter } from './record-bytes.ts';
import type { RecordHeap } from './record-heap.ts';

/** What `claim` found. */
export const CLAIM = { first: 0, earlier: 1, later: 2 } as const;
export type Claim = (typeof CLAIM)[keyof typeof CLAIM];

/** Places of the two events: of a session its first visit and cart, of a ticket its opening and first response. */
export const SLOT = { visit: 0, cart: 1, opened: 0, response: 1 } as const;

/** Reads the two parts behind a record's earliest orders: each a length and an event as it was sent. */
class Parts {
  readonly start = new Int32Array(2);
  readonly end = new Int32Array(2);
}

/**
 * The earliest event of each of two kinds for an entity: a session's first visit and first cart, a ticket's opening
 * and first response. A record: time of the last event (u48), the entity's earliest orders, then for each of the two
 * the length of the event (u16, 0: none), its kind and its bytes (`own-row.ts`).
 */
export class PairedFirsts {
  readonly #heap: RecordHeap;
  readonly #reader = new RecordReader();
  readonly #writer = new RecordWriter();
  readonly #earliest = new EarliestOrders();
  readonly #parts = new Parts();
  #bytes: Uint8Array = new Uint8Array(0);
  #last_ms = 0;

  constructor(heap: RecordHeap) {
    this.#heap = heap;
  }

  /** Opens an entity's record; `has` and `read` speak of it. */
  open(hi: number, lo: number): void {
    const heap = this.#heap;
    const parts = this.#parts;
    parts.end.fill(0);
    parts.start.fill(0);
    this.#last_ms = 0;
    this.#earliest.clear();
    if (!heap.open(hi, lo)) return;
    const reader = this.#reader;
    reader.open(heap.bytes, heap.start);
    this.#bytes = heap.bytes;
    this.#last_ms = reader.u48();
    this.#earliest.read(reader);
    for (let slot = 0; slot < 2 && reader.at < heap.end; slot++) {
      const length = reader.u16();
      parts.start[slot] = reader.at;
      parts.end[slot] = reader.at + length;
      reader.at += length;
    }
  }

  has(slot: number): boolean {
    return (this.#parts.end[slot] as number) > (this.#parts.start[slot] as number);
  }

  /** The event of a slot that has one. */
  read(slot: number, own: OwnRow): void {
    const reader = this.#reader;
    reader.open(this.#bytes, this.#parts.start[slot] as number);
    own.kind = reader.u8() - 1;
    reader.u16();
    readOwn(reader, own);
  }

  /** Whether the event of a slot is the one of this place in the stream. */
  isAt(slot: number, sequence: number, part: number): boolean {
    if (!this.has(slot)) return false;
    const reader = this.#reader;
    reader.open(this.#bytes, this.#parts.start[slot] as number);
    reader.at += ENTRY_HEAD_BYTES;
    reader.u48();
    reader.u32();
    return reader.varint() === sequence && reader.varint() === part;
  }

  /** Whether an event comes before that of a slot. */
  claim(slot: number, time_ms: number, event: number): Claim {
    if (!this.has(slot)) return CLAIM.first;
    const reader = this.#reader;
    reader.open(this.#bytes, this.#parts.start[slot] as number);
    reader.at += ENTRY_HEAD_BYTES;
    const known_ms = reader.u48();
    const isEarlier = time_ms < known_ms || (time_ms === known_ms && event < reader.u32());
    return isEarlier ? CLAIM.earlier : CLAIM.later;
  }

  /** Puts a batch's event into a slot of the record that was opened last, and stores it. */
  put(hi: number, lo: number, slot: number, batch: EventBatch, row: number): void {
    this.#write(hi, lo, slot, batch.own.time_ms[row] as number, (writer) => writeOwn(writer, batch, row));
  }

  /** Empties a slot of the record that was opened last, and stores it. */
  clear(hi: number, lo: number, slot: number): void {
    this.#write(hi, lo, slot, 0, () => undefined);
  }

  #write(hi: number, lo: number, slot: number, time_ms: number, event: (writer: RecordWriter) => void): void {
    const writer = this.#writer;
    writer.reset();
    writer.u48(Math.max(time_ms, this.#last_ms));
    this.#earliest.write(writer);
    for (let each = 0; each < 2; each++) {
      if (each === slot) {
        const at = writer.length;
        writer.u16(0);
        event(writer);
        writer.setU16(at, writer.length - at - 2);
      } else {
        const start = this.#parts.start[each] as number;
        const end = this.#parts.end[each] as number;
        writer.u16(end - start);
        writer.copy(this.#bytes, start, end);
      }
    }
    this.#heap.put(hi, lo, writer.bytes, writer.length);
  }
}
