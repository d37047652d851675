/** What the choice of a merge needs to know of a segment. */
export interface TierEntry {
  readonly rows: number;
  /** Rows that are behind no cut. */
  readonly liveRows: number;
}

export interface TierLimits {
  /** Segments of a tier that become one. */
  readonly fanout: number;
  /** A segment of so many rows is not merged any more. */
  readonly sealed_min_rows: number;
  /** Rows of a segment, at most; a commit may write a larger one at once. */
  readonly segment_max_rows: number;
}

/** Segments [from, to) of the list become one. */
export interface Merge {
  readonly from: number;
  readonly to: number;
  readonly rows: number;
}

/**
 * The merge that is due among the segments of a tenant, in the order of their commits, or undefined. Size-tiered:
 * a segment belongs to the tier of the power of `fanout` that its rows reach, or to that of a later one where that
 * is higher. So tiers fall along the list, each has fewer than `fanout` segments, and a tenant has at most
 * (fanout - 1) × log(sealed_min_rows) of them besides the sealed ones. Only neighbours are merged: rows keep the
 * order of their sequences where all else is equal. A segment of which less than half is left is written anew.
 */
export function dueMerge(segments: readonly TierEntry[], limits: TierLimits): Merge | undefined {
  const { fanout, sealed_min_rows } = limits;
  let to = segments.length;
  while (to > 0) {
    const last = segments[to - 1] as TierEntry;
    if (isWorn(last)) return { from: to - 1, to, rows: last.rows };
    if (last.rows >= sealed_min_rows) {
      to--;
      continue;
    }
    const tier = tierOf(last.rows, fanout);
    let from = to - 1;
    let rows = last.rows;
    for (; from > 0; from--) {
      const before = segments[from - 1] as TierEntry;
      if (before.rows >= sealed_min_rows) break;
      if (tierOf(before.rows, fanout) > tier) break;
      rows += before.rows;
    }
    if (to - from >= fanout || (to - from > 1 && rows >= sealed_min_rows))
      return bounded(segments, from, to, limits);
    to = from;
  }
  return undefined;
}

function isWorn({ rows, liveRows }: TierEntry): boolean {
  return liveRows * 2 < rows;
}

function tierOf(rows: number, fanout: number): number {
  let tier = 0;
  for (let left = rows; left >= fanout; left /= fanout) tier++;
  return tier;
}

/** The first of them that are not too many rows together. */
function bounded(
  segments: readonly TierEntry[],
  from: number,
  to: number,
  { segment_max_rows }: TierLimits,
): Merge | undefined {
  let rows = 0;
  let end = from;
  for (; end < to; end++) {
    const next = (segments[end] as TierEntry).rows;
    if (end - from >= 2 && rows + next > segment_max_rows) break;
    rows += next;
  }
  return { from, to: end, rows };
}
