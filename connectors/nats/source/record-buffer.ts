import type { NatsRecord } from './record.ts';

/** Records that were received and not yet taken, in order. Its limits are kept by who asks for more. */
export class RecordBuffer {
  #records: NatsRecord[] = [];
  #head = 0;
  #size_bytes = 0;

  get length(): number {
    return this.#records.length - this.#head;
  }

  /** Headers and payloads, bytes. */
  get size_bytes(): number {
    return this.#size_bytes;
  }

  push(record: NatsRecord): void {
    this.#records.push(record);
    this.#size_bytes += record.size_bytes;
  }

  /** Removes and returns the oldest, at most `max`. */
  take(max: number): NatsRecord[] {
    if (this.#head === 0 && this.#records.length <= max) {
      const all = this.#records;
      this.#records = [];
      this.#size_bytes = 0;
      return all;
    }
    const taken = this.#records.slice(this.#head, this.#head + max);
    for (const record of taken) this.#size_bytes -= record.size_bytes;
    this.#pass(taken.length);
    return taken;
  }

  /** Removes the oldest ones as long as they find room; whether all have. */
  moveTo(write: (record: NatsRecord) => boolean): boolean {
    let moved = 0;
    for (let at = this.#head; at < this.#records.length; at++, moved++) {
      const record = this.#records[at] as NatsRecord;
      if (!write(record)) break;
      this.#size_bytes -= record.size_bytes;
    }
    this.#pass(moved);
    return this.length === 0;
  }

  #pass(count: number): void {
    this.#head += count;
    if (this.#head === this.#records.length) {
      this.#records = [];
      this.#head = 0;
    } else if (this.#head > this.#records.length / 2) {
      // What was taken must not be kept alive by a buffer that is never quite empty.
      this.#records = this.#records.slice(this.#head);
      this.#head = 0;
    }
  }
}
