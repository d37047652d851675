import { QueryError } from '../query/index.ts';

/** Memory for single amounts and distinct customers of one query, bytes. */
export const MAX_DETAIL_BYTES = 256 * 1_024 * 1_024;

/** What the tables of single amounts and distinct customers of one query hold together. */
export class DetailBudget {
  #bytes = 0;

  /** Throws QueryError `too_many_points`. */
  take(bytes: number): void {
    this.#bytes += bytes;
    if (this.#bytes > MAX_DETAIL_BYTES) {
      throw new QueryError(
        'too_many_points',
        'The query holds too many single amounts and distinct customers at once. Ask for a ' +
          'shorter range, a coarser granularity, fewer groups, or add a filter.',
      );
    }
  }
}
