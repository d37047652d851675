import { DAY_MS } from '../query/index.ts';
import type { CustomerTotals } from './customer-totals.ts';
import type { RfmQuery, SegmentRule } from './rfm-schema.ts';
import { NO_SEGMENT } from './rfm-segments.ts';

/** A customer with scores, each 1 (worst) to 5 (best). */
export interface ScoredCustomer extends CustomerTotals {
  readonly r: number;
  readonly f: number;
  readonly m: number;
  readonly segment: string;
}

const GROUPS = 5;

/**
 * Scores recency (to `end_ms`), frequency (distinct orders) and money (net of refunds) of each customer. Hughes'
 * method (Strategic Database Marketing, 1994), with equal values sharing a score unless `ntile` is asked for.
 */
export function scoreCustomers(
  totals: readonly CustomerTotals[],
  { scoring, thresholds, segments }: Pick<RfmQuery, 'scoring' | 'thresholds' | 'segments'>,
  end_ms: number,
): ScoredCustomer[] {
  const recency = totals.map(({ last_ms }) => last_ms);
  const frequency = totals.map(({ orders }) => orders);
  const monetary = totals.map(({ net }) => net);
  let [r, f, m]: readonly number[][] = [[], [], []];
  if (scoring === 'fixed' && thresholds !== undefined) {
    // The fewer days the better: the scores of the days turned round.
    const days = recency.map((last_ms) => (end_ms - last_ms) / DAY_MS);
    r = days.map((value) => GROUPS - thresholds.recency_days.filter((limit) => value > limit).length);
    f = frequency.map((value) => 1 + thresholds.frequency.filter((limit) => value >= limit).length);
    m = monetary.map((value) => 1 + thresholds.monetary.filter((limit) => value >= limit).length);
  } else {
    const scored = scoring === 'ntile' ? ntiles : sharedScores;
    [r, f, m] = [scored(recency), scored(frequency), scored(monetary)];
  }
  return totals.map((customer, at) => {
    const scores = { r: r[at] as number, f: f[at] as number, m: m[at] as number };
    return { ...customer, ...scores, segment: segmentOf(scores, segments) };
  });
}

/** 1 + floor(5 × strictly smaller ÷ n): equal values share a score. */
function sharedScores(values: readonly number[]): number[] {
  const sorted = Float64Array.from(values).sort();
  return values.map((value) => 1 + Math.floor((GROUPS * countBelow(sorted, value)) / values.length));
}

/** Five groups whose sizes differ by one at most, the larger ones first, as SQL's NTILE; ties by the given order. */
function ntiles(values: readonly number[]): number[] {
  const order = values
    .map((_, at) => at)
    .sort((a, b) => (values[a] as number) - (values[b] as number) || a - b);
  const small = Math.floor(values.length / GROUPS);
  const large = values.length % GROUPS;
  const inLarge = large * (small + 1);
  const scores = new Array<number>(values.length);
  for (const [place, at] of order.entries())
    scores[at] =
      place < inLarge
        ? 1 + Math.floor(place / (small + 1))
        : 1 + large + Math.floor((place - inLarge) / small);
  return scores;
}

function countBelow(sorted: Float64Array, value: number): number {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((sorted[middle] as number) < value) low = middle + 1;
    else high = middle;
  }
  return low;
}

function segmentOf(
  scores: { readonly r: number; readonly f: number; readonly m: number },
  segments: readonly SegmentRule[],
): string {
  const fits = (score: number, span: readonly [number, number] | undefined): boolean =>
    span === undefined || (score >= span[0] && score <= span[1]);
  const found = segments.find(({ r, f, m }) => fits(scores.r, r) && fits(scores.f, f) && fits(scores.m, m));
  return found?.name ?? NO_SEGMENT;
}
