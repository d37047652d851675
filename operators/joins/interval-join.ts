import { defineOperator, type Either, MillraceError, type OperatorDoc } from '../../engine/index.ts';
import { JOIN_ROWS, type JoinState, joinState } from './join-buffer.ts';
import { checkedSetting, codecOf, type JoinFunction } from './join-common.ts';
import type { JoinInput, JoinLimits, JoinMode, LateRows } from './join-config.ts';
import { defaultBucket_ms, IntervalJoiner, resultDelay_ms } from './join-interval.ts';

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
  does:
    'A left and a right row with the same key match when lower_ms <= right time - left time <= upper_ms, both ' +
    'inclusive: an order and its payments in the following hour are lower_ms 0, upper_ms 3,600,000. join makes ' +
    'an output of each match as soon as both rows are there. Left rows without a match (left, outer) and right ' +
    'rows without one (outer) come out when the watermark says that none can come any more, and never before, ' +
    'so that nothing has to be taken back: a left row at t when the watermark less allowedLateness_ms has ' +
    'passed t + upper_ms, a right row when it has passed t - lower_ms, both up to bucket_ms later. Of the ' +
    'matches the set is determined by the rows, not their order; what comes out by the watermark is in a fixed ' +
    'order.',
  state:
    'Left rows for upper_ms, right rows for -lower_ms after the watermark has reached them (plus ' +
    'allowedLateness_ms, rounded up to bucket_ms), by time bucket and key, in chunks of 64, so that one more ' +
    'row of a hot key costs the same as its first. A bucket goes as a whole. At most max_entries_per_key rows ' +
    'of a key, side and bucket.',
  late:
    'A row that comes when matches of it may have gone already goes to the side output "late" as {input, ' +
    'value} and is counted in millrace.interval_join.late. No row at or after the watermark less ' +
    'allowedLateness_ms is late. A result may be older than the watermark: it waited, or its other row did. So ' +
    'the watermark that goes on behind the join stays back, by max(0, upper_ms, -lower_ms) + allowedLateness_ms + ' +
    'bucket_ms, and no result is late there by the event time of either row: what is chained behind the join needs ' +
    'no lateness of its own, and gives its results that much later.',
  duplicates: 'A row that comes twice is two rows and matches twice; put a dedup before the join.',
  failure:
    'After a crash the rows since the last commit are read again and give the same matches again. More rows of ' +
    'a key than max_entries_per_key stop the task with join_buffer_full, and an event time that is no whole ' +
    'number of ms with bad_event_time; nothing of the batch is committed. ' +
    'Another type, interval or bucket than that of the rows in the state is refused at the start (topology_changed); ' +
    'allowedLateness_ms may change, and what was too late before stays so.',
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
    sides: ['late'],
    state: ({ left, right, cache_rows }) => joinState(codecOf(left), codecOf(right), cache_rows),
    definition: ({ type, lower_ms, upper_ms, bucket_ms = defaultBucket_ms(lower_ms, upper_ms) }) => ({
      type,
      lower_ms,
      upper_ms,
      bucket_ms,
    }),
    definedTables: JOIN_ROWS,
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
