import { Frame, type FrameReader } from './frame.ts';

/** The client's own parser, as far as it is needed here. */
export interface ClientParser {
  /** `BETWEEN_FRAMES` when all that it was given was whole. */
  readonly state: number;
  parse(bytes: Uint8Array): void;
}

export const BETWEEN_FRAMES = 0;

const SPACE = 32;
const CR = 13;
const LF = 10;
const ZERO = 48;
const NINE = 57;
const [H, M, S, G] = [72, 77, 83, 71];
/** How a line begins that is a frame by itself: `PING`, `PONG`, `+OK`, `-ERR`, `INFO`. */
const LINES: ReadonlySet<number> = new Set([...'P+-I'].map((letter) => letter.charCodeAt(0)));
/** The client refuses more, bytes. */
const PAYLOAD_MAX_BYTES = 64 * 1024 * 1024;
/** A line without an end is the client's matter; a server's own limit is 4 KiB, but for `INFO`. */
const LINE_MAX_BYTES = 1024 * 1024;
const DIGITS_MAX = 15;
/** In place of a length: this is no frame that is understood here. */
const STRANGE = -1;
/** In place of a length: its line is cut. */
const CUT = 0;

/**
 * Stands before the client's parser. Messages of subscriptions that have a reader are read where they lie, without an
 * object or a string for each; all else goes to the client, in order. A frame that is cut by the end of what the
 * socket gave waits here for its rest, so that the client's parser always stands between two frames. What is strange
 * goes to the client, with all that the socket gives after it until that stands between two frames again.
 */
export class FrameParser implements ClientParser {
  readonly #client: ClientParser;
  readonly #readers: ReadonlyMap<number, FrameReader>;
  readonly #frame = new Frame();
  /** Who was given a frame of what the socket gave last. */
  readonly #touched: FrameReader[] = [];
  /** The beginning of a frame, and how long that is so far. */
  #held: Uint8Array | undefined;
  #heldLength = 0;
  /** Length of the frame that was looked at last, if its line was whole; else CUT. */
  #length = CUT;
  /** Its subscription; 0 where it is no message. */
  #sid = 0;

  constructor(client: ClientParser, readers: ReadonlyMap<number, FrameReader>) {
    this.#client = client;
    this.#readers = readers;
  }

  get state(): number {
    return this.#client.state;
  }

  parse(chunk: Uint8Array): void {
    // Not a Buffer, as the socket's: to take a part of it costs less.
    const bytes = new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.length);
    const from = this.#held === undefined ? 0 : this.#complete(bytes);
    if (from < bytes.length) this.#hold(bytes, this.#read(bytes, from));
    for (const reader of this.#touched) reader.settled();
    this.#touched.length = 0;
  }

  /** Reads whole frames; returns where the first begins that is not. */
  #read(bytes: Uint8Array, from: number): number {
    const end = bytes.length;
    if (this.#client.state !== BETWEEN_FRAMES) {
      this.#client.parse(bytes.subarray(from));
      return end;
    }
    const frame = this.#frame;
    frame.bytes = bytes;
    let at = from;
    /** From here to `at` all is the client's. */
    let others = from;
    while (at < end) {
      const length = this.#measure(bytes, at);
      if (length === CUT || at + length > end) break;
      if (length === STRANGE) {
        at = end;
        break;
      }
      const reader = this.#sid === 0 ? undefined : this.#readers.get(this.#sid);
      if (reader !== undefined) {
        if (others < at) this.#client.parse(bytes.subarray(others, at));
        others = reader.frame(frame) ? at + length : at;
        if (!this.#touched.includes(reader)) this.#touched.push(reader);
      }
      at += length;
    }
    if (others < at) this.#client.parse(bytes.subarray(others, at));
    return at;
  }

