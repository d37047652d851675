/** Inclusive. */
export interface SequenceRange {
  readonly from: number;
  readonly to: number;
  /** How many of its messages are wanted. */
  readonly wanted: number;
}

/** How messages are read: one by one, or all of a range. `cost` in messages of a range. */
export interface FetchPlan {
  readonly singles: readonly number[];
  readonly ranges: readonly SequenceRange[];
  readonly cost: number;
}

/** What one message by itself costs, and what a range costs before its first message, in messages of a range. */
const SINGLE_COST = 8;
const RANGE_COST = 500;

/** The cheaper way to each of the sequences, which are ascending and distinct. */
export function planFetch(sequences: ArrayLike<number>): FetchPlan {
  const singles: number[] = [];
  const ranges: SequenceRange[] = [];
  let cost = 0;
  const close = (first: number, end: number): void => {
    const from = sequences[first] as number;
    const to = sequences[end - 1] as number;
    const wanted = end - first;
    if (RANGE_COST + (to - from + 1) >= SINGLE_COST * wanted) {
      for (let at = first; at < end; at++) singles.push(sequences[at] as number);
      cost += SINGLE_COST * wanted;
      return;
    }
    const last = ranges.at(-1);
    if (last !== undefined && from - last.to < RANGE_COST) {
      // Cheaper to read on than to begin anew; what lies between is read twice at worst.
      ranges[ranges.length - 1] = { from: last.from, to, wanted: last.wanted + wanted };
      cost += to - last.to;
      return;
    }
    ranges.push({ from, to, wanted });
    cost += RANGE_COST + to - from + 1;
  };
  let first = 0;
  for (let at = 1; at <= sequences.length; at++) {
    const isGap =
      at === sequences.length || (sequences[at] as number) - (sequences[at - 1] as number) > SINGLE_COST;
    if (!isGap) continue;
    close(first, at);
    first = at;
  }
  return { singles, ranges, cost };
}
