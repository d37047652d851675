import type { OperatorFunction } from 'rxjs';
import type { Barrier, Clock, EventTime, Metrics, Signal } from '../base/index.ts';
import type { CutOutput } from '../channels/index.ts';
import type { ControlHandlers } from '../control/index.ts';
import type { FailureWatch, OutMessage } from '../edges/index.ts';
import type { Flushable, KvStore, KvView, StateChecks, TableSpecs, TablesOf } from '../state/index.ts';
import type { Cursor, Tick } from './order.ts';
import type { NameOf, OutputIds } from './origins.ts';
import type { OutputChanges, RetractionRule } from './retractions.ts';
import type { SentTo } from './sent-subjects.ts';

/** Anything that checks and types an input; a zod schema is one. */
export interface Schema<T> {
  parse(input: unknown): T;
}

/** A notable event that was not simply processed: it can be read in the diagnostics. */
export interface Notice {
  readonly kind: string;
  /** Whose it is: a tenant. */
  readonly scope: string;
  readonly sequence: number;
  readonly detail: Readonly<Record<string, string | number>>;
}

/** What the runner hands to every operator: its only access to the world. */
export interface Runtime {
  readonly store: KvStore;
  /** See `TaskOptions.stateChecks`. */
  readonly stateChecks: StateChecks;
  readonly clock: Clock;
  readonly metrics: Metrics;
  /** The name of the topology. */
  readonly topology: string;
  readonly partition: string;
  readonly outputs: OutputIds;
  /** What leaves the task follows from its log alone: see `TaskOptions.ordered`. */
  readonly ordered: boolean;
  readonly cursor: Cursor;
  /** Ticks of the log go to the operator from here on; only in an ordered task. */
  onTick(hear: (tick: Tick) => void): void;
  /** Owes a message to the outside: sent after the commit, exactly once for who honours ids. */
  send(message: OutMessage): void;
  /** Counts it (part of the commit) and keeps the newest of each kind (a bounded ring). */
  notice(notice: Notice): void;
  /** Asks for a barrier before the next batch: an operator's uncommitted work has reached its limit. */
  requestBarrier(): void;
  /** Event time, part of the commit. */
  readonly eventTime: EventTime;
  /** Tables to flush inside the commit, in the order of registration. */
  register(operator: string, flushable: Flushable): void;
  timers(operator: string): Timers;
  /** Definitions go to the operator from here on. */
  control(operator: string, handlers: ControlHandlers): void;
  readonly failures: FailureWatch;
  /** Where items go that leave a stage; absent where a task has no channels. */
  readonly channels?: { open(cut: string, targets: number): CutOutput } | undefined;
}

/** Event-time timers, part of the commit. One per (time, key); setting it twice is setting it once. */
export interface Timers {
  set(time_ms: number, key: string): void;
  clear(time_ms: number, key: string): void;
  /** Takes the timers due at the watermark out, earliest first. */
  due(watermark_ms: number): readonly { readonly time_ms: number; readonly key: string }[];
  /** The time of the earliest that is set; undefined where none is. */
  next(): number | undefined;
}

/** Item types by side output. */
export type Sides = object;
/** The type of an operator without side outputs. */
export type NoSides = Readonly<Record<never, never>>;

/** What `start` gets: name, config, state, and the only ways out: to emit, to send, to count. */
export interface OperatorContext<C, S extends TableSpecs, B, O extends Sides = NoSides> {
  readonly name: string;
  readonly config: C;
  readonly state: TablesOf<S>;
  /** A table of another operator, by its id; during a barrier with what those before this one have written. */
  readonly view: (table: string) => KvView;
  /** What operators of one task show each other in memory, by a name of the one that gives it. */
  readonly parts: Map<string, unknown>;
  /** In an ordered task it reads the log: the newest time at which a record was stored. */
  readonly clock: Clock;
  readonly metrics: Metrics;
  /** What it gives must follow from the log alone: see `TaskOptions.ordered`. */
  readonly ordered: boolean;
  readonly cursor: Cursor;
  /** Its name: two topologies may have operators of one name that send to one stream. */
  readonly topology: string;
  readonly partition: string;
  readonly timers: Pick<Timers, 'set' | 'clear'>;
  /**
   * `nameOf` names an item that comes because time moves, or of records of several sources, within the operator and
   * for good (key and time, window and revision): messages that are made of it get their ids from that. Without it, or
   * where it gives undefined, they get it from the record, the timer at work or the watermark, and other cuts into
   * batches, or another order of the sources, may give other ids.
   */
  emit(items: readonly B[], nameOf?: NameOf<B>): void;
  /** Whether somebody behind makes ids of what it gives: else a name is of no use. */
  readonly isFollowed: boolean;
  /** To a side output; what nobody reads there is gone, so count it. */
  emitTo<N extends keyof O & string>(side: N, items: readonly O[N][], nameOf?: NameOf<O[N]>): void;
  /**
   * An id for the message that is made of the item at hand, for operators that say `makesIds`: of what the item comes
   * from and of the content, as `OutputIds` makes it.
   */
  outputId(text: string, bytes: Uint8Array | string): string;
  /** Moves event time downstream; only for the operator that generates watermarks. */
  emitWatermark(time_ms: number): void;
  /** The committed watermark that the operator begins with (its own, or that of its input), or null before the first. */
  readonly initialWatermark_ms: number | null;
  send(message: OutMessage): void;
  notice(notice: Notice): void;
  requestBarrier(): void;
}

