export interface ClusterLimits {
  /** Other members that follow each task. */
  readonly standbys: number;
  /** Tasks that change hands or are copied at once, in the whole cluster. */
  readonly moves_at_once: number;
  /** States that one process opens at once. */
  readonly opens_at_once: number;
  /** From one renewal of a member's record to the next, ms. */
  readonly beat_ms: number;
  /** How long the first member waits for others before it makes the first plan, ms. */
  readonly settle_ms: number;
  /** An owner that cannot send what it owes gives a task up after so long, ms. */
  readonly release_max_ms: number;
  /** A copy that is not ready after so long is given up, and tried again as much later, ms. */
  readonly move_max_ms: number;
  /** Records of dead members go after so long, ms. */
  readonly forget_after_ms: number;
}

export const CLUSTER_LIMITS: ClusterLimits = {
  standbys: 1,
  moves_at_once: 2,
  opens_at_once: 4,
  beat_ms: 1_000,
  settle_ms: 2_000,
  release_max_ms: 5_000,
  move_max_ms: 600_000,
  forget_after_ms: 60_000,
};
