import { invariant } from './errors.ts';

/** What a commit keeps of event time. */
export interface StoredEventTime {
  /** Null before the first watermark. */
  readonly watermark_ms: number | null;
  /** By operator that generates watermarks. */
  readonly watermarks?: Readonly<Record<string, number>>;
  /**
   * By operator that holds the watermark back: the one that it has passed on, null before the first. Absent where
   * none does.
   */
  readonly delayed?: Readonly<Record<string, number | null>>;
}

/** A node of the graph, as far as the way of watermarks goes. */
interface Place {
  readonly name: string;
  readonly inputs: readonly string[];
  readonly ownsWatermark?: boolean;
}

/**
 * The watermarks of a task: one for each operator that generates them (the branches of a join may each
 * have their own), and the task's, which is the smallest of them and never moves back. Behind an operator that
 * holds the watermark back it is an earlier one; that of the task is not touched by it.
 */
export class EventTime {
  readonly #stored: StoredEventTime;
  readonly #own_ms = new Map<string, number>();
  readonly #delayed_ms = new Map<string, number>();
  /** The committed watermark at the input of each node of the graph. */
  readonly #initial_ms = new Map<string, number | null>();
  /** Nodes to which a watermark comes. */
  readonly #behindOwner = new Set<string>();
  #task_ms: number | null;

  constructor(stored: StoredEventTime = { watermark_ms: null }) {
    this.#stored = stored;
    this.#task_ms = stored.watermark_ms;
  }

  get watermark_ms(): number | null {
    return this.#task_ms;
  }

  get watermarks(): Readonly<Record<string, number>> {
    return finite(this.#own_ms);
  }

  /** For the commit. */
  get committed(): StoredEventTime {
    const { watermark_ms, watermarks } = this;
    if (this.#delayed_ms.size === 0) return { watermark_ms, watermarks };
    const delayed = [...this.#delayed_ms].map(([name, ms]) => [name, Number.isFinite(ms) ? ms : null]);
    return { watermark_ms, watermarks, delayed: Object.fromEntries(delayed) };
  }

  /** Says which nodes there are, each behind its inputs: the committed watermarks go on from node to node. */
  follow(nodes: readonly Place[]): void {
    const { watermarks, delayed, watermark_ms } = this.#stored;
    const behind_ms = new Map<string, number | null>();
    const owners = new Set(
      nodes.filter(({ ownsWatermark }) => ownsWatermark === true).map(({ name }) => name),
    );
    for (const { name, inputs } of nodes) {
      if (inputs.some((input) => owners.has(input) || this.#behindOwner.has(input)))
        this.#behindOwner.add(name);
      const times = inputs.map((input) => behind_ms.get(input) ?? null);
      const least_ms = times.includes(null) ? null : Math.min(...(times as number[]));
      const initial_ms = inputs.length === 0 ? watermark_ms : least_ms;
      this.#initial_ms.set(name, initial_ms);
      const passed_ms = delayed?.[name];
      behind_ms.set(name, watermarks?.[name] ?? (passed_ms === undefined ? initial_ms : passed_ms));
    }
  }

  /** Whether something before a node makes the watermark that comes to it. */
  isBehindOwner(node: string): boolean {
    return this.#behindOwner.has(node);
  }

  /** The committed watermark that an operator begins with: its own, or the one that comes to it. */
  initialOf(operator: string): number | null {
    const { watermarks, watermark_ms } = this.#stored;
    const initial_ms = this.#initial_ms.get(operator);
    return watermarks?.[operator] ?? (initial_ms === undefined ? watermark_ms : initial_ms);
  }

  /** An operator holds the watermark back: it goes on from what it passed on, or did before it held it back. */
  expectDelay(operator: string): void {
    const stored_ms = this.#stored.delayed?.[operator];
    const from_ms = stored_ms === undefined ? this.initialOf(operator) : stored_ms;
    this.#delayed_ms.set(operator, from_ms ?? Number.NEGATIVE_INFINITY);
  }

  /** Takes the watermark that such an operator would pass on; gives the one that it does, which never moves back. */
  delay(operator: string, time_ms: number): number {
    const passed_ms = Math.max(time_ms, this.#delayed_ms.get(operator) ?? Number.NEGATIVE_INFINITY);
    this.#delayed_ms.set(operator, passed_ms);
    return passed_ms;
  }

  /** The task's watermark waits for this operator's. */
  expect(operator: string): void {
    this.#own_ms.set(operator, this.initialOf(operator) ?? Number.NEGATIVE_INFINITY);
  }

  /** Calls with each operator that generates watermarks, and what reads its own; -Infinity before its first. */
  eachOwner(hear: (operator: string, read_ms: () => number) => void): void {
    for (const operator of this.#own_ms.keys()) hear(operator, () => this.ownOf(operator));
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

function finite(times: ReadonlyMap<string, number>): Readonly<Record<string, number>> {
  return Object.fromEntries([...times].filter(([, time_ms]) => Number.isFinite(time_ms)));
}
