import type { KvTable } from '../state/index.ts';
import { FIRST_ORDER, scopeKey, segmentKey } from './layout.ts';
import { encodeScope, type Manifest, NO_CUT, rowsOf, type ScopeState } from './manifest.ts';

/** What the writer remembers of a segment; the rest is in its manifest. */
export interface SegmentEntry {
  readonly key: Uint8Array;
  readonly order: number;
  readonly id: number;
  readonly rows: number;
  readonly bytes: number;
  readonly firstDay: number;
  readonly lastDay: number;
  /** Rows that are behind no cut. */
  liveRows: number;
}

/** A tenant's segments in the order of their commits. */
export class ScopeSegments {
  readonly scope: string;
  readonly entries: SegmentEntry[] = [];
  /** UTC day of the cut. */
  firstDay = NO_CUT;
  #nextId = FIRST_ORDER;

  constructor(scope: string) {
    this.scope = scope;
  }

  /** No segment that is there has this id or a larger one. */
  get nextId(): number {
    return this.#nextId;
  }

  restore({ firstDay, nextId }: ScopeState): void {
    this.firstDay = firstDay;
    this.#nextId = Math.max(this.#nextId, nextId);
  }

  /** Key of a segment that is written now; at the end of the list unless it takes the place `order`. */
  newKey(order?: number): { readonly key: Uint8Array; readonly order: number; readonly id: number } {
    const id = this.#nextId++;
    const place = order ?? id;
    return { key: segmentKey(this.scope, place, id), order: place, id };
  }

  entryOf(key: Uint8Array, order: number, id: number, manifest: Manifest): SegmentEntry {
    this.#nextId = Math.max(this.#nextId, id + 1);
    let bytes = 0;
    let firstDay = Number.POSITIVE_INFINITY;
    let lastDay = Number.NEGATIVE_INFINITY;
    for (const chunk of manifest.chunks) bytes += chunk.bytes;
    for (const { day } of manifest.days) {
      firstDay = Math.min(firstDay, day);
      lastDay = Math.max(lastDay, day);
    }
    const rows = rowsOf(manifest);
    return { key, order, id, rows, bytes, firstDay, lastDay, liveRows: this.liveRows(manifest) };
  }

  liveRows({ days }: Manifest): number {
    let rows = 0;
    for (const day of days) if (day.day >= this.firstDay) rows += day.rows;
    return rows;
  }

  /** UTC day of the newest row; -Infinity where there is none. */
  get lastDay(): number {
    let last = Number.NEGATIVE_INFINITY;
    for (const entry of this.entries) last = Math.max(last, entry.lastDay);
    return last;
  }

  /** Bytes of the rows that are behind no cut, in proportion. */
  get liveBytes(): number {
    let bytes = 0;
    for (const entry of this.entries) bytes += (entry.bytes * entry.liveRows) / entry.rows;
    return bytes;
  }

  /** Writes the cut; inside a commit. */
  store(segments: KvTable): void {
    if (this.firstDay === NO_CUT) return;
    segments.put(scopeKey(this.scope), encodeScope({ firstDay: this.firstDay, nextId: this.#nextId }));
  }
}
