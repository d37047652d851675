import { createHash } from 'node:crypto';
import { toJsonText } from '../../../analytics/index.ts';
import { type Counter, type MetricSample, Metrics } from '../../../engine/index.ts';
import { canonicalJson } from '../../../runtime/index.ts';

/** Answers that are kept, as JSON. */
export const ANSWER_CACHE_MAX_BYTES = 32 * 1024 * 1024;
/** A larger one is not kept, bytes. */
const ANSWER_MAX_BYTES = 4 * 1024 * 1024;

/**
 * Answers of saved queries by all that they depend on: the same again, while nothing has changed. The ones that were
 * not used for longest go first.
 */
export class AnswerCache {
  /** In the order of their last use. */
  readonly #answers = new Map<string, { readonly json: object; readonly bytes: number }>();
  readonly #max_bytes: number;
  readonly #metrics = new Metrics();
  readonly #hits: Counter;
  readonly #misses: Counter;
  #bytes = 0;

  constructor(max_bytes = ANSWER_CACHE_MAX_BYTES) {
    this.#max_bytes = max_bytes;
    const looked = 'Runs of saved queries, by whether their answer was kept';
    this.#hits = this.#metrics.counter('millrace.answer_cache.lookups', looked, { result: 'hit' });
    this.#misses = this.#metrics.counter('millrace.answer_cache.lookups', looked, { result: 'miss' });
    this.#metrics.gauge('millrace.answer_cache.size', 'Answers that are kept', () => this.#bytes);
    this.#metrics.gauge('millrace.answer_cache.size.limit', 'They take at most so much', () => max_bytes);
  }

  get(key: string): object | undefined {
    const kept = this.#answers.get(key);
    (kept === undefined ? this.#misses : this.#hits).add();
    if (kept === undefined) return undefined;
    this.#answers.delete(key);
    this.#answers.set(key, kept);
    return kept.json;
  }

  put(key: string, json: object): void {
    const bytes = toJsonText(json).length;
    if (bytes > Math.min(ANSWER_MAX_BYTES, this.#max_bytes) || this.#answers.has(key)) return;
    this.#answers.set(key, { json, bytes });
    this.#bytes += bytes;
    for (const [oldest, { bytes: own }] of this.#answers) {
      if (this.#bytes <= this.#max_bytes) return;
      this.#answers.delete(oldest);
      this.#bytes -= own;
    }
  }

  samples(): MetricSample[] {
    return this.#metrics.samples();
  }
}

/** One text for all that an answer depends on. */
export function cacheKey(of: unknown): string {
  return createHash('sha256').update(canonicalJson(of)).digest('base64');
}
