import { type KvView, RunView } from '../../engine/index.ts';
import { CLASS, CLASS_OF, CREATED, KINDS } from './kinds.ts';
import { RecordReader, type RecordWriter } from './record-bytes.ts';

/** Bytes before the entries: time of the last event (6), flags (1). */
export const ORDER_HEAD_BYTES = 7;
/** Bits of the flags that say what the order counts for; the others say how it was kept. */
export const ORDER_FLAGS_COUNTED = 3;
/** Versions that a newer one hides were dropped: what they say is not known any more. */
export const ORDER_VERSIONS_DROPPED = 4;
const FLAGS_AT = 6;
/** Bytes of an entry's body that tell its place in time: time (6), event (4). */
const INITIAL_ENTRIES = 64;

/**
 * An order's record, read: the events that named it, each an entry of a kind and the bytes of what it said
 * (`own-row.ts`); versions have their event id behind that. Record: time of the last event (u48), flags (u8: marks
 * of the counted row beside `orders`), entries.
 */
export class OrderEntries {
  count = 0;
  /** Kind of each entry. */
  kind = new Int32Array(INITIAL_ENTRIES);
  /** Where it begins (its kind), where its body begins, where it ends. */
  at = new Int32Array(INITIAL_ENTRIES);
  body = new Int32Array(INITIAL_ENTRIES);
  end = new Int32Array(INITIAL_ENTRIES);
  time_ms = new Float64Array(INITIAL_ENTRIES);
  event = new Int32Array(INITIAL_ENTRIES);
  bytes: Uint8Array = new Uint8Array(0);
  last_ms = 0;
  flags = 0;
  /** Of the record that was read. */
  size_bytes = 0;
  versions = 0;
  /** The counted `order.created`: the earliest; -1 where there is none. */
  created = -1;
  /** The earliest entry of each kind + 1; -1 where there is none. */
  readonly first = new Int32Array(KINDS);
  readonly #reader = new RecordReader();

  clear(): void {
    this.count = 0;
    this.versions = 0;
    this.created = -1;
    this.first.fill(-1);
    this.last_ms = 0;
    this.flags = 0;
    this.size_bytes = 0;
  }

  read(bytes: Uint8Array, start: number, end: number): void {
    this.clear();
    this.bytes = bytes;
    this.size_bytes = end - start;
    const reader = this.#reader;
    reader.open(bytes, start);
    this.last_ms = reader.u48();
    this.flags = bytes[start + FLAGS_AT] as number;
    for (let at = start + ORDER_HEAD_BYTES; at < end; ) {
      reader.open(bytes, at);
      const kind = reader.u8() - 1;
      const length = reader.u16();
      const body = reader.at;
      this.add(kind, at, body, body + length);
      at = body + length;
    }
  }

  /** The record was written anew, as `write` does, to `bytes`: its entries lie there without gaps. */
  moveTo(bytes: Uint8Array, size_bytes: number): void {
    this.bytes = bytes;
    this.size_bytes = size_bytes;
    let at = ORDER_HEAD_BYTES;
    for (let entry = 0; entry < this.count; entry++) {
      const by = at - (this.at[entry] as number);
      this.at[entry] = at;
      this.body[entry] = (this.body[entry] as number) + by;
      this.end[entry] = (this.end[entry] as number) + by;
      at = this.end[entry] as number;
    }
  }

  /** Adds an entry that lies in `bytes`. */
  add(kind: number, at: number, body: number, end: number): void {
    if (this.count === this.kind.length) this.#grow();
    const entry = this.count++;
    const reader = this.#reader;
    reader.open(this.bytes, body);
    const time_ms = reader.u48();
    const event = reader.u32();
    this.kind[entry] = kind;
    this.at[entry] = at;
    this.body[entry] = body;
    this.end[entry] = end;
    this.time_ms[entry] = time_ms;
    this.event[entry] = event;
    if (CLASS_OF[kind + 1] === CLASS.version) this.versions++;
    const first = this.first[kind + 1] as number;
    if (first < 0 || this.isEarlier(entry, first)) this.first[kind + 1] = entry;
    this.created = this.first[CREATED + 1] as number;
    if (time_ms > this.last_ms) this.last_ms = time_ms;
  }

  /** The entry of an event, by its place in the stream; -1 where there is none. */
  find(sequence: number, part: number): number {
    const reader = this.#reader;
    for (let entry = 0; entry < this.count; entry++) {
      reader.open(this.bytes, this.body[entry] as number);
      reader.u48();
      reader.u32();
      if (reader.varint() === sequence && reader.varint() === part) return entry;
    }
    return -1;
  }

  isEarlier(entry: number, than: number): boolean {
    const difference = (this.time_ms[entry] as number) - (this.time_ms[than] as number);
    return (
      difference < 0 || (difference === 0 && (this.event[entry] as number) < (this.event[than] as number))
    );
  }

  /** Writes the record, leaving out entries of which `drop` has a 1. */
  write(writer: RecordWriter, drop: Uint8Array | undefined): void {
    writer.reset();
    writer.u48(this.last_ms);
    writer.u8(this.flags);
    if (drop === undefined && this.count > 0 && this.#isContiguous()) {
      writer.copy(this.bytes, this.at[0] as number, this.end[this.count - 1] as number);
      return;
    }
    for (let entry = 0; entry < this.count; entry++) {
      if (drop !== undefined && drop[entry] === 1) continue;
      writer.copy(this.bytes, this.at[entry] as number, this.end[entry] as number);
    }
  }

  /** Writes the record without one of its entries. */
  writeWithout(writer: RecordWriter, entry: number): void {
    const drop = new Uint8Array(this.count);
    drop[entry] = 1;
    this.write(writer, drop);
  }

  #isContiguous(): boolean {
    for (let entry = 1; entry < this.count; entry++) if (this.at[entry] !== this.end[entry - 1]) return false;
    return true;
  }

  #grow(): void {
    const size = this.kind.length * 2;
    for (const name of ['kind', 'at', 'body', 'end', 'event'] as const) {
      const grown = new Int32Array(size);
      grown.set(this[name]);
      this[name] = grown;
    }
    const times = new Float64Array(size);
    times.set(this.time_ms);
    this.time_ms = times;
  }
}

/** Since when there are events of an order, for readers. Told of each snapshot, it reads what is new only. */
export class OrderBegins {
  readonly #orders: RunView;
  readonly #entries = new OrderEntries();

  /** `orders` is the ledger's table of them. */
  constructor(orders: KvView) {
    this.#orders = new RunView(orders);
  }

  /** Begins a snapshot, whose view of the table is given. */
  follow(orders: KvView): void {
    this.#orders.follow(orders);
  }

  /**
   * Time of the earliest version, payment, shipment and the like of an order, by the hash of its id, ms; undefined where
   * the ledger has none.
   */
  of({ hi, lo }: { readonly hi: number; readonly lo: number }): number | undefined {
    const bytes = this.#orders.find(hi, lo);
    if (bytes === undefined) return undefined;
    const entries = this.#entries;
    entries.read(bytes, 0, bytes.length);
    let first_ms = Number.POSITIVE_INFINITY;
    for (let at = 0; at < entries.count; at++) first_ms = Math.min(first_ms, entries.time_ms[at] as number);
    return entries.count === 0 ? undefined : first_ms;
  }
}
