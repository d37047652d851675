import { type Codec, defineOperator, type Either, type OperatorDoc } from '../../engine/index.ts';
import { JOIN_ROWS, type JoinState, joinState } from './join-buffer.ts';
import { checkedSetting, codecOf, type JoinFunction } from './join-common.ts';
import type { JoinLimits, LateRows } from './join-config.ts';
import { defaultBucket_ms, IntervalJoiner } from './join-interval.ts';

/** One side of a join without windows. */
export interface StreamJoinInput<V> {
  /** Rows of both sides with equal keys are joined; '' is a key like any other. */
  readonly keyOf: (value: V) => string;
  /** How a row is kept in state. Default: JSON. */
  readonly codec?: Codec<V>;
}

/** Without `ttl_ms` everything is kept for ever; with it rows need a time. */
export type StreamJoinConfig<L, R, Out> = JoinLimits & {
  readonly join: (left: L, right: R) => Out;
} & (
    | {
        readonly left: StreamJoinInput<L>;
        readonly right: StreamJoinInput<R>;
        readonly ttl_ms?: undefined;
      }
    | {
        /** `timeOf`: event time, whole ms since the Unix epoch. */
        readonly left: StreamJoinInput<L> & { readonly timeOf: (value: L) => number };
        readonly right: StreamJoinInput<R> & { readonly timeOf: (value: R) => number };
        /** Rows match only when their event times are at most this far apart, either way, ms. */
        readonly ttl_ms: number;
      }
  );

export const streamJoinDoc: OperatorDoc = {
  kind: 'stream-join',
  summary: 'Joins two streams by key without windows: every left row with every right row of its key',
};

/**
 * Unwindowed inner join: every left row with every right row of its key, as `left.connect(right,
 * streamJoin(…))`. The set of results is a function of the set of rows (with `ttl_ms`, of those not late).
 * State: both sides, for ever or for `ttl_ms`. Errors: `join_buffer_full`, `join_changed`, `bad_event_time`,
 * `bad_join_config`.
 */
export function streamJoin<L, R, Out>(name: string, config: StreamJoinConfig<L, R, Out>) {
  if (config.ttl_ms !== undefined) checkedSetting('ttl_ms', config.ttl_ms, 0);
  checkedSetting('max_entries_per_key', config.max_entries_per_key ?? 1, 1);
  return make<L, R, Out>()(name, config);
}

const noTime = (): number => 0;

const make = <L, R, Out>() =>
  defineOperator<Either<L, R>, Out, StreamJoinConfig<L, R, Out>, JoinState<L, R>, LateRows<L, R>>({
    kind: streamJoinDoc.kind,
    summary: streamJoinDoc.summary,
    // Rows would stay for ever.
    needsWatermark: ({ ttl_ms }) => ttl_ms !== undefined,
    sides: ['late'],
    state: ({ left, right, cache_rows }) => joinState(codecOf(left), codecOf(right), cache_rows),
    definition: ({ ttl_ms }) => ({ ttl_ms: ttl_ms ?? 'for ever' }),
    definedTables: JOIN_ROWS,
    retractions: () => 'refuses',
    start: (context) => {
      const { config } = context;
      const common = {
        ...config,
        type: 'inner' as const,
        join: config.join as JoinFunction<L, R, Out>,
        allowedLateness_ms: 0,
        // The later row of a result is never late; what waits for the earlier ones would wait for ttl_ms, or for ever.
        delayWatermark_ms: 0,
        metric: 'millrace.stream_join',
      };
      if (config.ttl_ms === undefined) {
        return new IntervalJoiner<L, R, Out>(context, {
          ...common,
          left: { ...config.left, timeOf: noTime },
          right: { ...config.right, timeOf: noTime },
          lower_ms: Number.NEGATIVE_INFINITY,
          upper_ms: Number.POSITIVE_INFINITY,
          bucket_ms: Number.POSITIVE_INFINITY,
        });
      }
      return new IntervalJoiner<L, R, Out>(context, {
        ...common,
        left: config.left,
        right: config.right,
        lower_ms: -config.ttl_ms,
        upper_ms: config.ttl_ms,
        bucket_ms: defaultBucket_ms(0, config.ttl_ms),
      });
    },
  });
