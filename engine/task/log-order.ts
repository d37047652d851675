import type { Clock } from '../base/index.ts';
import type { SourceRecord } from '../edges/index.ts';
import type { Cursor, Tick } from '../graph/index.ts';

/** What a commit keeps of the log's time. */
export interface LogTime {
  /** The newest time at which a record or a tick was stored, ms. */
  readonly now_ms: number;
  /** The same of records alone. */
  readonly record_ms: number;
}

/** The last token of a tick's subject. */
export const TICK = 'tick';

const MIN_MS = 60_000;
const TICK_END = `.${TICK}`;

/** Whether a message only says that time passes: it has no content, and a subject that ends with `tick`. */
export function isTick({ subject, data }: Pick<SourceRecord, 'subject' | 'data'>): boolean {
  return data.length === 0 && subject.endsWith(TICK_END);
}

/**
 * The order of a task whose results follow from its log alone. Records go through the graph one at a time, each at a
 * place that operators can see, and the only time is that at which the log has stored them: there is nothing else that
 * two tasks of one log could tell apart.
 */
export class LogOrder {
  /** Where the task is at work. */
  readonly cursor: Cursor;
  /** The newest time of storing so far; 0 before the first. Servers that take over may be behind: it never moves back. */
  readonly clock: Clock = { now: () => this.#now_ms };
  readonly #at: { sequence: number };
  readonly #hearers: ((tick: Tick) => void)[] = [];
  #now_ms: number;
  #record_ms: number;

  constructor({ now_ms, record_ms }: LogTime = { now_ms: 0, record_ms: 0 }, sequence = 0) {
    this.#at = { sequence };
    this.cursor = this.#at;
    this.#now_ms = now_ms;
    this.#record_ms = record_ms;
  }

  /** Of the log's time. */
  get minute(): number {
    return Math.floor(this.#now_ms / MIN_MS);
  }

  /** For the commit. */
  get time(): LogTime {
    return { now_ms: this.#now_ms, record_ms: this.#record_ms };
  }

  onTick(hear: (tick: Tick) => void): void {
    this.#hearers.push(hear);
  }

  /** Goes to a record. A tick is told to who follows time, and is nothing for the graph: then it gives false. */
  begin(record: SourceRecord): boolean {
    this.#at.sequence = record.sequence;
    this.#now_ms = Math.max(this.#now_ms, record.stored_ms ?? this.#now_ms);
    if (!isTick(record)) {
      this.#record_ms = this.#now_ms;
      return true;
    }
    const tick = { now_ms: this.#now_ms, idle_ms: this.#now_ms - this.#record_ms };
    for (const hear of this.#hearers) hear(tick);
    return false;
  }
}
