import { Observable, type OperatorFunction } from 'rxjs';
import {
  type Barrier,
  type Clock,
  type Counter,
  type EventTime,
  invariant,
  type Metrics,
  MillraceError,
  type Signal,
} from '../base/index.ts';
import type { ControlHandlers } from '../control/index.ts';
import type { FailureWatch, OutMessage } from '../edges/index.ts';
import {
  type Flushable,
  type KvStore,
  type KvView,
  MapTable,
  openTables,
  type TableSpecs,
  type TablesOf,
} from '../state/index.ts';

import { observeDue } from './observe-due.ts';
import { type NameOf, OriginTrail, type OutputIds } from './origins.ts';
import { partsOf } from './task-parts.ts';

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
  readonly clock: Clock;
  readonly metrics: Metrics;
  /** The name of the topology. */
  readonly topology: string;
  readonly partition: string;
  readonly outputs: OutputIds;
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
export type NoSides = Readonly<Record<never, never>>;

export interface OperatorContext<C, S extends TableSpecs, B, O extends Sides = NoSides> {
  readonly name: string;
  readonly config: C;
  readonly state: TablesOf<S>;
  /** A table of another operator, by its id; during a barrier with what those before this one have written. */
  readonly view: (table: string) => KvView;
  /** What operators of one task show each other in memory, by a name of the one that gives it. */
  readonly parts: Map<string, unknown>;
  readonly clock: Clock;
  readonly metrics: Metrics;
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

export interface Handlers<A> {
  onBatch(items: readonly A[]): void;
  /** The watermark is passed on after it, unless `ownsWatermark`; `delayWatermark_ms` says how much of it. */
  onWatermark?(time_ms: number): void;
  onTimer?(time_ms: number, key: string): void;
  /** At which watermark it has something to give next, where no timer says so; undefined where nothing waits. */
  nextDue_ms?(): number | undefined;
  /** Inside the commit's transaction: raw tables may be written here. */
  onBarrier?(barrier: Barrier): void;
  /** The operator generates watermarks itself: those from upstream end here. */
  readonly ownsWatermark?: boolean;
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
  /** It asks for `outputId`: each item then comes alone. */
  readonly makesIds?: (config: C) => boolean;
  /** All that it gives to its main output it names, see `emit`. */
  readonly namesResults?: true;
  /** It gives on exactly the items that came, in one batch: what they come from is known without looking at each. */
  readonly keepsItems?: true;
  start(context: OperatorContext<C, S, B, O>): Handlers<A>;
}

/** A named operator, ready to be put into a topology. */
export interface Operator<A, B, O extends Sides = NoSides> {
  readonly name: string;
  readonly kind: string;
  readonly summary: string;
  readonly state: TableSpecs;
  readonly config: unknown;
  readonly definition?: Definition;
  readonly definedTables?: readonly string[];
  readonly sides: readonly string[];
  readonly makesIds?: boolean;
  readonly namesResults?: true;
  /** Says the types of the side outputs to the type checker; never there. */
  readonly sideTypes?: O;
  /** Batches of side outputs come tagged with their name. */
  bind(runtime: Runtime): OperatorFunction<Signal<A>, Signal<B>>;
}

/** The output of an operator that is no side output, in `millrace.operator.emitted`. */
export const MAIN_OUTPUT = 'main';

/** What an operator or a source has given to one of its outputs. */
export function emittedBy(metrics: Metrics, operator: string, output: string = MAIN_OUTPUT): Counter {
  const help = 'Items that an operator or a source gave; of columns, batches';
  return metrics.counter('millrace.operator.emitted', help, { operator, output });
}

const NAME = /^[a-z][a-z0-9-]{0,62}$/;

/**
 * Makes an operator constructor. The name is mandatory because it keys the operator's state: a
 * generated one would orphan the state when the topology changes.
 */
export function defineOperator<
  A,
  B,
  C = undefined,
  S extends TableSpecs = Record<never, never>,
  O extends Sides = NoSides,
>(spec: OperatorSpec<A, B, C, S, O>): (name: string, config: C) => Operator<A, B, O> {
  return (name, given) => {
    if (!NAME.test(name)) {
      throw new MillraceError(
        'bad_operator_name',
        `"${name}" is no operator name: use a-z, 0-9 and "-", at most 63 characters, a letter first.`,
      );
    }
    const config = spec.config === undefined ? given : spec.config.parse(given);
    const specs = spec.state?.(config) ?? ({} as S);
    return {
      name,
      kind: spec.kind,
      summary: spec.summary,
      state: specs,
      config,
      ...(spec.definition === undefined ? {} : { definition: spec.definition(config) }),
      ...(spec.definedTables === undefined ? {} : { definedTables: spec.definedTables }),
      sides: spec.sides ?? [],
      ...(spec.makesIds?.(config) === true ? { makesIds: true } : {}),
      ...(spec.namesResults === undefined ? {} : { namesResults: spec.namesResults }),
      bind: (runtime) => bind(spec, name, config, specs, runtime),
    };
  };
}

function bind<A, B, C, S extends TableSpecs, O extends Sides>(
  spec: OperatorSpec<A, B, C, S, O>,
  name: string,
  config: C,
  specs: S,
  runtime: Runtime,
): OperatorFunction<Signal<A>, Signal<B>> {
  return (input) =>
    new Observable<Signal<B>>((output) => {
      const state = openTables(runtime.store, name, specs);
      const maps: MapTable<string | number, unknown>[] = [];
      // Behind an operator that holds the watermark back the task is further: rows expire by what has come here.
      const initial_ms = runtime.eventTime.initialOf(name);
      let reached_ms = initial_ms ?? Number.POSITIVE_INFINITY;
      for (const table of Object.values(state)) {
        if (table instanceof MapTable) {
          maps.push(table);
          runtime.register(name, { flush: (task_ms) => table.flush(Math.min(task_ms, reached_ms)) });
        }
      }
      const timers = runtime.timers(name);
      const { eventTime, outputs, failures } = runtime;
      const received = runtime.metrics.counter(
        'millrace.operator.received',
        'Items that came to an operator; of columns, batches',
        { operator: name },
      );
      const emitted = emittedBy(runtime.metrics, name);
      const aside = new Map<string, Counter>();
      const asideBy = (side: string): Counter => {
        const counter = aside.get(side) ?? emittedBy(runtime.metrics, name, side);
        aside.set(side, counter);
        return counter;
      };
      const trail = outputs.isTracked(name)
        ? new OriginTrail(name, outputs.commits, { keepsItems: spec.keepsItems === true }, (signal) =>
            output.next(signal),
          )
        : undefined;
      const handlers = spec.start({
        name,
        config,
        state,
        view: (table) => runtime.store.table(table),
        parts: partsOf(runtime.store),
        clock: runtime.clock,
        metrics: runtime.metrics,
        topology: runtime.topology,
        partition: runtime.partition,
        timers,
        emit: (items, nameOf) => {
          if (items.length === 0) return;
          emitted.add(items.length);
          if (trail === undefined) output.next({ kind: 'batch', items });
          else trail.give(items, undefined, nameOf);
        },
        emitTo: (side, items, nameOf) => {
          if (items.length === 0) return;
          asideBy(side).add(items.length);
          if (trail !== undefined) return trail.give(items, side, nameOf);
          // The readers of a side output take what its type says; the tag keeps it from all others.
          output.next({ kind: 'batch', items: items as readonly never[], side });
        },
        isFollowed: trail !== undefined,
        outputId: (text, bytes) => {
          invariant(trail !== undefined, `operator ${name} says that it makes ids`);
          return outputs.make(name, trail.current, text, bytes);
        },
        emitWatermark: (time_ms) => {
          trail?.flush();
          eventTime.move(name, time_ms);
          output.next({ kind: 'watermark', time_ms });
        },
        initialWatermark_ms: initial_ms,
        send: (message) => runtime.send(outputs.place(message, name)),
        notice: runtime.notice,
        requestBarrier: runtime.requestBarrier,
      });
      const onTimer = handlers.onTimer?.bind(handlers);
      if (onTimer !== undefined || handlers.nextDue_ms !== undefined) {
        const read_ms = (): number | undefined => handlers.nextDue_ms?.() ?? timers.next();
        observeDue(runtime.metrics, name, read_ms);
      }
      const owns = handlers.ownsWatermark === true;
      if (owns) eventTime.expect(name);
      if (handlers.definitions !== undefined) runtime.control(name, handlers.definitions);
      /** The watermark whose timers have fired. */
      let timed_ms = initial_ms ?? Number.NEGATIVE_INFINITY;
      const again = (watermark_ms: number): string =>
        // The committed watermark comes once more after a restart.
        watermark_ms > timed_ms ? '' : ` after commit ${outputs.commits}`;
      const timerName = (time_ms: number, key: string, before_ms: number, watermark_ms: number): string =>
        // One that was set for a time which had passed may fire for that time once more.
        time_ms > before_ms
          ? `timer ${time_ms} ${key}`
          : `timer ${time_ms} at ${watermark_ms}${again(watermark_ms)} ${key}`;
      const during = (nameOf: () => string, work: () => void): void => {
        if (trail === undefined) work();
        else trail.during(nameOf(), work);
      };
      const pass = (watermark_ms: number): void => {
        reached_ms = watermark_ms;
        for (const map of maps) map.advance(watermark_ms);
        if (onTimer !== undefined) {
          for (const { time_ms, key } of timers.due(watermark_ms)) {
            during(
              () => timerName(time_ms, key, timed_ms, watermark_ms),
              () => onTimer(time_ms, key),
            );
          }
        }
        during(
          () => `watermark ${watermark_ms}${again(watermark_ms)}`,
          () => handlers.onWatermark?.(watermark_ms),
        );
        timed_ms = Math.max(timed_ms, watermark_ms);
      };
      const onWatermark = (time_ms: number): void => {
        failures.enterTime();
        try {
          pass(time_ms);
        } catch (error) {
          failures.report(name, error);
          throw error;
        } finally {
          failures.leaveTime();
        }
      };
      const { delayWatermark_ms: delay_ms = 0 } = handlers;
      if (!owns && delay_ms > 0) eventTime.expectDelay(name);
      let passed_ms = Number.NEGATIVE_INFINITY;
      /** What goes on may stand still for a while: it is not told twice. */
      const passOn = (time_ms: number): void => {
        const next_ms = eventTime.delay(name, time_ms - delay_ms);
        if (next_ms <= passed_ms) return;
        passed_ms = next_ms;
        output.next({ kind: 'watermark', time_ms: next_ms });
      };
      const handle = (signal: Signal<A>): void => {
        switch (signal.kind) {
          case 'batch':
            received.add(signal.items.length);
            if (trail === undefined) handlers.onBatch(signal.items);
            else trail.handle(signal.items, signal.origins, (items) => handlers.onBatch(items));
            break;
          case 'watermark':
            if (signal.time_ms === Number.NEGATIVE_INFINITY) {
              // A task that has none yet begins: who generates one and has one goes on from it.
              if (!owns) output.next(signal);
              else if (initial_ms !== null) onWatermark(initial_ms);
              break;
            }
            // A task begins with the smallest of its watermarks; who generates one goes on from its own.
            onWatermark(owns ? Math.max(signal.time_ms, initial_ms ?? signal.time_ms) : signal.time_ms);
            if (!owns && delay_ms > 0) passOn(signal.time_ms);
            else if (!owns) output.next(signal);
            break;
          case 'barrier':
            trail?.committing(signal.commit);
            handlers.onBarrier?.(signal);
            output.next(signal);
            break;
        }
      };
      return input.subscribe({
        next: (signal) => {
          // RxJS reports what a subscriber throws later and elsewhere; the runner must know before it commits.
          try {
            handle(signal);
          } catch (error) {
            failures.report(name, error);
            output.error(error);
          }
        },
        error: (error) => output.error(error),
        complete: () => output.complete(),
      });
    });
}
