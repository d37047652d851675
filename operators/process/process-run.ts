import {
  ByteReader,
  ByteWriter,
  type Clock,
  type Codec,
  type Counter,
  type MapSpec,
  type Metrics,
  type RawSpec,
  refusePromise,
  type ScopedMap,
  type Sides,
  type TablesOf,
  type Timers,
  trustedJsonCodec,
} from '../../engine/index.ts';
import { checkedKey, checkedSignedTime, checkedTime } from '../core/index.ts';
import type { LateEvents, ProcessConfig, ProcessContext } from './process.ts';
import { type Due, DueTimers } from './process-timers.ts';

export type ProcessTables<A, S> = {
  readonly state: MapSpec<string, S>;
  /** Events that the watermark has not passed, by time and key. */
  readonly waiting: MapSpec<string, A[]>;
  /** The operator's own watermark: one row. */
  readonly progress: RawSpec;
};

/** What the operator uses of its context. */
interface World<A, B, S, O extends Sides> {
  readonly name: string;
  readonly state: TablesOf<ProcessTables<A, S>>;
  readonly clock: Clock;
  readonly metrics: Metrics;
  readonly timers: Pick<Timers, 'set' | 'clear'>;
  emit(items: readonly B[], nameOf?: (item: B, at: number) => string): void;
  emitTo<N extends keyof (O & LateEvents<A>) & string>(
    side: N,
    items: readonly (O & LateEvents<A>)[N][],
    nameOf?: (item: (O & LateEvents<A>)[N], at: number) => string,
  ): void;
}

type Stored<S> = Exclude<S, undefined>;

/** Before the key in the ids of the engine's timers. */
const EVENT = 'e';
const TIMER = 't';
/** The only key of `progress`. */
const WATERMARK = Uint8Array.of(0);

/** A process function at work; it is itself the context that the function's calls are given. */
export class ProcessRun<A, B, S, O extends Sides> implements ProcessContext<S, B, O> {
  key = '';
  time_ms = Number.NaN;
  watermark_ms: number;
  /** The watermark of the last barrier. */
  #stored_ms: number;
  readonly timers = {
    set: (time_ms: number): void => this.#setTimer(time_ms),
    clear: (time_ms: number): void => this.#clearTimer(time_ms),
  };
  // Functions rather than methods, so that a function may take them out of the context by name.
  readonly setState = (state: Stored<S>): void => this.#states.set(this.key, state);
  readonly clearState = (): void => this.#states.delete(this.key);
  readonly emit = (item: B): void => {
    this.#out.push(item);
    if (this.#firing !== undefined) this.#outOf.push(this.#firing);
  };
  readonly emitTo = <N extends keyof O & string>(side: N, item: O[N]): void => this.#putAside(side, item);
  readonly metrics: Metrics;
  readonly #config: ProcessConfig<A, B, S, O>;
  readonly #world: World<A, B, Stored<S>, O>;
  readonly #states: ScopedMap<string, Stored<S>>;
  readonly #waiting: ScopedMap<string, A[]>;
  readonly #late: Counter;
  readonly #eventCodec: Codec<A>;
  /** In order of time an event is final when the watermark is past it; a timer fires after those of its time. */
  readonly #delay_ms: 0 | 1;
  /** Taken from the engine's timers for a watermark that is about to come. */
  #taken: Due[] = [];
  /** While what is due is worked off. */
  #turn: DueTimers | undefined;
  #inTimer = false;
  /** Undefined while events are handled as they come. */
  #firing: Due | undefined;
  #out: B[] = [];
  /** Of each that was given while time moves, what gave it; likewise of what was put aside. */
  #outOf: Due[] = [];
  readonly #aside = new Map<string, { readonly items: unknown[]; readonly of: Due[] }>();

  constructor(kind: string, config: ProcessConfig<A, B, S, O>, world: World<A, B, Stored<S>, O>) {
    this.metrics = world.metrics;
    this.#config = config;
    this.#world = world;
    this.#states = world.state.state.scope('');
    this.#waiting = world.state.waiting.scope('');
    this.#eventCodec = config.eventCodec ?? trustedJsonCodec<A>();
    this.#delay_ms = config.order === 'time' ? 1 : 0;
    const stored = world.state.progress.get(WATERMARK);
    this.watermark_ms = stored === undefined ? Number.NEGATIVE_INFINITY : new ByteReader(stored).f64();
    this.#stored_ms = this.watermark_ms;
    this.#late = world.metrics.counter(
      `millrace.${kind.replaceAll('-', '_')}.late`,
      'Events behind the watermark, not handled',
      {
        operator: world.name,
      },
    );
  }

  get now_ms(): number {
    return this.#world.clock.now();
  }

  get state(): S {
    return this.#states.get(this.key) ?? this.#config.initial?.(this.key);
  }

  #putAside(side: string, item: unknown): void {
    const aside = this.#aside.get(side) ?? { items: [], of: [] };
    this.#aside.set(side, aside);
    aside.items.push(item);
    if (this.#firing !== undefined) aside.of.push(this.#firing);
  }

