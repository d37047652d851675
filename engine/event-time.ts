import { invariant } from './errors.ts';

/** What a commit keeps of event time. */
export interface StoredEventTime {
  /** Null before the first watermark. */
  readonly watermark_ms: number | null;
  /** By operator that generates watermarks. */
  readonly watermarks?: Readonly<Record<string, number>>;
}

/**
 * The watermarks of a task: one for each operator that generates them (the branches of a join may each
 * have their own), and the task's, which is the smallest of them and never moves back.
 */
export class EventTime {
  readonly #stored: StoredEventTime;
  readonly #own_ms = new Map<string, number>();
  #task_ms: number | null;

  constructor(stored: StoredEventTime = { watermark_ms: null }) {
    this.#stored = stored;
    this.#task_ms = stored.watermark_ms;
  }

  get watermark_ms(): number | null {
    return this.#task_ms;
  }

  /** For the commit. */
  get watermarks(): Readonly<Record<string, number>> {
    return Object.fromEntries([...this.#own_ms].filter(([, time_ms]) => Number.isFinite(time_ms)));
  }

  /** The committed watermark that an operator begins with: its own, or the task's. */
  initialOf(operator: string): number | null {
    return this.#stored.watermarks?.[operator] ?? this.#stored.watermark_ms;
  }

  /** The task's watermark waits for this operator's. */
  expect(operator: string): void {
    this.#own_ms.set(operator, this.initialOf(operator) ?? Number.NEGATIVE_INFINITY);
  }

  /** Whether an operator generates watermarks. */
  isOwner(operator: string): boolean {
    return this.#own_ms.has(operator);
  }

  /** The watermark of one operator that generates them; -Infinity before its first. */
  ownOf(operator: string): number {
    return this.#own_ms.get(operator) ?? Number.NEGATIVE_INFINITY;
  }

  move(operator: string, time_ms: number): void {
    const own_ms = this.#own_ms.get(operator) ?? this.initialOf(operator) ?? Number.NEGATIVE_INFINITY;
    invariant(time_ms >= own_ms, 'the watermark never moves back');
    this.#own_ms.set(operator, time_ms);
    const smallest_ms = Math.min(...this.#own_ms.values());
    if (smallest_ms > (this.#task_ms ?? Number.NEGATIVE_INFINITY)) this.#task_ms = smallest_ms;
  }
}
