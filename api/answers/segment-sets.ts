import { createHash } from 'node:crypto';
import type { SegmentQuery, StreamPosition } from '../../analytics/index.ts';
import { type Counter, type MetricSample, Metrics, type Progress } from '../../engine/index.ts';

/** Bytes of the sets that are kept; a customer takes 8. */
export const SEGMENT_SETS_MAX_BYTES = 64 * 1024 * 1024;
/** What a set costs beside its customers, about. */
const SET_BYTES = 256;

/** What a set of customers depends on. */
export interface SegmentSetKey {
  readonly tenant: string;
  /** Of the state: another one may have other dimensions. */
  readonly generation: number;
  readonly position: StreamPosition;
  /** What decides which days are forgotten: that of the watermark, and the definitions that the state is of. */
  readonly retention: readonly [day: number, definitions: Progress['control'] | null];
  readonly query: Pick<SegmentQuery, 'rule' | 'currency' | 'start' | 'end'>;
}

/**
 * The customers of segments that were found before, by definition, position and range: several queries of one state
 * look for each segment once. The ones that were not used for longest go first.
 */
export class SegmentSets {
  /** In the order of their last use. */
  readonly #sets = new Map<string, SharedArrayBuffer>();
  readonly #max_bytes: number;
  readonly #metrics = new Metrics();
  readonly #hits: Counter;
  readonly #misses: Counter;
  #bytes = 0;

  constructor(max_bytes = SEGMENT_SETS_MAX_BYTES) {
    this.#max_bytes = max_bytes;
    const looked = 'Segments of queries whose customers were looked up, by whether they were kept';
    this.#hits = this.#metrics.counter('millrace.segment_sets.lookups', looked, { result: 'hit' });
    this.#misses = this.#metrics.counter('millrace.segment_sets.lookups', looked, { result: 'miss' });
    this.#metrics.gauge('millrace.segment_sets.size', 'Sets of customers that are kept', () => this.#bytes);
    this.#metrics.gauge('millrace.segment_sets.size.limit', 'They take at most so much', () => max_bytes);
  }

  get(key: SegmentSetKey): SharedArrayBuffer | undefined {
    const id = idOf(key);
    const hashes = this.#sets.get(id);
    (hashes === undefined ? this.#misses : this.#hits).add();
    if (hashes === undefined) return undefined;
    this.#sets.delete(id);
    this.#sets.set(id, hashes);
    return hashes;
  }

  put(key: SegmentSetKey, hashes: SharedArrayBuffer): void {
    const id = idOf(key);
    const size = sizeOf(hashes);
    if (size > this.#max_bytes || this.#sets.has(id)) return;
    this.#sets.set(id, hashes);
    this.#bytes += size;
    for (const [oldest, own] of this.#sets) {
      if (this.#bytes <= this.#max_bytes) return;
      this.#sets.delete(oldest);
      this.#bytes -= sizeOf(own);
    }
  }

  samples(): MetricSample[] {
    return this.#metrics.samples();
  }
}

const sizeOf = (hashes: SharedArrayBuffer): number => hashes.byteLength + SET_BYTES;

function idOf({ tenant, generation, position, retention, query }: SegmentSetKey): string {
  const { rule, currency, start, end } = query;
  const said = JSON.stringify([tenant, generation, position, retention, rule, currency ?? null, start, end]);
  return createHash('sha256').update(said).digest('base64');
}
