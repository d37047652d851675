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
 * What is due at one watermark, earliest first; more may be added and removed while it is worked off. What is
 * known from the start is a sorted list, what is added a binary heap: a far jump of the watermark makes a hundred
 * thousand due at once, and few of them are ever touched again.
 */
export class DueTimers {
  readonly #known: Due[];
  /** Of the first of them that is not taken. */
  #at = 0;
  readonly #heap: Due[] = [];
  /** Ids of what is due and not removed; made with the first one that is added or removed. */
  #live: Set<string> | undefined;

  constructor(known: readonly Due[]) {
    this.#known = known.toSorted((a, b) => (isBefore(a, b) ? -1 : isBefore(b, a) ? 1 : 0));
  }

  add(due: Due): void {
    const id = idOf(due);
    const live = this.#ids();
    if (live.has(id)) return;
    live.add(id);
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
    if (this.#at < this.#known.length || this.#heap.length > 0) this.#ids().delete(idOf(due));
  }

  #ids(): Set<string> {
    this.#live ??= new Set(this.#known.slice(this.#at).map(idOf));
    return this.#live;
  }

  /** Takes the earliest out. */
  next(): Due | undefined {
    for (;;) {
      const first = this.#first();
      // Taken twice it is not live any more: it was added again while its first copy, removed, was still in line.
      if (first === undefined || this.#live === undefined || this.#live.delete(idOf(first))) return first;
    }
  }

  #first(): Due | undefined {
    const known = this.#known[this.#at];
    const added = this.#heap[0];
    if (known === undefined && added === undefined) return undefined;
    if (known !== undefined && (added === undefined || !isBefore(added, known))) {
      this.#at++;
      return known;
    }
    this.#sinkLast();
    return added;
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
