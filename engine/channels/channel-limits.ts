import type { BlockLimits } from './block.ts';

export interface ChannelLimits extends BlockLimits {
  /** Blocks of all channels that are not stored yet, at most: then the task takes no input. */
  readonly pending_max_blocks: number;
  /** The same in bytes. */
  readonly pending_max_bytes: number;
  /** Rows of all channels since the last commit, bytes: then a commit is due. */
  readonly uncommitted_max_bytes: number;
  /** How often a channel without rows says how far the task and its watermark are, ms. */
  readonly quiet_block_ms: number;
  /** Pause before the first repeat of a failed send, ms; it doubles with each that fails again. */
  readonly retry_ms: number;
  readonly retry_max_ms: number;
  /** How often a standby looks what its channels have, ms. */
  readonly standby_look_ms: number;
  /** A channel that so long, by repeated reads, ends before what was stored in it has lost its end, ms. */
  readonly end_missing_ms: number;
}

export const DEFAULT_CHANNEL_LIMITS: ChannelLimits = {
  block_max_bytes: 524_288,
  row_max_bytes: 786_432,
  pending_max_blocks: 4_096,
  pending_max_bytes: 67_108_864,
  uncommitted_max_bytes: 16_777_216,
  quiet_block_ms: 1_000,
  retry_ms: 100,
  retry_max_ms: 5_000,
  standby_look_ms: 1_000,
  end_missing_ms: 10_000,
};
