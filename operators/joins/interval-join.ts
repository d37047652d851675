import { defineOperator, type Either, MillraceError, type OperatorDoc } from '../../engine/index.ts';
import { JOIN_ROWS, type JoinState, joinState } from './join-buffer.ts';
import { checkedSetting, codecOf, type JoinFunction } from './join-common.ts';
import type { JoinInput, JoinLimits, JoinMode, LateRows } from './join-config.ts';
import { defaultBucket_ms, IntervalJoiner, resultDelay_ms } from './join-interval.ts';

/** Configuration of `intervalJoin`: rows of one key whose times differ by `lower_ms` to `upper_ms`, both included. */
export type IntervalJoinConfig<L, R, Out> = JoinLimits &
  JoinMode<L, R, Out> & {
    readonly left: JoinInput<L>;
    readonly right: JoinInput<R>;
    /** The smallest right time - left time of a match, inclusive, ms; negative: the right row is earlier. */
    readonly lower_ms: number;
    /** The largest, inclusive, ms. */
    readonly upper_ms: number;
    /** How far behind the watermark rows may come and still find all of their matches, ms. Default 0. */
    readonly allowedLateness_ms?: number;
    /**
     * State goes, and rows without a match come out, in time buckets of this length, ms: at most this much
     * of event time after the watermark allows it. The watermark behind the join stays back by it too. Default half
     * the interval, at least 100.
     */
    readonly bucket_ms?: number;
  };

export const intervalJoinDoc: OperatorDoc = {
  kind: 'interval-join',
  summary: 'Joins two streams by key where their event times lie within bounds of each other',
};

/**
 * Interval join: left and right rows with one key whose times are within bounds of each other, as
 * `left.connect(right, intervalJoin(…))`. Matches come out at once, rows without one when none can come
 * any more. The set of results is a function of the set of rows that are not late.
 * State: each side's rows until the watermark has passed their last match. The watermark goes on later, so that no
 * result is late behind the join. Errors: `join_buffer_full`, `join_changed`,
 * `bad_event_time`, `bad_join_config`.
 */
export function intervalJoin<L, R, Out>(name: string, config: IntervalJoinConfig<L, R, Out>) {
  const lower_ms = checkedSetting('lower_ms', config.lower_ms, Number.MIN_SAFE_INTEGER);
  const upper_ms = checkedSetting('upper_ms', config.upper_ms, Number.MIN_SAFE_INTEGER);
  if (lower_ms > upper_ms) {
    throw new MillraceError('bad_join_config', `lower_ms (${lower_ms}) is above upper_ms (${upper_ms}).`);
  }
  checkedSetting('allowedLateness_ms', config.allowedLateness_ms ?? 0, 0);
  checkedSetting('bucket_ms', config.bucket_ms ?? 1, 1);
  checkedSetting('max_entries_per_key', config.max_entries_per_key ?? 1, 1);
  return make<L, R, Out>()(name, config);
}

const make = <L, R, Out>() =>
  defineOperator<Either<L, R>, Out, IntervalJoinConfig<L, R, Out>, JoinState<L, R>, LateRows<L, R>>({
    kind: intervalJoinDoc.kind,
    summary: intervalJoinDoc.summary,
    needsWatermark: () => true,
    sides: ['late'],
    state: ({ left, right, cache_rows }) => joinState(codecOf(left), codecOf(right), cache_rows),
    definition: ({ type, lower_ms, upper_ms, bucket_ms = defaultBucket_ms(lower_ms, upper_ms) }) => ({
      type,
      lower_ms,
      upper_ms,
      bucket_ms,
    }),
    definedTables: JOIN_ROWS,
    retractions: () => 'refuses',
    start: (context) => {
      const { config } = context;
      const { lower_ms, upper_ms, allowedLateness_ms = 0 } = config;
      const bucket_ms = config.bucket_ms ?? defaultBucket_ms(lower_ms, upper_ms);
      return new IntervalJoiner<L, R, Out>(context, {
        ...config,
        join: config.join as JoinFunction<L, R, Out>,
        bucket_ms,
        allowedLateness_ms,
        delayWatermark_ms: resultDelay_ms({ lower_ms, upper_ms, bucket_ms, allowedLateness_ms }),
        metric: 'millrace.interval_join',
      });
    },
  });
