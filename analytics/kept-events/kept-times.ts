import { invariant } from '../../engine/index.ts';
import { LAST_BYTES, lastOf } from './kept-record.ts';

const INITIAL_EVENTS = 64;

/**
 * Times and bits of the events of one entity after the other, from records that hold nothing else: what
 * `KeptEvents.read` gives, for those who read many records.
 */
export class KeptTimes {
  /** Of the events at [from, end), ascending. Arrays may be others after a `read`. */
  time_ms = new Float64Array(INITIAL_EVENTS);
  /** The tests that an event passes. */
  bits = new Uint32Array(INITIAL_EVENTS);
  from = 0;
  end = 0;

  /**
   * The events of a record, bytes[start, end), from `from_ms` until before `until_ms`. False, and none of them, where
   * none can be in [first_ms, last_ms).
   */
  read(
    bytes: Uint8Array,
    start: number,
    end: number,
    { from_ms, until_ms, first_ms, last_ms }: KeptSpan,
  ): boolean {
    let time_ms = lastOf(bytes, start);
    if (time_ms < first_ms) return false;
    let at = start + LAST_BYTES;
    let byte = bytes[at++] as number;
    let value = byte & 127;
    for (let scale = 128; byte >= 128; scale *= 128) {
      byte = bytes[at++] as number;
      value += (byte & 127) * scale;
    }
    if (time_ms - value >= last_ms) return false;
    byte = bytes[at++] as number;
    let events = byte & 127;
    for (let scale = 128; byte >= 128; scale *= 128) {
      byte = bytes[at++] as number;
      events += (byte & 127) * scale;
    }
    if (events > this.time_ms.length) this.#makeRoom(events);
    const [times_ms, bits] = [this.time_ms, this.bits];
    // The newest is the first of the record.
    let place = events;
    for (let event = 0; event < events; event++) {
      byte = bytes[at++] as number;
      value = byte & 127;
      for (let scale = 128; byte >= 128; scale *= 128) {
        byte = bytes[at++] as number;
        value += (byte & 127) * scale;
      }
      time_ms -= value;
      if (time_ms < from_ms) break;
      byte = bytes[at++] as number;
      value = byte & 127;
      for (let scale = 128; byte >= 128; scale *= 128) {
        byte = bytes[at++] as number;
        value += (byte & 127) * scale;
      }
      if (time_ms >= until_ms) continue;
      times_ms[--place] = time_ms;
      bits[place] = value;
    }
    invariant(at <= end, 'a record of kept events ends where its bytes do');
    this.from = place;
    this.end = events;
    return true;
  }

  #makeRoom(events: number): void {
    this.time_ms = new Float64Array(events * 2);
    this.bits = new Uint32Array(events * 2);
  }
}

/** Which events of a record are read, and between which times there has to be one, perhaps; ms. */
export interface KeptSpan {
  readonly from_ms: number;
  readonly until_ms: number;
  readonly first_ms: number;
  readonly last_ms: number;
}
