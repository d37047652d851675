import type { Counter, Either, Handlers, OperatorContext } from '../../engine/index.ts';
import { checkedKey, checkedTime } from '../core/index.ts';
import { type JoinBuffer, type JoinState, joinBuffers, type Reached } from './join-buffer.ts';
import {
  byTimeAndKey,
  codecOf,
  DEFAULT_MAX_ENTRIES_PER_KEY,
  encoded,
  type JoinFunction,
  JoinOutput,
  type MatchedRow,
  nameOfMatch,
  nameOfRow,
  type OrderedRow,
  takeRows,
} from './join-common.ts';
import type { JoinInput, JoinLimits, LateRows } from './join-config.ts';

export interface IntervalSettings<L, R, Out> extends JoinLimits {
  readonly left: JoinInput<L>;
  readonly right: JoinInput<R>;
  readonly type: 'inner' | 'left' | 'outer';
  readonly join: JoinFunction<L, R, Out>;
  /** Bounds of right time - left time, both inclusive; -Infinity and Infinity keep everything. */
  readonly lower_ms: number;
  readonly upper_ms: number;
  /** State goes in steps of this; Infinity where nothing goes. */
  readonly bucket_ms: number;
  readonly allowedLateness_ms: number;
  /** How far the watermark stays back, so that no result is late behind the join, ms; see `resultDelay_ms`. */
  readonly delayWatermark_ms: number;
  /** Names the metrics. */
  readonly metric: string;
}

type Context<L, R, Out> = Pick<
  OperatorContext<unknown, JoinState<L, R>, Out, LateRows<L, R>>,
  'name' | 'state' | 'metrics' | 'emit' | 'emitTo' | 'isFollowed'
>;

/**
 * The working of joins by a bound on the distance of event times. Each side's rows lie in time buckets.
 * With the watermark at w, a left row below w - upper and a right row below w + lower can have no further
 * match; their buckets go when they lie below that as a whole. A row is late when rows that it would have
 * matched may have gone: so any two rows that are not late meet, in either order.
 */
export class IntervalJoiner<L, R, Out> implements Handlers<Either<L, R>> {
  readonly #settings: IntervalSettings<L, R, Out>;
  readonly #context: Context<L, R, Out>;
  readonly #left: JoinBuffer<L>;
  readonly #right: JoinBuffer<R>;
  readonly #output: JoinOutput<Out>;
  readonly #late: Counter;
  readonly #reached: Reached;
  readonly delayWatermark_ms: number;
  /** Buckets below them have gone. */
  #leftFloor = 0;
  #rightFloor = 0;

  constructor(context: Context<L, R, Out>, settings: IntervalSettings<L, R, Out>) {
    const { name, state, metrics } = context;
    const { max_entries_per_key = DEFAULT_MAX_ENTRIES_PER_KEY, metric, lower_ms, upper_ms } = settings;
    this.#context = context;
    this.#settings = settings;
    this.delayWatermark_ms = settings.delayWatermark_ms;
    const layout = `type ${settings.type}, ${lower_ms} to ${upper_ms} ms, in buckets of ${settings.bucket_ms} ms`;
    const buffers = joinBuffers<L, R>(state, name, max_entries_per_key, layout);
    this.#left = buffers.left;
    this.#right = buffers.right;
    this.#reached = buffers.reached;
    this.#raiseFloors(this.#reached.time_ms);
    this.#output = new JoinOutput(context);
    const labels = { operator: name };
    this.#late = metrics.counter(`${metric}.late`, 'Rows that came after their matches had gone', labels);
    const buckets = (): number => this.#left.buckets + this.#right.buckets;
    metrics.gauge(`${metric}.buckets`, 'Time buckets with rows, both sides', buckets, labels);
  }