  /** The length of the frame at `at`, which may go beyond the end. */
  #measure(bytes: Uint8Array, at: number): number {
    this.#sid = 0;
    const first = bytes[at] as number;
    if (first === M || first === H) this.#length = this.#measureMessage(bytes, at);
    else if (!LINES.has(first)) this.#length = STRANGE;
    else this.#length = bytes.indexOf(LF, at) === -1 ? CUT : bytes.indexOf(LF, at) + 1 - at;
    return this.#length;
  }

  /** `MSG <subject> <sid> [reply] <bytes>` or `HMSG <subject> <sid> [reply] <header bytes> <bytes>`. */
  #measureMessage(bytes: Uint8Array, at: number): number {
    const end = bytes.length;
    const hasBlock = bytes[at] === H;
    const name = hasBlock ? at + 1 : at;
    if (name + 4 > end) return CUT;
    if (bytes[name] !== M || bytes[name + 1] !== S || bytes[name + 2] !== G || bytes[name + 3] !== SPACE) {
      return STRANGE;
    }
    let stop = name + 4;
    let spaces = 0;
    let subjectEnd = 0;
    let sidEnd = 0;
    let beforeLast = 0;
    let last = 0;
    for (; stop < end; stop++) {
      const byte = bytes[stop] as number;
      if (byte > SPACE) continue;
      if (byte !== SPACE) break;
      spaces++;
      if (spaces === 1) subjectEnd = stop;
      else if (spaces === 2) sidEnd = stop;
      beforeLast = last;
      last = stop;
    }
    if (stop + 1 >= end) return CUT;
    if (bytes[stop] !== CR || bytes[stop + 1] !== LF) return STRANGE;
    const bare = hasBlock ? 3 : 2;
    if (spaces < bare || spaces > bare + 1) return STRANGE;
    const frame = this.#frame;
    frame.subjectStart = name + 4;
    frame.subjectEnd = subjectEnd;
    frame.replyStart = sidEnd + 1;
    frame.replyEnd = spaces === bare ? frame.replyStart : hasBlock ? beforeLast : last;
    frame.blockStart = stop + 2;
    const block_bytes = hasBlock ? numberOf(bytes, beforeLast + 1, last) : 0;
    const size_bytes = numberOf(bytes, last + 1, stop);
    if (block_bytes < 0 || size_bytes < block_bytes || size_bytes > PAYLOAD_MAX_BYTES) return STRANGE;
    frame.dataStart = frame.blockStart + block_bytes;
    frame.dataEnd = frame.blockStart + size_bytes;
    const after = frame.dataEnd + 2;
    if (after <= end && (bytes[after - 2] !== CR || bytes[after - 1] !== LF)) return STRANGE;
    this.#sid = numberOf(bytes, subjectEnd + 1, sidEnd);
    return this.#sid < 0 ? STRANGE : after - at;
  }

  /** Keeps what begins at `at` until its rest comes. */
  #hold(bytes: Uint8Array, at: number): void {
    if (at === bytes.length) return;
    this.#held = new Uint8Array(Math.max(this.#length, bytes.length - at));
    this.#held.set(at === 0 ? bytes : bytes.subarray(at));
    this.#heldLength = bytes.length - at;
  }

  #append(held: Uint8Array, part: Uint8Array): Uint8Array {
    const length = this.#heldLength + part.length;
    let room = held;
    if (held.length < length) {
      room = new Uint8Array(Math.max(length, this.#length));
      room.set(held.subarray(0, this.#heldLength));
    }
    room.set(part, this.#heldLength);
    this.#heldLength = length;
    return room;
  }

  /** Adds the rest of the frame that is held, as far as it is there, and reads it; returns where that ends. */
  #complete(bytes: Uint8Array): number {
    let at = 0;
    while (this.#held !== undefined && at < bytes.length) {
      const line = bytes.indexOf(LF, at);
      const rest = this.#length === CUT ? line + 1 || bytes.length : at + this.#length - this.#heldLength;
      const stop = Math.min(rest, bytes.length);
      this.#held = this.#append(this.#held, bytes.subarray(at, stop));
      at = stop;
      if (this.#heldLength < this.#length) continue;
      const whole = this.#held.subarray(0, this.#heldLength);
      const isEndless = this.#length === CUT && line === -1 && whole.length > LINE_MAX_BYTES;
      if (isEndless) this.#client.parse(whole);
      if (isEndless || this.#read(whole, 0) === whole.length) this.#held = undefined;
    }
    return at;
  }
}

/** Digits as a number; -1 for anything else. */
function numberOf(bytes: Uint8Array, from: number, to: number): number {
  if (from >= to || to - from > DIGITS_MAX) return -1;
  let value = 0;
  for (let at = from; at < to; at++) {
    const byte = bytes[at] as number;
    if (byte < ZERO || byte > NINE) return -1;
    value = value * 10 + (byte - ZERO);
  }
  return value;
}
