/** Bounds of what is asked for and held, in messages, bytes and ms. */
export interface PullLimits {
  /** Records received and not taken, and asked for, in messages. */
  readonly buffer_max_messages: number;
  /** The same in bytes; one message that is larger still passes. */
  readonly buffer_max_bytes: number;
  /** One pull, in messages. */
  readonly pull_max_messages: number;
  /** One pull, in bytes. */
  readonly pull_max_bytes: number;
  /** How long the server holds a pull that it cannot fill, ms. */
  readonly pull_expires_ms: number;
  /** How often the server must be heard while a pull is open, ms; at most half of `pull_expires_ms`. */
  readonly idle_heartbeat_ms: number;
}

export const MEBIBYTE = 1024 * 1024;

export const DEFAULT_PULL_LIMITS: PullLimits = {
  buffer_max_messages: 8_192,
  buffer_max_bytes: 32 * MEBIBYTE,
  pull_max_messages: 4_096,
  pull_max_bytes: 16 * MEBIBYTE,
  pull_expires_ms: 30_000,
  idle_heartbeat_ms: 5_000,
};
