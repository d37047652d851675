/** What waits for its time: buffered events of a (time, key), or a timer of a key. */
export interface Due {
  readonly time_ms: number;
  /** Events of a time come before timers of the same time. */
  readonly isTimer: boolean;
  readonly key: string;
}

function isBefore(a: Due, b: Due): boolean {
  if (a.time_ms !== b.time_ms) return a.time_ms < b.time_ms;
  if (a.isTimer !== b.isTimer) return b.isTimer;
  return a.key < b.key;
}

/**
 * What is due at one watermark, earliest first; more may be added and removed while it is worked off. A
 * binary heap: a far jump of the watermark makes a hundred thousand due at once.
 */
export class DueTimers {
  readonly #heap: Due[] = [];
  /** Ids of what is in the heap and was not removed. */
  readonly #live = new Set<string>();

  add(due: Due): void {
    const id = idOf(due);
    if (this.#live.has(id)) return;
    this.#live.add(id);
    const heap = this.#heap;
    let at = heap.push(due) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!isBefore(due, heap[parent] as Due)) break;
      heap[at] = heap[parent] as Due;
      at = parent;
    }
    heap[at] = due;
  }

  remove(due: Due): void {
    this.#live.delete(idOf(due));
  }

  /** Takes the earliest out. */
  next(): Due | undefined {
    for (;;) {
      const first = this.#heap[0];
      if (first === undefined) return undefined;
      this.#sinkLast();
      if (this.#live.delete(idOf(first))) return first;
    }
  }

  /** Puts the last one in the place of the first. */
  #sinkLast(): void {
    const heap = this.#heap;
    const last = heap.pop() as Due;
    if (heap.length === 0) return;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1] as Due, heap[child] as Due)) child++;
      if (!isBefore(heap[child] as Due, last)) break;
      heap[at] = heap[child] as Due;
      at = child;
    }
    heap[at] = last;
  }
}

function idOf({ time_ms, isTimer, key }: Due): string {
  return `${time_ms}${isTimer ? 't' : 'e'}${key}`;
}