  onBatch(events: readonly A[]): void {
    for (const event of events) {
      const time_ms = this.#timeOf(event);
      const key = checkedKey(this.#config.keyOf(event));
      if (this.#config.order !== 'time') this.#handle(event, time_ms, key);
      else if (time_ms < this.watermark_ms) {
        this.#late.add();
        this.#putAside('late', event);
      } else this.#wait(event, time_ms, key);
    }
    this.#emitAll();
  }

  #synchronous(given: unknown): void {
    refusePromise(given, `process "${this.#world.name}"`);
  }

  #timeOf(event: A): number {
    const { timeOf, order } = this.#config;
    if (timeOf === undefined) return Number.NaN;
    return (order === 'time' ? checkedTime : checkedSignedTime)(timeOf(event), this.#world.name);
  }

  #wait(event: A, time_ms: number, key: string): void {
    const row = rowOf(time_ms, key);
    const others = this.#waiting.get(row);
    if (others === undefined) {
      this.#waiting.set(row, [event]);
      this.#world.timers.set(time_ms + this.#delay_ms, EVENT + key);
    } else {
      others.push(event);
      this.#waiting.set(row, others);
    }
  }

  #handle(event: A, time_ms: number, key: string): void {
    this.key = key;
    this.time_ms = time_ms;
    this.#inTimer = false;
    this.#synchronous(this.#config.onEvent(event, this));
  }

  /** The engine has taken a timer out because of the watermark that comes next. */
  onDue(time_ms: number, id: string): void {
    this.#taken.push({
      time_ms: time_ms - this.#delay_ms,
      isTimer: id.startsWith(TIMER),
      key: id.slice(TIMER.length),
    });
  }

  onWatermark(time_ms: number): void {
    const taken = this.#taken;
    this.#taken = [];
    if (time_ms <= this.watermark_ms) {
      // The committed watermark comes again after a restart; without the restart nothing would fire now.
      for (const due of taken) this.#schedule(due);
      return;
    }
    const before_ms = this.watermark_ms;
    this.watermark_ms = time_ms;
    const turn = new DueTimers(taken);
    this.#turn = turn;
    for (let due = turn.next(); due !== undefined; due = turn.next()) this.#fire(due);
    this.#turn = undefined;
    this.#firing = undefined;
    this.#emitAll((due) => this.#nameOf(due, before_ms));
  }

  onBarrier(): void {
    if (this.watermark_ms === this.#stored_ms) return;
    this.#stored_ms = this.watermark_ms;
    this.#world.state.progress.put(WATERMARK, new ByteWriter().f64(this.watermark_ms).copy());
  }

  /** A timer that was set for a time which had passed may fire for that time once more. */
  #nameOf({ time_ms, isTimer, key }: Due, before_ms: number): string {
    const isAgain = time_ms + this.#delay_ms <= before_ms;
    return `${isTimer ? 'timer' : 'event'} ${time_ms}${isAgain ? ` at ${this.watermark_ms}` : ''} ${key}`;
  }

  #fire(due: Due): void {
    const { time_ms, isTimer, key } = due;
    this.#firing = due;
    if (isTimer) {
      this.key = key;
      this.time_ms = time_ms;
      this.#inTimer = true;
      this.#synchronous(this.#config.onTimer?.(time_ms, this));
      return;
    }
    const row = rowOf(time_ms, key);
    const events = this.#waiting.get(row) ?? [];
    this.#waiting.delete(row);
    for (const event of sortedByBytes(events, this.#eventCodec)) this.#handle(event, time_ms, key);
  }

  #schedule({ time_ms, isTimer, key }: Due): void {
    this.#world.timers.set(time_ms + this.#delay_ms, (isTimer ? TIMER : EVENT) + key);
  }

  #timerAt(time_ms: number): Due {
    checkedTime(time_ms, this.#world.name);
    return { time_ms, isTimer: true, key: this.key };
  }

  #setTimer(time_ms: number): void {
    // A timer that sets itself again for its own time would never end.
    const earliest_ms = this.#inTimer ? this.time_ms + 1 : this.#delay_ms === 1 ? this.time_ms : 0;
    const due = this.#timerAt(Math.max(time_ms, earliest_ms));
    if (this.#turn !== undefined && due.time_ms + this.#delay_ms <= this.watermark_ms) this.#turn.add(due);
    else this.#schedule(due);
  }

  #clearTimer(time_ms: number): void {
    const due = this.#timerAt(time_ms);
    this.#turn?.remove(due);
    this.#world.timers.clear(time_ms + this.#delay_ms, TIMER + this.key);
  }

  /** `nameOf` names what has brought an item, where time has. */
  #emitAll(nameOf?: (due: Due) => string): void {
    const [out, outOf] = [this.#out, this.#outOf];
    this.#out = [];
    this.#outOf = [];
    const naming = (of: readonly Due[]) =>
      nameOf === undefined ? undefined : (_: unknown, at: number) => nameOf(of[at] as Due);
    this.#world.emit(out, naming(outOf));
    for (const [side, { items, of }] of this.#aside) {
      // `emitTo` has checked the items' types; the map holds those of all sides.
      this.#world.emitTo(side as 'late', items as never[], naming(of));
    }
    this.#aside.clear();
  }
}

/** Events of one time and key by their stored bytes: any order will do that does not depend on arrival. */
export function sortedByBytes<A>(events: A[], codec: Codec<A>): A[] {
  if (events.length === 1) return events;
  return events
    .map((event) => {
      const writer = new ByteWriter();
      codec.write(writer, event);
      return { event, bytes: writer.view() };
    })
    .sort((a, b) => Buffer.compare(a.bytes, b.bytes))
    .map(({ event }) => event);
}

function rowOf(time_ms: number, key: string): string {
  return `${time_ms}:${key}`;
}
