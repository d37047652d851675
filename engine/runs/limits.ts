export interface RunLimits {
  /** Runs of one size that are merged into one. */
  readonly fanout_runs: number;
  /** Runs below this count as one size, however small they are, bytes. */
  readonly small_run_bytes: number;
  /** What a commit merges at most, bytes read; besides, `merge_ratio` times the bytes that it brought. */
  readonly merge_bytes: number;
  /** Must exceed the times that a record is merged in its life, or the runs pile up. */
  readonly merge_ratio: number;
  /** Everything is merged into one run when what is superseded exceeds half of the rest, and this, bytes. */
  readonly superseded_bytes: number;
  /** Rows of merged runs that a commit removes at most; besides, as many as `merge_ratio` asks for. */
  readonly removed_rows: number;
  /** Longest record, bytes. */
  readonly record_bytes: number;
}

export const DEFAULT_RUN_LIMITS: RunLimits = {
  fanout_runs: 8,
  small_run_bytes: 65_536,
  merge_bytes: 4 * 1_048_576,
  merge_ratio: 8,
  superseded_bytes: 4 * 1_048_576,
  removed_rows: 1_024,
  record_bytes: 1_048_576,
};
