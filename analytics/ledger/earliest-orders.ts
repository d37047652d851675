import type { RecordReader, RecordWriter } from './record-bytes.ts';

/** The earliest orders that a record keeps; beyond them it only knows that there are more. */
export const EARLIEST_MAX = 8;

/**
 * The earliest orders of a customer or a session, by the time of their counted event, then by its hash. `isMore`:
 * there are later ones that are not listed. So the first is known, also when it goes, unless all that are listed go.
 */
export class EarliestOrders {
  count = 0;
  isMore = false;
  readonly time_ms = new Float64Array(EARLIEST_MAX + 1);
  readonly event = new Int32Array(EARLIEST_MAX + 1);
  readonly hi = new Int32Array(EARLIEST_MAX + 1);
  readonly lo = new Int32Array(EARLIEST_MAX + 1);

  clear(): void {
    this.count = 0;
    this.isMore = false;
  }

  read(reader: RecordReader): void {
    const head = reader.u8();
    this.count = head & 127;
    this.isMore = head >= 128;
    for (let index = 0; index < this.count; index++) {
      this.time_ms[index] = reader.u48();
      this.event[index] = reader.u32();
      this.hi[index] = reader.u32();
      this.lo[index] = reader.u32();
    }
  }

  write(writer: RecordWriter): void {
    writer.u8(this.count | (this.isMore ? 128 : 0));
    for (let index = 0; index < this.count; index++) {
      writer.u48(this.time_ms[index] as number);
      writer.u32(this.event[index] as number);
      writer.u32(this.hi[index] as number);
      writer.u32(this.lo[index] as number);
    }
  }

  /** Whether the first listed is this order. */
  startsWith(hi: number, lo: number): boolean {
    return this.count > 0 && this.hi[0] === hi && this.lo[0] === lo;
  }

  insert(time_ms: number, event: number, hi: number, lo: number): void {
    let at = this.count;
    while (at > 0 && this.#isBefore(time_ms, event, at - 1)) at--;
    // Behind the last one there may be others, unlisted, that are earlier than this.
    if (at === this.count && this.isMore) return;
    for (let index = this.count; index > at; index--) this.#move(index - 1, index);
    this.time_ms[at] = time_ms;
    this.event[at] = event;
    this.hi[at] = hi;
    this.lo[at] = lo;
    if (this.count === EARLIEST_MAX) this.isMore = true;
    else this.count++;
  }

  remove(hi: number, lo: number): void {
    let at = 0;
    while (at < this.count && !(this.hi[at] === hi && this.lo[at] === lo)) at++;
    if (at === this.count) return;
    for (let index = at; index + 1 < this.count; index++) this.#move(index + 1, index);
    this.count--;
  }

  #isBefore(time_ms: number, event: number, index: number): boolean {
    const other_ms = this.time_ms[index] as number;
    return time_ms < other_ms || (time_ms === other_ms && event < (this.event[index] as number));
  }

  #move(from: number, to: number): void {
    this.time_ms[to] = this.time_ms[from] as number;
    this.event[to] = this.event[from] as number;
    this.hi[to] = this.hi[from] as number;
    this.lo[to] = this.lo[from] as number;
  }
}
