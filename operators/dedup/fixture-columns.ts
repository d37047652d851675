import { murmur128 } from '../core/index.ts';
import type { IdentifiedColumns } from './dedup-events.ts';

export interface TestEvent {
  readonly id: string;
  readonly time_ms: number;
  readonly payload?: number;
  /** Dead before it comes. */
  readonly isDead?: boolean;
}

const words = new Uint32Array(4);
const encoder = new TextEncoder();

/** Events as columns. */
export class TestBatch implements IdentifiedColumns {
  readonly events: readonly TestEvent[];
  readonly length: number;
  readonly id0: Int32Array;
  readonly id1: Int32Array;
  readonly id2: Int32Array;
  readonly payload: Int32Array;
  readonly live: Uint8Array;
  readonly own: { readonly time_ms: Float64Array };

  constructor(events: readonly TestEvent[]) {
    this.events = events;
    this.length = events.length;
    // Longer than they need be, as columns that are used again are.
    const capacity = events.length + 3;
    this.id0 = new Int32Array(capacity);
    this.id1 = new Int32Array(capacity);
    this.id2 = new Int32Array(capacity);
    this.payload = new Int32Array(capacity);
    this.live = new Uint8Array(capacity).fill(1);
    this.own = { time_ms: new Float64Array(capacity) };
    for (const [row, { id, time_ms, payload = -7, isDead = false }] of events.entries()) {
      const bytes = encoder.encode(id);
      murmur128(bytes, 0, bytes.length, 0, words);
      this.id0[row] = words[0] as number;
      this.id1[row] = words[1] as number;
      this.id2[row] = words[2] as number;
      this.payload[row] = payload;
      this.own.time_ms[row] = time_ms;
      if (isDead) this.live[row] = 0;
    }
  }

  /** Ids of the events that go on. */
  get left(): string[] {
    return this.events.filter((_, row) => this.live[row] === 1).map(({ id }) => id);
  }
}
