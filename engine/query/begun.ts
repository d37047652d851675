import { QueryRunError } from './run-error.ts';

/** Queries that are begun and not answered: planned, waiting and running. */
export type BegunLimits = Readonly<Record<'all' | 'tenant' | 'key', number>>;

export const DEFAULT_BEGUN_MAX: BegunLimits = { all: 512, tenant: 128, key: 32 };

const RETRY_MS = 1_000;
const LEVELS = ['key', 'tenant', 'all'] as const;

/** Counts the queries of a tenant and a key before anything is done for them, the plan included. */
export class BegunQueries {
  readonly #max: BegunLimits;
  readonly #counts = new Map<string, number>();

  constructor(max: BegunLimits) {
    this.#max = max;
  }

  get count(): number {
    return this.#counts.get('all') ?? 0;
  }

  /** Counts one; the returned function ends it, once. Throws `too_many_queries`. */
  enter(scope: string, key: string | undefined): () => void {
    const places = {
      key: key === undefined ? undefined : `key ${key}`,
      tenant: `tenant ${scope}`,
      all: 'all',
    };
    for (const level of LEVELS) {
      const place = places[level];
      if (place === undefined || (this.#counts.get(place) ?? 0) < this.#max[level]) continue;
      const whose = level === 'all' ? 'of all tenants' : `of this ${level}`;
      throw new QueryRunError(
        'too_many_queries',
        `${this.#max[level]} queries ${whose} are being answered already. Ask again later, or fewer at once.`,
        { details: { of: level, begun_max: this.#max[level] }, retryAfter_ms: RETRY_MS },
      );
    }
    const change = (by: number): void => {
      for (const place of Object.values(places)) {
        if (place === undefined) continue;
        const count = (this.#counts.get(place) ?? 0) + by;
        if (count === 0) this.#counts.delete(place);
        else this.#counts.set(place, count);
      }
    };
    change(1);
    return () => change(-1);
  }
}
