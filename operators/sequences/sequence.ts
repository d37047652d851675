import type { Counter, Handlers, Metrics, ScopedMap, Timers } from '../../engine/index.ts';
import { checkedKey, checkedSignedTime, TIME_END_MS } from '../core/index.ts';
import { byKey } from '../windows/index.ts';

/** What is kept of a key. */
export interface SequenceRow {
  /** When its timer is due. */
  wake_ms?: number;
}

/** What the core needs of the operator that it is the core of. */
export interface SequenceWorld<E, R extends SequenceRow> {
  readonly name: string;
  /** Of the operator; in the names of metrics. */
  readonly kind: string;
  readonly keyOf: (event: E) => string;
  /** How far behind the watermark an event may come, ms. */
  readonly lateness_ms: number;
  readonly rows: ScopedMap<string, R>;
  readonly timers: Pick<Timers, 'set' | 'clear'>;
  readonly metrics: Metrics;
  readonly initialWatermark_ms: number | null;
  late(events: readonly E[]): void;
}

/**
 * The core of operators that follow the events of each key through a sequence (funnels, patterns): a row and one
 * timer for each key, which is looked at when an event comes for it and when the watermark reaches its timer.
 * Events without a key and events that come too late are told apart here. `Step`: what is read of an event.
 */
export abstract class Sequences<E, Step extends { readonly time_ms: number }, R extends SequenceRow>
  implements Handlers<E>
{
  protected readonly rows: ScopedMap<string, R>;
  protected watermark_ms: number;
  readonly #world: SequenceWorld<E, R>;
  readonly #late: Counter;
  readonly #keyless: Counter;
  /** Keys whose timer is due; looked at once the watermark that woke them is known. */
  #woken: string[] = [];

  constructor(world: SequenceWorld<E, R>) {
    const { name, kind, rows, metrics, initialWatermark_ms } = world;
    const labels = { operator: name };
    this.#world = world;
    this.rows = rows;
    this.watermark_ms = initialWatermark_ms ?? Number.NEGATIVE_INFINITY;
    this.#late = metrics.counter(`millrace.${kind}.late`, 'Events later than the allowed lateness', labels);
    this.#keyless = metrics.counter(`millrace.${kind}.keyless`, 'Events without a key', labels);
  }

  /** Undefined for an event that cannot matter. */
  protected abstract read(event: E): Step | undefined;

  /** An event in time for a key. */
  protected abstract offer(key: string, step: Step, event: E): void;

  /** A batch has been offered. */
  protected abstract offered(): void;

  /** Rows whose timers have come due and are gone, in the order of their keys. */
  protected abstract look(woken: readonly (readonly [string, R])[]): void;

  /** No event that is earlier is taken any more. */
  protected get horizon_ms(): number {
    return this.watermark_ms - this.#world.lateness_ms;
  }

  onBatch(events: readonly E[]): void {
    const { name, keyOf } = this.#world;
    const late: E[] = [];
    for (const event of events) {
      const step = this.read(event);
      if (step === undefined) continue;
      checkedSignedTime(step.time_ms, name);
      const key = checkedKey(keyOf(event));
      if (key === '') this.#keyless.add();
      else if (step.time_ms < this.horizon_ms) late.push(event);
      else this.offer(key, step, event);
    }
    this.#late.add(late.length);
    this.#world.late(late);
    this.offered();
  }

  onTimer(_: number, key: string): void {
    this.#woken.push(key);
  }

  onWatermark(time_ms: number): void {
    this.watermark_ms = Math.max(this.watermark_ms, time_ms);
    // Timers begin in 1970: the rows that wait for an earlier time are found by looking at all.
    if (this.watermark_ms < 0) this.look([...this.rows.entries()].sort(byKey));
    if (this.#woken.length === 0) return;
    const woken: (readonly [string, R])[] = [];
    for (const key of this.#woken.sort()) {
      const row = this.rows.get(key);
      if (row === undefined) continue;
      delete row.wake_ms;
      woken.push([key, row]);
    }
    this.#woken = [];
    this.look(woken);
  }

  /** The row is to be looked at when the watermark is here. A timer that is early does no harm: it sets the next one. */
  protected wakeAt(time_ms: number, key: string, row: R): void {
    const wake_ms = Math.min(TIME_END_MS, Math.max(0, time_ms));
    if (row.wake_ms !== undefined) {
      if (row.wake_ms <= wake_ms) return;
      this.#world.timers.clear(row.wake_ms, key);
    }
    this.#world.timers.set(wake_ms, key);
    row.wake_ms = wake_ms;
  }

  protected letGo(key: string, row: R): void {
    if (row.wake_ms !== undefined) this.#world.timers.clear(row.wake_ms, key);
    this.rows.delete(key);
  }
}