  #bucketOf(time_ms: number): number {
    const { bucket_ms } = this.#settings;
    return bucket_ms === Number.POSITIVE_INFINITY || time_ms <= 0 ? 0 : Math.floor(time_ms / bucket_ms);
  }

  onBatch(items: readonly Either<L, R>[]): void {
    const late = takeRows(items, {
      left: (value) => this.#onLeft(value),
      right: (value) => this.#onRight(value),
    });
    this.#output.flush();
    if (late.length === 0) return;
    this.#late.add(late.length);
    this.#context.emitTo('late', late);
  }

  /** Whether it is late. */
  #onLeft(value: L): boolean {
    const { left, type, join, lower_ms, upper_ms } = this.#settings;
    const time_ms = checkedTime(left.timeOf(value), this.#context.name);
    const first = this.#bucketOf(time_ms + lower_ms);
    if (first < this.#rightFloor) return true;
    const key = checkedKey(left.keyOf(value));
    let matched = false;
    const own = { time_ms, place: this.#placeIn(this.#left, this.#leftFloor, time_ms, key) };
    this.#right.visit(first, this.#bucketOf(time_ms + upper_ms), key, (other, place) => {
      const distance_ms = other.time_ms - time_ms;
      if (distance_ms < lower_ms || distance_ms > upper_ms) return false;
      this.#match(join(value, other.value), key, own, { time_ms: other.time_ms, place });
      matched = true;
      return type === 'outer' && markMatched(other);
    });
    const bucket = this.#bucketOf(time_ms);
    // A mark that nobody reads would only tell which of two rows came first.
    const isMarked = matched && type !== 'inner';
    // Where every match lies in the past of a row, nothing can come for it any more.
    if (bucket >= this.#leftFloor) this.#left.append(bucket, key, { time_ms, value, matched: isMarked });
    else if (!matched && type !== 'inner') this.#output.push(join(value, undefined));
    return false;
  }

  /** Whether it is late. */
  #onRight(value: R): boolean {
    const { right, type, join, lower_ms, upper_ms } = this.#settings;
    const time_ms = checkedTime(right.timeOf(value), this.#context.name);
    const first = this.#bucketOf(time_ms - upper_ms);
    if (first < this.#leftFloor) return true;
    const key = checkedKey(right.keyOf(value));
    let matched = false;
    const own = { time_ms, place: this.#placeIn(this.#right, this.#rightFloor, time_ms, key) };
    this.#left.visit(first, this.#bucketOf(time_ms - lower_ms), key, (other, place) => {
      const distance_ms = time_ms - other.time_ms;
      if (distance_ms < lower_ms || distance_ms > upper_ms) return false;
      this.#match(join(other.value, value), key, { time_ms: other.time_ms, place }, own);
      matched = true;
      return type !== 'inner' && markMatched(other);
    });
    const bucket = this.#bucketOf(time_ms);
    const isMarked = matched && type === 'outer';
    if (bucket >= this.#rightFloor) this.#right.append(bucket, key, { time_ms, value, matched: isMarked });
    else if (!matched && type === 'outer') this.#output.push(join(undefined, value));
    return false;
  }

  /** Where a row will be kept: below 0 where it is not kept, or nobody asks. */
  #placeIn(buffer: JoinBuffer<L> | JoinBuffer<R>, floor: number, time_ms: number, key: string): number {
    const bucket = this.#bucketOf(time_ms);
    return this.#output.isNamed && bucket >= floor ? buffer.count(bucket, key) : -1;
  }

  #match(item: Out, key: string, left: MatchedRow, right: MatchedRow): void {
    this.#output.push(item, this.#output.isNamed ? nameOfMatch(key, left, right) : undefined);
  }

  #raiseFloors(time_ms: number): void {
    const { lower_ms, upper_ms } = this.#settings;
    this.#leftFloor = Math.max(this.#leftFloor, this.#bucketOf(time_ms - upper_ms));
    this.#rightFloor = Math.max(this.#rightFloor, this.#bucketOf(time_ms + lower_ms));
  }

  onWatermark(watermark_ms: number): void {
    const { type, lower_ms, upper_ms, allowedLateness_ms } = this.#settings;
    this.#raiseFloors(this.#reached.advance(watermark_ms - allowedLateness_ms));
    if (this.#left.oldest >= this.#leftFloor && this.#right.oldest >= this.#rightFloor) return;
    // In the order of the time at which each goes, so that steps of the watermark make no difference.
    const { bucket_ms } = this.#settings;
    const due = [
      ...this.#left.before(this.#leftFloor).map((n) => ({ n, side: 'left', at: n * bucket_ms + upper_ms })),
      ...this.#right
        .before(this.#rightFloor)
        .map((n) => ({ n, side: 'right', at: n * bucket_ms - lower_ms })),
    ].sort((a, b) => a.at - b.at || (a.side < b.side ? -1 : 1));
    for (const { n, side } of due) {
      if (side === 'left') {
        if (type !== 'inner') this.#emitLeft(n);
        this.#left.drop(n);
      } else {
        if (type === 'outer') this.#emitRight(n);
        this.#right.drop(n);
      }
    }
    this.#output.flush();
  }

  #emitLeft(bucket: number): void {
    const { left, join } = this.#settings;
    for (const row of unmatchedIn(this.#left, bucket, 'left', left)) {
      this.#output.push(join(row.value, undefined), nameOfRow(row));
    }
  }

  #emitRight(bucket: number): void {
    const { right, join } = this.#settings;
    for (const row of unmatchedIn(this.#right, bucket, 'right', right)) {
      this.#output.push(join(undefined, row.value), nameOfRow(row));
    }
  }
}

const MIN_BUCKET_MS = 100;

/** Half the span that a row matches: three buckets to look in at most, and half as much again kept. */
export function defaultBucket_ms(lower_ms: number, upper_ms: number): number {
  return Math.max(MIN_BUCKET_MS, Math.ceil((upper_ms - lower_ms) / 2));
}

/**
 * How far behind the watermark the times of a result's rows may lie, ms. A left row is kept until the watermark less
 * the lateness has passed it by `upper_ms`, a right row by `-lower_ms`, both by up to a bucket more; none that has
 * gone is in a result, and a row that comes is taken up to a bucket behind the lateness.
 */
export function resultDelay_ms({
  lower_ms,
  upper_ms,
  bucket_ms,
  allowedLateness_ms,
}: Pick<
  IntervalSettings<never, never, never>,
  'lower_ms' | 'upper_ms' | 'bucket_ms' | 'allowedLateness_ms'
>): number {
  return Math.max(0, upper_ms, -lower_ms) + allowedLateness_ms + bucket_ms;
}

/** Whether it is the first time. */
function markMatched(entry: { matched: boolean }): boolean {
  if (entry.matched) return false;
  entry.matched = true;
  return true;
}

function unmatchedIn<V>(
  buffer: JoinBuffer<V>,
  bucket: number,
  side: 'left' | 'right',
  input: JoinInput<V>,
): readonly (OrderedRow & { readonly value: V })[] {
  const codec = codecOf(input);
  const rows: (OrderedRow & { readonly value: V })[] = [];
  for (const [key, entries] of buffer.keys(bucket)) {
    for (const { time_ms, value, matched } of entries) {
      if (!matched) rows.push({ time_ms, key, side, value, bytes: () => encoded(codec, value) });
    }
  }
  return rows.sort(byTimeAndKey);
}
