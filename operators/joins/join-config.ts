import type { Codec, Either } from '../../engine/index.ts';

/** One side of a join by event time. */
export interface JoinInput<V> {
  /** Rows of both sides with equal keys are joined; '' is a key like any other. */
  readonly keyOf: (value: V) => string;
  /** Event time: whole ms since the Unix epoch. */
  readonly timeOf: (value: V) => number;
  /** How a row is kept in state, and what orders rows of one time and key. Default: JSON. */
  readonly codec?: Codec<V>;
}

/**
 * What comes out of a match. `inner`: matches only; `left`: also each left row without a match;
 * `outer`: also each right row without one. `Rest`: what else an operator tells of the match.
 */
export type JoinMode<L, R, Out, Rest extends readonly unknown[] = []> =
  | { readonly type: 'inner'; readonly join: (left: L, right: R, ...rest: Rest) => Out }
  | { readonly type: 'left'; readonly join: (left: L, right: R | undefined, ...rest: Rest) => Out }
  | {
      readonly type: 'outer';
      readonly join: (left: L | undefined, right: R | undefined, ...rest: Rest) => Out;
    };

/** Of the modes those where a left row is always there. */
export type EnrichMode<L, R, Out> = Extract<JoinMode<L, R, Out>, { readonly type: 'inner' | 'left' }>;

/** The side output `late`: rows that came after what they belong to was closed. */
export type LateRows<L, R> = { readonly late: Either<L, R> };

/** Bounds of what a join holds. */
export interface JoinLimits {
  /**
   * Rows of one key on one side in one time bucket (a window, for a window join), default 1,000,000.
   * More stop the task with `join_buffer_full`, with nothing committed: a limit that put rows aside
   * instead would make the result depend on the order of arrival. Raise it and start again.
   */
  readonly max_entries_per_key?: number;
  /** Clean rows of each state table kept in memory, default 100,000. */
  readonly cache_rows?: number;
}

/** A stream that is the history of a table. */
export interface TableInput<V> extends JoinInput<V> {
  /** Whether this version says that the row is gone. Default: none does. */
  readonly isDeletion?: (value: V) => boolean;
}
