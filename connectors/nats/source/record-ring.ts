import type { ByteRegion, SourceRecord, SourceState } from '../../../engine/index.ts';
import type { Frame } from './frame.ts';
import { headerEntries, headerValue, type NatsRecord } from './record.ts';
import type { RecordSink } from './record-sink.ts';

/**
 * A ring of records in memory that two threads share: one writes, one reads, nothing is copied twice and
 * nothing is locked. Positions only grow (modulo 2^32); what is between them belongs to the reader.
 */

/** A power of two, so that positions wrap where the ring does; holds several messages of the largest size. */
export const RING_BYTES = 2 ** 24;
const CONTROL_BYTES = 128;
/** Int32 cells of the control block. */
const WRITTEN = 0;
const READ = 1;
const CAUGHT_UP = 2;
const CONNECTED = 3;
/** Float64 cells. */
const HEAD = 4;
const SKIPPED = 5;
/** Among the 64-bit integers. */
const PASSED = 6;
/** A Float64 cell again. */
const HEARD = 7;

/** size u32, data length u32, sequence f64, subject length u32, header length u32, time of storing f64. */
const RECORD_HEADER_BYTES = 32;
const SAME_SUBJECT = 0xffff_ffff;
/** In place of a size: the rest of the ring is empty, the next record is at its start. */
const WRAP = 0xffff_ffff;
const EMPTY = new Uint8Array(0);

export function newRing(): SharedArrayBuffer {
  return new SharedArrayBuffer(CONTROL_BYTES + RING_BYTES);
}

interface Views {
  readonly cells: Int32Array;
  readonly numbers: Float64Array;
  readonly integers: BigInt64Array;
  readonly view: DataView;
  readonly bytes: Buffer;
}

function viewsOf(ring: SharedArrayBuffer): Views {
  return {
    cells: new Int32Array(ring, 0, 16),
    numbers: new Float64Array(ring, 0, 16),
    integers: new BigInt64Array(ring, 0, 16),
    view: new DataView(ring, CONTROL_BYTES, RING_BYTES),
    bytes: Buffer.from(ring, CONTROL_BYTES, RING_BYTES),
  };
}

function aligned(bytes: number): number {
  return (bytes + 7) & ~7;
}

export class RingWriter implements RecordSink {
  readonly #views: Views;
  #written = 0;
  /** What the record before says of its subject; its bytes are in the ring. */
  #subject: Uint8Array = new Uint8Array(0);

  constructor(ring: SharedArrayBuffer) {
    this.#views = viewsOf(ring);
  }

