import { type ByteWriter, invariant } from '../../engine/index.ts';
import { heldWords, type KeptInfo } from './kept-definition.ts';

const INITIAL_EVENTS = 64;
/** The time of the last event, at the start of a record. */
export const LAST_BYTES = 6;
const TWO_32 = 2 ** 32;

/** Time of the last event of a record that begins at `start`, ms. */
export function lastOf(bytes: Uint8Array, start: number): number {
  const byte = (at: number): number => bytes[start + at] as number;
  const high = byte(0) * 256 + byte(1);
  return high * TWO_32 + (((byte(2) << 24) | (byte(3) << 16) | (byte(4) << 8) | byte(5)) >>> 0);
}

/**
 * The events of one entity that matter to a definition: a multiset, in order of time, bits and held words. Used
 * again and again, for one entity after the other.
 *
 * A record is the time of its last event, then how far before that its first one is, the number of events, and of
 * each, newest first, the time to the one after it, its bits and its held words. So its bytes are a function of the
 * multiset, and who asks for recent times reads no older ones.
 */
export class KeptEvents {
  count = 0;
  /** Arrays are longer than `count`, and others after an `append`. */
  time_ms = new Float64Array(INITIAL_EVENTS);
  /** The tests that an event passes. */
  bits = new Uint32Array(INITIAL_EVENTS);
  /** Of each event `words`: its codes, then two of each hash. */
  held: Int32Array;
  readonly words: number;
  readonly #codes: number;
  /** 1, or -1 for an event that is taken back. */
  #sign = new Int8Array(INITIAL_EVENTS);
  /** Of the record that is read. */
  #bytes: Uint8Array = new Uint8Array(0);
  #at = 0;

  constructor(info: Pick<KeptInfo, 'codes' | 'hashes'>) {
    this.words = heldWords(info);
    this.#codes = info.codes;
    this.held = new Int32Array(INITIAL_EVENTS * this.words);
  }

  clear(): void {
    this.count = 0;
  }

  /** The place of one more event; its held words are set by the caller. `sign` -1: it takes one back. */
  append(time_ms: number, bits: number, sign: 1 | -1): number {
    const place = this.count++;
    this.#makeRoom(place + 1);
    this.time_ms[place] = time_ms;
    this.bits[place] = bits;
    this.#sign[place] = sign;
    return place;
  }

  #makeRoom(events: number): void {
    if (events <= this.time_ms.length) return;
    const { time_ms, bits, held, words } = this;
    const room = Math.max(events, time_ms.length * 2);
    this.time_ms = new Float64Array(room);
    this.bits = new Uint32Array(room);
    this.held = new Int32Array(room * words);
    const sign = new Int8Array(room);
    this.time_ms.set(time_ms);
    this.bits.set(bits);
    this.held.set(held);
    sign.set(this.#sign);
    this.#sign = sign;
  }

