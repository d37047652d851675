import { EarliestOrders } from './earliest-orders.ts';
import { RecordReader, RecordWriter } from './record-bytes.ts';
import type { RecordHeap } from './record-heap.ts';

/** Bytes of a record's head: the time of the owner's last event. */
export const HEAD_BYTES = 6;

/** Visits every order of the state: where, when and by which event it counts, and for which customer and session. */
export type OrderVisitor = (
  hi: number,
  lo: number,
  time_ms: number,
  event: number,
  owner_hi: number,
  owner_lo: number,
) => void;

/**
 * The orders of an owner (a customer, a session), of which the first counts. A record: time of the owner's last
 * event (u48), the earliest orders, then what else is known of the owner, which is kept as it is.
 */
export class Ownership {
  readonly #heap: RecordHeap;
  /** Bit of an order's flags that says: the first of its owner. */
  readonly bit: number;
  /** Looks all orders through; for the rare owner all of whose listed orders went elsewhere. */
  readonly #visitOrders: (visit: OrderVisitor) => void;
  readonly #earliest = new EarliestOrders();
  readonly #reader = new RecordReader();
  readonly #writer = new RecordWriter();
  #last_ms = 0;
  #tail: Uint8Array = new Uint8Array(0);
  #tailStart = 0;
  #tailEnd = 0;
  /** The order that became its owner's first, or stopped to be, by the last call; both 0: none. */
  changed_hi = 0;
  changed_lo = 0;

  constructor(heap: RecordHeap, bit: number, visitOrders: (visit: OrderVisitor) => void) {
    this.#heap = heap;
    this.bit = bit;
    this.#visitOrders = visitOrders;
  }

  /** Adds an order; whether it is now the first. Then `changed` is the one that was, if there was one. */
  enter(owner_hi: number, owner_lo: number, time_ms: number, event: number, hi: number, lo: number): boolean {
    this.changed_hi = 0;
    this.changed_lo = 0;
    this.#open(owner_hi, owner_lo);
    const earliest = this.#earliest;
    const had = earliest.count > 0;
    const former_hi = earliest.hi[0] as number;
    const former_lo = earliest.lo[0] as number;
    earliest.insert(time_ms, event, hi, lo);
    if (time_ms > this.#last_ms) this.#last_ms = time_ms;
    this.#put(owner_hi, owner_lo);
    if (!earliest.startsWith(hi, lo)) return false;
    if (had) {
      this.changed_hi = former_hi;
      this.changed_lo = former_lo;
    }
    return true;
  }

  /** Removes an order; where it was the first, `changed` is the one that is now, if there is one. */
  leave(owner_hi: number, owner_lo: number, hi: number, lo: number): void {
    this.changed_hi = 0;
    this.changed_lo = 0;
    this.#open(owner_hi, owner_lo);
    const earliest = this.#earliest;
    const wasFirst = earliest.startsWith(hi, lo);
    earliest.remove(hi, lo);
    if (earliest.count === 0 && earliest.isMore) this.#recall(owner_hi, owner_lo, hi, lo);
    this.#put(owner_hi, owner_lo);
    if (!wasFirst || earliest.count === 0) return;
    this.changed_hi = earliest.hi[0] as number;
    this.changed_lo = earliest.lo[0] as number;
  }

  /** All that were listed are gone, and there are more. */
  #recall(owner_hi: number, owner_lo: number, hi: number, lo: number): void {
    const earliest = this.#earliest;
    earliest.clear();
    this.#visitOrders((order_hi, order_lo, time_ms, event, of_hi, of_lo) => {
      if (of_hi !== owner_hi || of_lo !== owner_lo || (order_hi === hi && order_lo === lo)) return;
      earliest.insert(time_ms, event, order_hi, order_lo);
    });
  }

  #open(hi: number, lo: number): void {
    const heap = this.#heap;
    this.#tailStart = 0;
    this.#tailEnd = 0;
    this.#last_ms = 0;
    if (!heap.open(hi, lo)) {
      this.#earliest.clear();
      return;
    }
    const reader = this.#reader;
    reader.open(heap.bytes, heap.start);
    this.#last_ms = reader.u48();
    this.#earliest.read(reader);
    this.#tail = heap.bytes;
    this.#tailStart = reader.at;
    this.#tailEnd = heap.end;
  }

  #put(hi: number, lo: number): void {
    const writer = this.#writer;
    writer.reset();
    writer.u48(this.#last_ms);
    this.#earliest.write(writer);
    writer.copy(this.#tail, this.#tailStart, this.#tailEnd);
    this.#heap.put(hi, lo, writer.bytes, writer.length);
  }
}
