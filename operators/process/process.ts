import type { Codec, Metrics, NoPromise, NoSides, Operator, OperatorDoc, Sides } from '../../engine/index.ts';
import { makeProcess } from './process-make.ts';

/** What a process function sees of the world. One object for all calls: use it only during the call. */
export interface ProcessContext<S, B, O extends Sides = NoSides> {
  readonly key: string;
  /** Event time of the event in hand, or of the timer; NaN for an event where there is no `timeOf`. */
  readonly time_ms: number;
  /** -Infinity before the first watermark. */
  readonly watermark_ms: number;
  /** The clock. What depends on it comes out differently when the stream is read again. */
  readonly now_ms: number;
  /** The key's state. To change it, `setState`: changing the object in place is not kept. */
  readonly state: S;
  readonly setState: (state: Exclude<S, undefined>) => void;
  /** The key takes no room any more; its state is the initial one again. Its timers stay. */
  readonly clearState: () => void;
  /** For counters of your own. */
  readonly metrics: Metrics;
  readonly emit: (item: B) => void;
  readonly emitTo: <N extends keyof O & string>(side: N, item: O[N]) => void;
  /** Event-time timers of the key: `onTimer` is called once when the watermark reaches the time. */
  readonly timers: {
    /** Setting a time twice is setting it once. A time that has passed fires with the next watermark. */
    readonly set: (time_ms: number) => void;
    readonly clear: (time_ms: number) => void;
  };
}

/** What every configuration of `keyedProcess` has. */
export interface ProcessCommonConfig<A, S, B, O extends Sides> {
  readonly keyOf: (event: A) => string;
  readonly timeOf?: (event: A) => number;
  /**
   * `arrival` (the default): events are handled as they come, at once. `time`: they wait until the
   * watermark has reached them and are handled in the order of event time, timers in between, so that what
   * comes out does not depend on the order of arrival; needs `timeOf`.
   */
  readonly order?: 'arrival' | 'time';
  /** How the state is stored. By default JSON, trusted to be what was written. */
  readonly codec?: Codec<Exclude<S, undefined>>;
  /** How waiting events are stored (`order: 'time'`). By default JSON, trusted to be what was written. */
  readonly eventCodec?: Codec<A>;
  /** Raise it when the stored states change meaning, and say with `migrate` what becomes of older ones. */
  readonly version?: number;
  /** Makes a state of this version of one of an older version, at the first start; without it that start refuses. */
  readonly migrate?: (old: unknown, fromVersion: number) => Exclude<S, undefined>;
  /** How states of an older version were stored. By default as those of this one are. */
  readonly formerCodec?: (fromVersion: number) => Codec<unknown>;
  /**
   * Raise it when the stored waiting events change meaning. By default it goes along with `version`, and the events
   * are kept as they are. Once given it goes on from what `version` was: the same for the same events, larger for
   * others.
   */
  readonly eventVersion?: number;
  /**
   * Makes a waiting event of this version of an older one, of the same key and time. Without it (and
   * `formerEventCodec`) a start on events of an older `eventVersion` refuses.
   */
  readonly migrateEvent?: (old: unknown, fromVersion: number) => A;
  /** How waiting events of that version were stored; by default as those of this one are. */
  readonly formerEventCodec?: (fromVersion: number) => Codec<unknown>;
  /** Rows kept in memory. */
  readonly cacheRows?: number;
  /** Names of the side outputs that `emitTo` writes to, beside `late`. */
  readonly sides?: readonly (keyof O & string)[];
  onEvent(event: A, context: ProcessContext<S, B, O>): NoPromise;
  onTimer?(time_ms: number, context: ProcessContext<S, B, O>): NoPromise;
}

/** Configuration of `keyedProcess` whose keys have a state from the beginning. */
export interface ProcessConfig<A, B, S, O extends Sides = NoSides> extends ProcessCommonConfig<A, S, B, O> {
  /** The state of a key that has none stored. */
  readonly initial: (key: string) => S;
}

/** Without `initial` the state of a new key is undefined. */
export interface ProcessConfigWithoutInitial<A, B, S, O extends Sides = NoSides>
  extends ProcessCommonConfig<A, S | undefined, B, O> {
  readonly initial?: undefined;
}

/** With `order: 'time'`, events that came after the watermark had passed them. */
export type LateEvents<A> = { readonly late: A };

export const processDoc: OperatorDoc = {
  kind: 'process',
  summary: 'Your own keyed operator: a function with state and event-time timers',
};

/**
 * A keyed process function: typed state for each key and event-time timers. Type arguments are the event,
 * what is emitted, the state, and the side outputs by name, e.g. `keyedProcess<Click, Alert, number>`.
 * Throws `bad_config` for `order: 'time'` without `timeOf`, and for `migrateEvent` without `eventVersion`.
 */
export function keyedProcess<A, B, S, O extends Sides = NoSides>(
  name: string,
  config: ProcessConfig<A, B, S, O>,
): Operator<A, B, O & LateEvents<A>>;
export function keyedProcess<A, B, S, O extends Sides = NoSides>(
  name: string,
  config: ProcessConfigWithoutInitial<A, B, S, O>,
): Operator<A, B, O & LateEvents<A>>;
export function keyedProcess<A, B, S, O extends Sides>(
  name: string,
  config: ProcessConfig<A, B, S, O> | ProcessConfigWithoutInitial<A, B, S, O>,
): Operator<A, B, O & LateEvents<A>> {
  // A state without an initial value is one that may be undefined.
  return makeProcess<A, B, S, O>(processDoc)(name, config as ProcessConfig<A, B, S, O>);
}