  get #free(): number {
    return RING_BYTES - ((this.#written - Atomics.load(this.#views.cells, READ)) >>> 0);
  }

  /** False when it does not fit; `publish` shows it to the reader. */
  write(record: NatsRecord): boolean {
    const isSame = record.hasSubject(this.#subject);
    const subject = isSame ? EMPTY : Buffer.from(record.subject);
    const block = record.hasHeaders ? Buffer.from(record.headerBlock) : EMPTY;
    const { data, sequence, stored_ms = Number.NaN } = record;
    const at = this.#begin(
      sequence,
      stored_ms,
      data.length,
      isSame ? SAME_SUBJECT : subject.length,
      block.length,
    );
    if (at < 0) return false;
    const { bytes } = this.#views;
    bytes.set(data, at);
    if (!isSame) {
      bytes.set(subject, at + data.length);
      this.#subject = subject;
    }
    if (block.length > 0) bytes.set(block, at + data.length + subject.length);
    return true;
  }

  /** The same of a message where the socket put it. */
  writeFrame(sequence: number, stored_ms: number, frame: Frame): boolean {
    const { bytes: from, dataStart, dataEnd, subjectStart, subjectEnd, blockStart } = frame;
    const isSame = isAt(from, subjectStart, subjectEnd, this.#subject);
    const subject_bytes = isSame ? 0 : subjectEnd - subjectStart;
    const data_bytes = dataEnd - dataStart;
    const block_bytes = dataStart - blockStart;
    const at = this.#begin(
      sequence,
      stored_ms,
      data_bytes,
      isSame ? SAME_SUBJECT : subject_bytes,
      block_bytes,
    );
    if (at < 0) return false;
    const { bytes } = this.#views;
    bytes.set(from.subarray(dataStart, dataEnd), at);
    if (!isSame) {
      this.#subject = from.slice(subjectStart, subjectEnd);
      bytes.set(this.#subject, at + data_bytes);
    }
    if (block_bytes > 0) bytes.set(from.subarray(blockStart, dataStart), at + data_bytes + subject_bytes);
    return true;
  }

  /** Makes room for a record and writes its head; where its data begins, or -1. */
  #begin(
    sequence: number,
    stored_ms: number,
    data_bytes: number,
    subject: number,
    block_bytes: number,
  ): number {
    const { view } = this.#views;
    const subject_bytes = subject === SAME_SUBJECT ? 0 : subject;
    const size = aligned(RECORD_HEADER_BYTES + data_bytes + subject_bytes + block_bytes);
    let at = this.#written & (RING_BYTES - 1);
    const toEnd = RING_BYTES - at;
    const gap = size > toEnd ? toEnd : 0;
    // One byte stays free: a full ring must not look like an empty one.
    if (gap + size >= this.#free) return -1;
    if (gap > 0) {
      view.setUint32(at, WRAP);
      at = 0;
    }
    view.setUint32(at, size);
    view.setUint32(at + 4, data_bytes);
    view.setFloat64(at + 8, sequence);
    view.setUint32(at + 16, subject);
    view.setUint32(at + 20, block_bytes);
    view.setFloat64(at + 24, stored_ms);
    this.#written = (this.#written + gap + size) >>> 0;
    return at + RECORD_HEADER_BYTES;
  }

  /** Shows what was written and how the source is, and wakes the reader. */
  publish(state: SourceState, passed = 0): void {
    const { cells, numbers, integers } = this.#views;
    numbers[HEAD] = state.headSequence;
    numbers[SKIPPED] = state.skipped;
    numbers[HEARD] = state.heard_at_ms ?? Number.NaN;
    Atomics.store(cells, CONNECTED, state.connected ? 1 : 0);
    // The records first: a reader that sees what is said of them has to see them.
    Atomics.store(cells, WRITTEN, this.#written | 0);
    Atomics.store(cells, CAUGHT_UP, state.caughtUp ? 1 : 0);
    Atomics.store(integers, PASSED, BigInt(passed));
    Atomics.notify(cells, WRITTEN);
  }

  /** Resolves when the reader has moved on, or after `wait_ms`. */
  async room(wait_ms: number): Promise<void> {
    const { cells } = this.#views;
    const { async, value } = Atomics.waitAsync(cells, READ, Atomics.load(cells, READ), wait_ms);
    if (async) await value;
  }
}

/** Whether a region has the bytes of `other`, and any. */
function isAt(bytes: Uint8Array, start: number, end: number, other: Uint8Array): boolean {
  if (end - start !== other.length || other.length === 0) return false;
  for (let at = 0; at < other.length; at++) if (bytes[start + at] !== other[at]) return false;
  return true;
}

/** A record that lies in the ring; its bytes are valid until the next `take`. */
class RingRecord implements SourceRecord, ByteRegion {
  readonly sequence: number;
  readonly stored_ms?: number;
  readonly subject: string;
  readonly buffer: Uint8Array;
  readonly start: number;
  readonly end: number;
  private readonly block: string;

  constructor(
    sequence: number,
    stored_ms: number,
    subject: string,
    buffer: Uint8Array,
    start: number,
    end: number,
    block: string,
  ) {
    this.sequence = sequence;
    if (!Number.isNaN(stored_ms)) this.stored_ms = stored_ms;
    this.subject = subject;
    this.buffer = buffer;
    this.start = start;
    this.end = end;
    this.block = block;
  }

  get region(): ByteRegion {
    return this;
  }

  get data(): Uint8Array {
    return this.buffer.subarray(this.start, this.end);
  }

  get hasHeaders(): boolean {
    return this.block !== '';
  }

  header(name: string): string | undefined {
    return this.block === '' ? undefined : headerValue(this.block, name);
  }

  headers(): Iterable<readonly [string, string]> {
    return headerEntries(this.block);
  }
}

export class RingReader {
  readonly #views: Views;
  readonly #bytes: Uint8Array;
  #read = 0;
  #subject = '';

  constructor(ring: SharedArrayBuffer) {
    this.#views = viewsOf(ring);
    // Not the Buffer: its subarray makes Buffers, at twice the price.
    this.#bytes = new Uint8Array(ring, CONTROL_BYTES, RING_BYTES);
  }

  get isEmpty(): boolean {
    return ((Atomics.load(this.#views.cells, WRITTEN) - this.#read) | 0) === 0;
  }

  /** Gives what was taken before back to the writer, and takes up to `max` records. */
  take(max: number): SourceRecord[] {
    const { cells, view, bytes } = this.#views;
    Atomics.store(cells, READ, this.#read | 0);
    Atomics.notify(cells, READ);
    const written = Atomics.load(cells, WRITTEN) >>> 0;
    const records: SourceRecord[] = [];
    while (records.length < max && this.#read !== written) {
      const at = this.#read & (RING_BYTES - 1);
      const size = view.getUint32(at);
      if (size === WRAP) {
        this.#read = (this.#read + RING_BYTES - at) >>> 0;
        continue;
      }
      const dataBytes = view.getUint32(at + 4);
      const subjectBytes = view.getUint32(at + 16);
      const blockBytes = view.getUint32(at + 20);
      const start = at + RECORD_HEADER_BYTES;
      let end = start + dataBytes;
      if (subjectBytes !== SAME_SUBJECT) {
        this.#subject = bytes.toString('utf8', end, end + subjectBytes);
        end += subjectBytes;
      }
      const block = blockBytes === 0 ? '' : bytes.toString('utf8', end, end + blockBytes);
      const sequence = view.getFloat64(at + 8);
      const stored_ms = view.getFloat64(at + 24);
      records.push(
        new RingRecord(sequence, stored_ms, this.#subject, this.#bytes, start, start + dataBytes, block),
      );
      this.#read = (this.#read + size) >>> 0;
    }
    return records;
  }

  /** Resolves when there is something to take, or after `wait_ms`. */
  async arrival(wait_ms: number): Promise<void> {
    const { async, value } = Atomics.waitAsync(this.#views.cells, WRITTEN, this.#read | 0, wait_ms);
    if (async) await value;
  }

  /** Wakes whoever waits in `arrival`. */
  wake(): void {
    Atomics.notify(this.#views.cells, WRITTEN);
  }

  /** As `Source.passed`. */
  passed(): number | undefined {
    // In this order, too.
    const sequence = Number(Atomics.load(this.#views.integers, PASSED));
    return this.isEmpty ? sequence : undefined;
  }

  state(): SourceState {
    const { cells, numbers } = this.#views;
    // Before the look whether there are records: those that it is said of were written before it.
    const isCaughtUp = Atomics.load(cells, CAUGHT_UP) === 1;
    const heard_at_ms = numbers[HEARD] as number;
    return {
      ...(heard_at_ms > 0 ? { heard_at_ms } : {}),
      headSequence: numbers[HEAD] as number,
      skipped: numbers[SKIPPED] as number,
      caughtUp: isCaughtUp && this.isEmpty,
      connected: Atomics.load(cells, CONNECTED) === 1,
    };
  }
}
