import { QueryError } from '../query/index.ts';

/** Combinations of values of one query. */
export const MAX_TALLIES = 200_000;

/** Sums of one key: plain numbers, exact. */
export interface Tally {
  readonly key: readonly (string | number)[];
  readonly sums: number[];
}

/** Sums by key. Each is a safe integer or refused. */
export class Tallies {
  readonly #width: number;
  readonly #tallies = new Map<string, Tally>();

  constructor(width: number) {
    this.#width = width;
  }

  /** Throws QueryError `too_many_groups`, `amount_too_large`. */
  add(key: readonly (string | number)[], sums: readonly number[]): void {
    const id = JSON.stringify(key);
    let tally = this.#tallies.get(id);
    if (tally === undefined) {
      if (this.#tallies.size >= MAX_TALLIES) throw tooMany();
      tally = { key, sums: new Array<number>(this.#width).fill(0) };
      this.#tallies.set(id, tally);
    }
    for (const [at, value] of sums.entries()) {
      const sum = (tally.sums[at] as number) + value;
      if (!Number.isSafeInteger(sum)) throw tooLarge();
      tally.sums[at] = sum;
    }
  }

  get all(): readonly Tally[] {
    return [...this.#tallies.values()];
  }
}

function tooMany(): QueryError {
  const message = `There are more than ${MAX_TALLIES} combinations of values. Ask for a shorter range, with a filter, or by fewer dimensions.`;
  return new QueryError('too_many_groups', message, [{ path: 'filters', message }]);
}

function tooLarge(): QueryError {
  return new QueryError('amount_too_large', 'A sum is above 2^53 − 1. Ask for less.');
}

/** null where the divisor is 0. */
export function ratio(dividend: number, divisor: number): number | null {
  return divisor === 0 ? null : dividend / divisor;
}
