import type { ByteReader, ByteWriter, Codec, RetractionRule } from '../../engine/index.ts';
import type { AggregateSpec, ResolvedAggregate } from '../aggregates/index.ts';
import type { Trigger } from './trigger.ts';
import type { TimeWindow, WindowSpec } from './windows.ts';

/**
 * What a result says when a window fires more than once. `accumulate`: everything so far; a session that has
 * grown or merged since has other bounds, and what was given under the former ones comes before it once more as
 * a retraction. `discard`: only what came since the last result; the results of a window add up. `retract`:
 * everything so far, and before it the last result once more as a retraction.
 */
export type WindowMode = 'accumulate' | 'discard' | 'retract';

/** Before the watermark reached the window's end, when it did, or after that. */
export type PaneKind = 'early' | 'onTime' | 'late';

/** Which result of its window one is: why it was given, and how many came before it. */
export interface Pane {
  readonly kind: PaneKind;
  /** Numbers the results of one key's window, from 0; a retraction has the number of what it takes back. */
  readonly index: number;
}

/** What a window comes to for a key. `key` is '' where all events are together. */
export interface WindowResult<R> {
  readonly key: string;
  readonly window: TimeWindow;
  readonly value: R;
  readonly pane: Pane;
  /**
   * With `retract` always; with `accumulate` only `retract`, of a session that is none any more. `toTable` and
   * `toWindowTable` delete what is retracted.
   */
  readonly kind?: 'insert' | 'retract';
}

/** Events that no window takes: too late or without a finite time, or past a limit. */
export type WindowSides<E> = {
  readonly late: E;
  readonly overflow: E;
};

/** Configuration of `window`. */
export interface WindowConfig<E, S extends AggregateSpec<E>> {
  /**
   * Which events take an earlier, equal one back (it is subtracted). By default those with `kind: 'retract'`, as windows
   * and funnels give them; behind a `map` say it of what that hands on. Only windows with bounds of their own (tumbling,
   * hopping, cumulate, global) of aggregates that have `retract` take them: `count`, `sum`, `sumExact`, `avg`, `variance`.
   */
  readonly isRetraction?: (event: E) => boolean;
  /** '' for all events together. */
  readonly keyOf: (event: E) => string;
  /** Event time in ms since the epoch; may be negative. */
  readonly timeOf: (event: E) => number;
  readonly window: WindowSpec;
  /**
   * One aggregate, or several by name: `{ orders: count(), revenue: sum((order) => order.amount) }`. Inside
   * `pipe` the type of `order` is known there; a single one needs it written: `sum((order: Order) => …)`.
   */
  readonly aggregate: S;
  /** How long after its end, by the watermark, a window still takes events; ms, by default 0. */
  readonly allowedLateness_ms?: number;
  /** By default a window fires when the watermark reaches its end. */
  readonly trigger?: Trigger;
  /** By default `accumulate`. */
  readonly mode?: WindowMode;
  /** How an event is stored, by default as JSON; only count windows store events. */
  readonly codec?: Codec<E>;
  /** Raise it when an aggregate of your own stores something else than before, and say in its `migrate` what becomes of that. */
  readonly version?: number;
  /** Windows open at once over all keys (hopping and cumulate: slices of them), by default 10,000. */
  readonly max_open_windows?: number;
  /** Open sessions of one key, times of a key's sliding windows, or a key's waiting events; by default 10,000. */
  readonly max_open_per_key?: number;
  /** Accumulators kept in memory beside those not yet committed, in rows, by default 100,000. */
  readonly max_cached_rows?: number;
  /** Changed accumulators after which a commit is asked for, in rows, by default 50,000. */
  readonly max_uncommitted_rows?: number;
}

/** A configuration with its defaults filled in. */
export interface WindowPlan<E, W extends WindowSpec = WindowSpec>
  extends Omit<Required<WindowConfig<E, never>>, 'aggregate' | 'window' | 'isRetraction'> {
  readonly window: W;
  readonly retractions: RetractionRule;
  readonly aggregate: ResolvedAggregate<E, unknown, unknown>;
}

/** What a kind of windows needs to give out. */
export interface WindowOutput<E> {
  emit(results: readonly WindowResult<unknown>[]): void;
  late(events: readonly E[]): void;
  overflow(events: readonly E[]): void;
  requestBarrier(): void;
}

export function resultOf<R>(
  key: string,
  window: TimeWindow,
  value: R,
  pane: Pane,
  kind: 'insert' | 'retract' | undefined,
): WindowResult<R> {
  return kind === undefined ? { key, window, value, pane } : { key, window, value, pane, kind };
}

/** Whether a window that ends here takes no more events, when those that end after `openAfter_ms` do. */
export function isClosed(end_ms: number, openAfter_ms: number): boolean {
  return !(end_ms > openAfter_ms);
}

/** For sorting by key: strings as JavaScript compares them. */
export function byKey(a: readonly [string, unknown], b: readonly [string, unknown]): number {
  return a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : 0;
}

const PANE_KINDS: readonly PaneKind[] = ['early', 'onTime', 'late'];

export const paneCodec: Codec<Pane> = {
  write: (writer: ByteWriter, { kind, index }) => {
    writer.u8(PANE_KINDS.indexOf(kind)).varint(index);
  },
  read: (reader: ByteReader) => ({ kind: PANE_KINDS[reader.u8()] as PaneKind, index: reader.varint() }),
};
