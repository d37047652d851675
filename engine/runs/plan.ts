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

/**
 * Which runs to merge next, or undefined. Size-tiered: when `fanout_runs` neighbours are of one size class
 * (powers of the fanout), they become one; and all become one when those newer than the oldest have more bytes than
 * it, so that what is superseded stays bounded (RocksDB's universal compaction). Only neighbours are merged, as of
 * equal keys the newest counts: a small run that is older than a large one counts as large.
 */
export function planMerge(runs: readonly PlannedRun[], limits: RunLimits): MergePlan | undefined {
  if (runs.length < 2) return undefined;
  const oldest = runs.at(-1)?.bytes ?? 0;
  const newer = runs.reduce((sum, { bytes }) => sum + bytes, -oldest);
  if (newer > Math.max(oldest, limits.newer_bytes) && runs.every(({ isBusy }) => !isBusy))
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
