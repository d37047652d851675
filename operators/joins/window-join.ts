import {
  type Codec,
  type Counter,
  defineOperator,
  type Either,
  type Handlers,
  type OperatorContext,
  type OperatorDoc,
} from '../../engine/index.ts';
import { checkedKey, checkedTime } from '../core/index.ts';
import { evenGrid, type WindowGrid } from '../windows/index.ts';
import {
  type BufferEntry,
  JOIN_ROWS,
  type JoinBuffer,
  type JoinState,
  joinBuffers,
  joinState,
  type Reached,
} from './join-buffer.ts';
import {
  byTimeAndKey,
  checkedSetting,
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
import type { JoinInput, JoinLimits, JoinMode, LateRows } from './join-config.ts';

/** The window of a match: from `start_ms`, inclusive, to `end_ms`, exclusive. */
export interface JoinWindow {
  readonly start_ms: number;
  readonly end_ms: number;
}

/** Configuration of `windowJoin`. */
export type WindowJoinConfig<L, R, Out> = JoinLimits &
  JoinMode<L, R, Out, [window: JoinWindow]> & {
    readonly left: JoinInput<L>;
    readonly right: JoinInput<R>;
    /** Length of the windows, ms. */
    readonly size_ms: number;
    /** Where windows begin: at whole multiples of `size_ms` plus this, ms. Default 0. */
    readonly offset_ms?: number;
    /** How long a window stays open after the watermark has reached its end, ms. Default 0. */
    readonly allowedLateness_ms?: number;
  };

export const windowJoinDoc: OperatorDoc = {
  kind: 'window-join',
  summary: 'Joins two streams by key within tumbling windows of event time',
};

/**
 * Tumbling-window join: left and right rows with one key in one window of event time, as `left.connect(
 * right, windowJoin(…))`. Matches come out at once, rows without one when their window closes. The set of
 * results is a function of the set of rows that are not late.
 * State: the rows of the open windows. The watermark goes on later, so that no result is late behind
 * the join. Errors: `join_buffer_full`, `join_changed`, `bad_event_time`, `bad_join_config`.
 */
export function windowJoin<L, R, Out>(name: string, config: WindowJoinConfig<L, R, Out>) {
  checkedSetting('size_ms', config.size_ms, 1);
  checkedSetting('allowedLateness_ms', config.allowedLateness_ms ?? 0, 0);
  checkedSetting('offset_ms', config.offset_ms ?? 0, Number.MIN_SAFE_INTEGER);
  checkedSetting('max_entries_per_key', config.max_entries_per_key ?? 1, 1);
  return make<L, R, Out>()(name, config);
}

const make = <L, R, Out>() =>
  defineOperator<Either<L, R>, Out, WindowJoinConfig<L, R, Out>, JoinState<L, R>, LateRows<L, R>>({
    kind: windowJoinDoc.kind,
    summary: windowJoinDoc.summary,
    needsWatermark: () => true,
    sides: ['late'],
    state: ({ left, right, cache_rows }) => joinState(codecOf(left), codecOf(right), cache_rows),
    definition: ({ size_ms, offset_ms }) => ({ size_ms, offset_ms: offsetIn(size_ms, offset_ms) }),
    definedTables: JOIN_ROWS,
    retractions: () => 'refuses',
    start: (context) => new WindowJoin(context),
  });

/** In [0, size_ms). */
function offsetIn(size_ms: number, offset_ms = 0): number {
  const rest_ms = offset_ms % size_ms;
  return rest_ms < 0 ? rest_ms + size_ms : rest_ms;
}

class WindowJoin<L, R, Out> implements Handlers<Either<L, R>> {
  readonly #context: OperatorContext<WindowJoinConfig<L, R, Out>, JoinState<L, R>, Out, LateRows<L, R>>;
  readonly #left: JoinBuffer<L>;
  readonly #right: JoinBuffer<R>;
  readonly #join: JoinFunction<L, R, Out, [JoinWindow]>;
  readonly #output: JoinOutput<Out>;
  readonly #windows: WindowGrid;
  readonly #late: Counter;
  readonly #reached: Reached;
  /** The oldest row of a result lies in the oldest window that is open. */
  readonly delayWatermark_ms: number;
  /** Windows below it are closed. */
  #closed: number;
  #window: JoinWindow = { start_ms: 0, end_ms: 0 };

  constructor(context: OperatorContext<WindowJoinConfig<L, R, Out>, JoinState<L, R>, Out, LateRows<L, R>>) {
    const { config, state, name, metrics } = context;
    this.#context = context;
    this.#join = config.join as JoinFunction<L, R, Out, [JoinWindow]>;
    this.#output = new JoinOutput(context);
    const { size_ms } = config;
    const offset_ms = offsetIn(size_ms, config.offset_ms);
    this.#windows = evenGrid(size_ms, offset_ms);
    this.delayWatermark_ms = size_ms + (config.allowedLateness_ms ?? 0);
    const limit = config.max_entries_per_key ?? DEFAULT_MAX_ENTRIES_PER_KEY;
    const layout = `windows of ${size_ms} ms from ${offset_ms} ms on`;
    const buffers = joinBuffers<L, R>(state, name, limit, layout);
    this.#left = buffers.left;
    this.#right = buffers.right;
    this.#reached = buffers.reached;
    this.#closed = Math.max(0, this.#numberOf(this.#reached.time_ms));
    this.#late = metrics.counter('millrace.window_join.late', 'Rows that came after their window closed', {
      operator: name,
    });
    metrics.gauge(
      'millrace.window_join.windows',
      'Open windows with rows, both sides',
      () => this.#left.buckets + this.#right.buckets,
      { operator: name },
    );
  }

  /** Windows are numbered so that the one that holds the time 0 is not below 0. */
  #numberOf(time_ms: number): number {
    return this.#windows.indexOf(time_ms) + 1;
  }

  #windowOf(number: number): JoinWindow {
    const start_ms = this.#windows.startOf(number - 1);
    if (this.#window.start_ms !== start_ms || this.#window.end_ms === 0) {
      this.#window = { start_ms, end_ms: this.#windows.startOf(number) };
    }
    return this.#window;
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
    const { left } = this.#context.config;
    const time_ms = checkedTime(left.timeOf(value), this.#context.name);
    const number = this.#numberOf(time_ms);
    if (number < this.#closed) return true;
    const key = checkedKey(left.keyOf(value));
    const window = this.#windowOf(number);
    const own = { time_ms, place: this.#output.isNamed ? this.#left.count(number, key) : -1 };
    this.#right.visit(number, number, key, (other, place) => {
      const name = this.#nameOf(key, own, { time_ms: other.time_ms, place });
      this.#output.push(this.#join(value, other.value, window), name);
      return false;
    });
    this.#left.append(number, key, { time_ms, value, matched: false });
    return false;
  }

  /** Whether it is late. */
  #onRight(value: R): boolean {
    const { right } = this.#context.config;
    const time_ms = checkedTime(right.timeOf(value), this.#context.name);
    const number = this.#numberOf(time_ms);
    if (number < this.#closed) return true;
    const key = checkedKey(right.keyOf(value));
    const window = this.#windowOf(number);
    const own = { time_ms, place: this.#output.isNamed ? this.#right.count(number, key) : -1 };
    this.#left.visit(number, number, key, (other, place) => {
      const name = this.#nameOf(key, { time_ms: other.time_ms, place }, own);
      this.#output.push(this.#join(other.value, value, window), name);
      return false;
    });
    this.#right.append(number, key, { time_ms, value, matched: false });
    return false;
  }

  #nameOf(key: string, left: MatchedRow, right: MatchedRow): string | undefined {
    return this.#output.isNamed ? nameOfMatch(key, left, right) : undefined;
  }

  onWatermark(time_ms: number): void {
    const { type, allowedLateness_ms = 0 } = this.#context.config;
    const closed = this.#numberOf(this.#reached.advance(time_ms - allowedLateness_ms));
    if (closed <= this.#closed) return;
    this.#closed = closed;
    const due = new Set([...this.#left.before(closed), ...this.#right.before(closed)]);
    for (const number of [...due].sort((a, b) => a - b)) {
      if (type !== 'inner') this.#emitUnmatched(number);
      this.#left.drop(number);
      this.#right.drop(number);
    }
    this.#output.flush();
  }

  /** A row has a match exactly if its key has rows on the other side. */
  #emitUnmatched(number: number): void {
    const { left, right, type } = this.#context.config;
    const window = this.#windowOf(number);
    const rows: (OrderedRow & { out(): Out })[] = [];
    const add = <V>(
      side: 'left' | 'right',
      key: string,
      codec: Codec<V>,
      { time_ms, value }: BufferEntry<V>,
      out: () => Out,
    ): void => void rows.push({ side, key, time_ms, bytes: () => encoded(codec, value), out });
    const leftCodec = codecOf(left);
    for (const [key, entries] of this.#left.keys(number)) {
      if (this.#right.has(number, key)) continue;
      for (const entry of entries) {
        add('left', key, leftCodec, entry, () => this.#join(entry.value, undefined, window));
      }
    }
    if (type === 'outer') {
      const rightCodec = codecOf(right);
      for (const [key, entries] of this.#right.keys(number)) {
        if (this.#left.has(number, key)) continue;
        for (const entry of entries) {
          add('right', key, rightCodec, entry, () => this.#join(undefined, entry.value, window));
        }
      }
    }
    for (const row of rows.sort(byTimeAndKey)) this.#output.push(row.out(), nameOfRow(row));
  }
}
