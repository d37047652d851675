import type { RunLimits } from './limits.ts';

/** What the plan has to know of a run. */
export interface PlannedRun {
  readonly bytes: number;
  /** It is being merged. */
  readonly isBusy: boolean;
}

/** Runs [from, to), newest first. */
export interface MergePlan {
  readonly from: number;
  readonly to: number;
}

/** Of what counts, what is superseded may be so much. */
const SUPERSEDED_SHARE = 0.5;

/**
 * Which runs to merge next, or undefined. Size-tiered: when `fanout_runs` neighbours are of one size class
 * (powers of the fanout), they become one; and all become one when too much of them is superseded (about
 * `superseded_bytes`), as in RocksDB's universal compaction. Only neighbours are merged, as of equal keys the newest
 * counts: a small run that is older than a large one counts as large.
 */
export function planMerge(
  runs: readonly PlannedRun[],
  superseded_bytes: number,
  limits: RunLimits,
): MergePlan | undefined {
  const all_bytes = runs.reduce((sum, { bytes }) => sum + bytes, 0);
  const allowed_bytes = Math.max(limits.superseded_bytes, SUPERSEDED_SHARE * (all_bytes - superseded_bytes));
  if (superseded_bytes > allowed_bytes && runs.every(({ isBusy }) => !isBusy))
    return { from: 0, to: runs.length };
  let from = 0;
  let size = 0;
  for (const [index, { bytes, isBusy }] of runs.entries()) {
    const own = sizeClass(bytes, limits);
    if (isBusy || own > size) {
      if (index - from >= limits.fanout_runs) return { from, to: index };
      from = isBusy ? index + 1 : index;
      size = Math.max(size, own);
    }
  }
  return runs.length - from >= limits.fanout_runs ? { from, to: runs.length } : undefined;
}

function sizeClass(bytes: number, { small_run_bytes, fanout_runs }: RunLimits): number {
  if (bytes < small_run_bytes) return 0;
  return 1 + Math.floor(Math.log(bytes / small_run_bytes) / Math.log(fanout_runs));
}