/**
 * A kind of operator that has a page. What it does, keeps and guarantees stands in `<kind>.md` beside its file;
 * the page is generated from both.
 */
export interface OperatorDoc {
  readonly kind: string;
  readonly summary: string;
}

/**
 * What an operator does with what comes. All of it is synchronous: a handler that returns a promise ends the task
 * (`async_function`).
 */
export interface Handlers<A> {
  onBatch(items: readonly A[]): void;
  /** The watermark is passed on after it, unless `ownsWatermark`; `delayWatermark_ms` says how much of it. */
  onWatermark?(time_ms: number): void;
  onTimer?(time_ms: number, key: string): void;
  /** At which watermark it has something to give next, where no timer says so; undefined where nothing waits. */
  nextDue_ms?(): number | undefined;
  /** Inside the commit's transaction: raw tables may be written here. In an ordered task nothing may come out of it. */
  onBarrier?(barrier: Barrier): void;
  /** In an ordered task: time has passed in the log, and may move event time. */
  onTick?(tick: Tick): void;
  /**
   * How far behind the watermark the event times of what comes out may lie, ms: the watermark that is passed on
   * stays back by it, so that nothing that comes out is late behind the operator. Never moves back, even where
   * this is more than before a restart. Default 0.
   */
  readonly delayWatermark_ms?: number;
  /** It takes definitions that users make while it runs. */
  readonly definitions?: ControlHandlers;
}

/** By name, as a person would write it. */
export type Definition = Readonly<Record<string, string | number | boolean>>;

/** A kind of operator: what it is called, what it keeps, and how it starts. For `defineOperator`. */
export interface OperatorSpec<A, B, C, S extends TableSpecs, O extends Sides = NoSides> {
  /** What kind of operator it is, e.g. `dedup`. */
  readonly kind: string;
  readonly summary: string;
  readonly config?: Schema<C>;
  readonly state?: (config: C) => S;
  /**
   * What of the configuration the rows in the state depend on, besides their schema. A start with another
   * definition than that of the stored state is refused: the rows would be taken for what they are not.
   */
  readonly definition?: (config: C) => Definition;
  /** The tables whose rows the definition is of: while they are empty another one is taken. Default: always refused. */
  readonly definedTables?: readonly (keyof S & string)[];
  /** Names of the outputs beside the main one. */
  readonly sides?: readonly (keyof O & string)[];
  /** It generates watermarks itself: those from upstream end here. */
  readonly ownsWatermark?: true;
  /** With this configuration it gives nothing until a watermark comes: a topology where none does is refused. */
  readonly needsWatermark?: (config: C) => boolean;
  /** Where its messages go, as far as the configuration says: a start sees whether a stream takes them. */
  readonly sendsTo?: (config: C) => readonly SentTo[];
  /** It asks for `outputId`: each item then comes alone. */
  readonly makesIds?: (config: C) => boolean;
  /** All that it gives to its main output it names, see `emit`. */
  readonly namesResults?: true;
  /** What it does with items that change what earlier ones said; absent: they may lose their mark in it. */
  readonly retractions?: (config: C) => RetractionRule;
  /** Of the outputs that hold such items of its own. */
  readonly changes?: (config: C) => readonly OutputChanges[];
  /**
   * Why it cannot be in a partitioned topology: what it gives would follow from more than its log. Undefined, and
   * absent: it can.
   */
  readonly unordered?: (config: C) => string | undefined;
  /** It takes definitions: such an operator cannot stand before a cut. */
  readonly takesDefinitions?: (config: C) => boolean;
  /** It gives on exactly the items that came, in one batch: what they come from is known without looking at each. */
  readonly keepsItems?: true;
  start(context: OperatorContext<C, S, B, O>): Handlers<A>;
}

/** A named operator, ready to be put into a topology. */
export interface Operator<A, B, O extends Sides = NoSides> {
  /**
   * Says to the type checker what it takes; never there. First, so that where an item does not fit the error says of
   * which member, and not how the types of RxJS differ.
   */
  readonly takes?: (item: A) => void;
  /** The same of what it gives: in the middle of a pipe the operator before the one that does not fit is to blame. */
  readonly gives?: () => B;
  readonly name: string;
  readonly kind: string;
  readonly summary: string;
  readonly state: TableSpecs;
  readonly config: unknown;
  readonly definition?: Definition;
  readonly definedTables?: readonly string[];
  readonly sides: readonly string[];
  readonly sendsTo?: readonly SentTo[];
  readonly makesIds?: boolean;
  readonly namesResults?: true;
  readonly ownsWatermark?: true;
  readonly needsWatermark?: boolean;
  readonly unordered?: string;
  readonly takesDefinitions?: boolean;
  readonly retractions?: RetractionRule;
  readonly changes?: readonly OutputChanges[];
  /** Says the types of the side outputs to the type checker; never there. */
  readonly sideTypes?: O;
  /** Batches of side outputs come tagged with their name. */
  bind(runtime: Runtime): OperatorFunction<Signal<A>, Signal<B>>;
}
