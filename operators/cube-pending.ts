import type { KvView } from '../engine/index.ts';
import { type Accumulated, accumulate } from './cube-accumulate.ts';
import { type DeltaEntry, type DeltaHeader, readDelta, readDeltaHeader, scanRecent } from './cube-delta.ts';

interface Pending {
  readonly header: DeltaHeader;
  readonly bytes: Uint8Array;
  entries: readonly DeltaEntry[] | undefined;
}

/** What waits to be folded into one cube's cells, read from one snapshot; each delta is decoded once, if at all. */
export class PendingDeltas {
  readonly #deltas: Pending[] = [];
  readonly #dimensions: number;

  constructor(recent: KvView, scope: string, cube: string, dimensions: number) {
    this.#dimensions = dimensions;
    for (const { value } of scanRecent(recent, scope, cube)) {
      this.#deltas.push({ header: readDeltaHeader(value), bytes: value, entries: undefined });
    }
  }

  /** Summed up by cell of buckets `width_ms` wide, of the finest buckets in [start_ms, end_ms); by `accumulatedKey`. */
  within(start_ms: number, end_ms: number, width_ms: number, measures: number): Map<string, Accumulated> {
    const cells = new Map<string, Accumulated>();
    for (const delta of this.#deltas) {
      if (delta.header.max_ms < start_ms || delta.header.min_ms >= end_ms) continue;
      delta.entries ??= [...readDelta(delta.bytes, this.#dimensions)];
      const inside = delta.entries.filter(({ bucket_ms }) => bucket_ms >= start_ms && bucket_ms < end_ms);
      accumulate(cells, inside, width_ms, measures);
    }
    return cells;
  }
}