  /** Appends the events of a record, bytes[start, end), from `from_ms` until before `until_ms`, in their order. */
  read(
    bytes: Uint8Array,
    start: number,
    end: number,
    from_ms = Number.NEGATIVE_INFINITY,
    until_ms = Number.POSITIVE_INFINITY,
  ): void {
    this.#bytes = bytes;
    this.#at = start + LAST_BYTES;
    let time_ms = lastOf(bytes, start);
    this.#varint();
    const events = this.#varint();
    this.#makeRoom(this.count + events);
    const { words, held, time_ms: times_ms, bits } = this;
    const first = this.count;
    let place = first;
    for (let event = 0; event < events; event++) {
      time_ms -= this.#varint();
      if (time_ms < from_ms) break;
      times_ms[place] = time_ms;
      const byte = bytes[this.#at] as number;
      bits[place] = byte < 128 ? byte : this.#varint();
      if (byte < 128) this.#at++;
      for (let word = 0; word < words; word++)
        held[place * words + word] = word < this.#codes ? this.#varint() : this.#word();
      if (time_ms < until_ms) place++;
    }
    invariant(this.#at <= end, 'a record of kept events ends where its bytes do');
    this.#sign.fill(1, first, place);
    this.count = place;
    for (let low = first, high = place - 1; low < high; low++, high--) this.#swap(low, high);
  }

  #swap(a: number, b: number): void {
    const { words, time_ms, bits, held } = this;
    const [at_ms, own] = [time_ms[a] as number, bits[a] as number];
    time_ms[a] = time_ms[b] as number;
    bits[a] = bits[b] as number;
    time_ms[b] = at_ms;
    bits[b] = own;
    for (let word = 0; word < words; word++) {
      const value = held[a * words + word] as number;
      held[a * words + word] = held[b * words + word] as number;
      held[b * words + word] = value;
    }
  }

  /** Whether a record has events in [from_ms, until_ms), perhaps; without reading them. */
  mayHave(bytes: Uint8Array, start: number, from_ms: number, until_ms: number): boolean {
    const last_ms = lastOf(bytes, start);
    if (last_ms < from_ms) return false;
    if (last_ms < until_ms) return true;
    this.#bytes = bytes;
    this.#at = start + LAST_BYTES;
    return last_ms - this.#varint() < until_ms;
  }

  #varint(): number {
    const bytes = this.#bytes;
    let byte = bytes[this.#at++] as number;
    if (byte < 128) return byte;
    let value = byte & 127;
    for (let scale = 128; byte >= 128; scale *= 128) {
      byte = bytes[this.#at++] as number;
      value += (byte & 127) * scale;
    }
    return value;
  }

  #word(): number {
    const [bytes, at] = [this.#bytes, this.#at];
    this.#at += 4;
    const byte = (place: number): number => bytes[at + place] as number;
    return (byte(0) << 24) | (byte(1) << 16) | (byte(2) << 8) | byte(3);
  }

  /**
   * Sorts what was appended and takes out what is taken back, together with one that says the same. `missing` hears
   * the time of each that takes back what is not there. What is before `cut_ms` is left out.
   */
  settle(cut_ms: number, missing: (time_ms: number) => void): void {
    const order = this.#sorted();
    const kept: number[] = [];
    for (let from = 0; from < order.length; ) {
      const first = order[from] as number;
      let to = from;
      let net = 0;
      for (; to < order.length && this.#compare(first, order[to] as number) === 0; to++)
        net += this.#sign[order[to] as number] as number;
      const time_ms = this.time_ms[first] as number;
      if (time_ms >= cut_ms) {
        if (net < 0) missing(time_ms);
        for (let copy = 0; copy < net; copy++) kept.push(first);
      }
      from = to;
    }
    const isAsItWas = kept.length === this.count && kept.every((place, at) => place === at);
    if (!isAsItWas) this.#pick(kept);
  }

  /** By insertion: what was read is sorted, and what came is mostly newer. */
  #sorted(): readonly number[] {
    const order: number[] = [];
    for (let place = 0; place < this.count; place++) {
      let hole = place;
      for (; hole > 0 && this.#compare(order[hole - 1] as number, place) > 0; hole--)
        order[hole] = order[hole - 1] as number;
      order[hole] = place;
    }
    return order;
  }

  /** Only the events in these places are left, in this order. */
  #pick(places: readonly number[]): void {
    const { words, count } = this;
    const time_ms = this.time_ms.slice(0, count);
    const bits = this.bits.slice(0, count);
    const held = this.held.slice(0, count * words);
    this.count = places.length;
    for (const [to, from] of places.entries()) {
      this.time_ms[to] = time_ms[from] as number;
      this.bits[to] = bits[from] as number;
      for (let word = 0; word < words; word++)
        this.held[to * words + word] = held[from * words + word] as number;
    }
  }

  #compare(a: number, b: number): number {
    const { words, held } = this;
    const apart =
      (this.time_ms[a] as number) - (this.time_ms[b] as number) ||
      (this.bits[a] as number) - (this.bits[b] as number);
    if (apart !== 0) return apart;
    for (let word = 0; word < words; word++) {
      const other = (held[a * words + word] as number) - (held[b * words + word] as number);
      if (other !== 0) return other;
    }
    return 0;
  }

  /** The record of sorted events; there is one at least. */
  write(writer: ByteWriter): void {
    const { count, words, time_ms, bits, held } = this;
    const [first_ms, last_ms] = [time_ms[0] as number, time_ms[count - 1] as number];
    writer
      .u48(last_ms)
      .varint(last_ms - first_ms)
      .varint(count);
    let after_ms = last_ms;
    for (let place = count - 1; place >= 0; place--) {
      const at_ms = time_ms[place] as number;
      writer.varint(after_ms - at_ms).varint(bits[place] as number);
      after_ms = at_ms;
      for (let word = 0; word < words; word++) {
        const value = held[place * words + word] as number;
        if (word < this.#codes) writer.varint(value);
        else writer.u32(value);
      }
    }
  }
}
