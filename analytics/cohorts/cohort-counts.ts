import { bucketAt, QueryError } from '../query/index.ts';
import { type CohortRules, periodOf } from './cohort-rules.ts';
import type { RetentionQuery } from './cohort-schema.ts';

/** Members of a cohort, and how many of them came back by period. */
export interface CohortCount {
  readonly cohort: number;
  /** The values of the start event, by the dimensions of `group_by`. */
  readonly values: readonly string[];
  size: number;
  readonly returned: number[];
}

/** A start event or a return of an entity. */
export interface CohortEvent {
  readonly time_ms: number;
  readonly isStart: boolean;
  readonly isReturn: boolean;
  /** For start events: values by the dimensions of `group_by`. */
  readonly values: readonly string[];
}

export const MAX_COHORTS = 10_000;

/** Counts entities, one after the other. */
export class CohortCounter {
  readonly #rules: CohortRules;
  readonly #retention: RetentionQuery['retention'];
  readonly #counts = new Map<string, CohortCount>();

  constructor(rules: CohortRules, retention: RetentionQuery['retention']) {
    this.#rules = rules;
    this.#retention = retention;
  }

  /** The events of one entity, by time. */
  add(events: readonly CohortEvent[]): void {
    const { isFirstTime, cohorts, range } = this.#rules;
    const seen = new Set<number>();
    for (const start of events) {
      if (!start.isStart) continue;
      if (start.time_ms >= range.start_ms) {
        const cohort = bucketAt(cohorts, start.time_ms);
        if (cohort < 0) return;
        if (!seen.has(cohort)) this.#count(cohort, start, events);
        seen.add(cohort);
      }
      // A first event before the range is of no cohort of it.
      if (isFirstTime) return;
    }
  }

  #count(cohort: number, { time_ms, values }: CohortEvent, events: readonly CohortEvent[]): void {
    const { periods } = this.#rules;
    const came = new Uint8Array(periods);
    for (const event of events) {
      if (!event.isReturn) continue;
      const period = periodOf(this.#rules, time_ms, event.time_ms);
      if (period !== undefined) came[period] = 1;
    }
    this.addCame(cohort, values, came, 1);
  }

  /** Members of a cohort who had a return in the periods with a 1; it is written to. */
  addCame(cohort: number, values: readonly string[], came: Uint8Array, members: number): void {
    const { periods } = this.#rules;
    if (this.#retention === 'on_or_after')
      for (let at = periods - 2; at >= 0; at--) (came[at] as number) |= came[at + 1] as number;
    if (this.#retention === 'on_or_before')
      for (let at = 2; at < periods; at++) (came[at] as number) |= came[at - 1] as number;
    const count = this.#countOf(cohort, values);
    count.size += members;
    for (let at = 0; at < periods; at++) (count.returned[at] as number) += members * (came[at] as number);
  }

  #countOf(cohort: number, values: readonly string[]): CohortCount {
    const key = JSON.stringify([cohort, values]);
    let count = this.#counts.get(key);
    if (count === undefined) {
      if (this.#counts.size === MAX_COHORTS) throw tooManyCohorts();
      count = { cohort, values, size: 0, returned: new Array<number>(this.#rules.periods).fill(0) };
      this.#counts.set(key, count);
    }
    return count;
  }

  get counts(): readonly CohortCount[] {
    return [...this.#counts.values()];
  }
}

/** Adds the counts of parts of a query, which have different entities. By cohort, then by values. */
export function joinCounts(parts: readonly (readonly CohortCount[])[]): CohortCount[] {
  const joined = new Map<string, CohortCount>();
  for (const count of parts.flat()) {
    const key = JSON.stringify([count.cohort, count.values]);
    const known = joined.get(key);
    if (known === undefined) {
      joined.set(key, { ...count, returned: [...count.returned] });
      continue;
    }
    known.size += count.size;
    for (const [at, returned] of count.returned.entries()) (known.returned[at] as number) += returned;
  }
  if (joined.size > MAX_COHORTS) throw tooManyCohorts();
  const name = ({ values }: CohortCount): string => JSON.stringify(values);
  return [...joined.values()].sort((a, b) => a.cohort - b.cohort || (name(a) < name(b) ? -1 : 1));
}

function tooManyCohorts(): QueryError {
  const message = `There are more than ${MAX_COHORTS} cohorts. Ask with fewer dimensions in group_by, or a coarser bucket.`;
  return new QueryError('too_many_groups', message, [{ path: 'criteria.group_by', message }]);
}
