export type Order = 'asc' | 'desc';

/** Where an event stands among others: by event time, ties by its place in the stream. */
export interface Position {
  readonly time_ms: number;
  readonly sequence: number;
  readonly part: number;
}

const INITIAL_POSITIONS = 1_024;

/**
 * The best `limit` positions of those that are offered, in bounded memory: a binary heap in parallel arrays whose
 * root is the worst that is kept. Each carries the place of its row, inverted for a merged one.
 */
export class BestPositions {
  readonly limit: number;
  readonly #sign: number;
  #time: Float64Array;
  #sequence: Float64Array;
  #part: Int32Array;
  #chunk: Int32Array;
  /** Inverted for a merged one. */
  #row: Int32Array;
  length = 0;

  constructor(limit: number, order: Order) {
    this.limit = limit;
    this.#sign = order === 'asc' ? 1 : -1;
    const capacity = Math.min(limit, INITIAL_POSITIONS);
    this.#time = new Float64Array(capacity);
    this.#sequence = new Float64Array(capacity);
    this.#part = new Int32Array(capacity);
    this.#chunk = new Int32Array(capacity);
    this.#row = new Int32Array(capacity);
  }

  get isFull(): boolean {
    return this.length === this.limit;
  }

  /** Event time of the worst that is kept. */
  get worst_ms(): number {
    return this.#time[0] as number;
  }

  offer(
    time_ms: number,
    sequence: number,
    part: number,
    chunk: number,
    row: number,
    isMerged: boolean,
  ): void {
    const tag = isMerged ? ~row : row;
    if (this.length < this.limit) {
      if (this.length === this.#time.length) this.#grow();
      const at = this.length++;
      this.#set(at, time_ms, sequence, part, chunk, tag);
      this.#up(at);
    } else if (this.#compare(time_ms, sequence, part, 0) < 0) {
      this.#set(0, time_ms, sequence, part, chunk, tag);
      this.#down(0);
    }
  }

  /** Indexes of what is kept, the best first. */
  sorted(): Int32Array {
    const order = new Int32Array(this.length);
    for (let at = 0; at < order.length; at++) order[at] = at;
    return order.sort((a, b) => this.#compareAt(a, b));
  }

  timeAt(at: number): number {
    return this.#time[at] as number;
  }

  sequenceAt(at: number): number {
    return this.#sequence[at] as number;
  }

  partAt(at: number): number {
    return this.#part[at] as number;
  }

  chunkAt(at: number): number {
    return this.#chunk[at] as number;
  }

  rowAt(at: number): number {
    const tag = this.#row[at] as number;
    return tag < 0 ? ~tag : tag;
  }

  isMergedAt(at: number): boolean {
    return (this.#row[at] as number) < 0;
  }

  #set(at: number, time_ms: number, sequence: number, part: number, chunk: number, row: number): void {
    this.#time[at] = time_ms;
    this.#sequence[at] = sequence;
    this.#part[at] = part;
    this.#chunk[at] = chunk;
    this.#row[at] = row;
  }

  /** Below 0 where the position comes before the one at `at`. */
  #compare(time_ms: number, sequence: number, part: number, at: number): number {
    return (
      this.#sign *
      (time_ms - (this.#time[at] as number) ||
        sequence - (this.#sequence[at] as number) ||
        part - (this.#part[at] as number))
    );
  }

  #compareAt(a: number, b: number): number {
    return this.#compare(this.#time[a] as number, this.#sequence[a] as number, this.#part[a] as number, b);
  }

  #up(from: number): void {
    let at = from;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (this.#compareAt(at, parent) <= 0) return;
      this.#swap(at, parent);
      at = parent;
    }
  }

  #down(from: number): void {
    let at = from;
    for (;;) {
      const left = 2 * at + 1;
      if (left >= this.length) return;
      const right = left + 1;
      const worse = right < this.length && this.#compareAt(right, left) > 0 ? right : left;
      if (this.#compareAt(worse, at) <= 0) return;
      this.#swap(at, worse);
      at = worse;
    }
  }

  #swap(a: number, b: number): void {
    const [time_ms, sequence, part] = [
      this.#time[a] as number,
      this.#sequence[a] as number,
      this.#part[a] as number,
    ];
    const [chunk, row] = [this.#chunk[a] as number, this.#row[a] as number];
    this.#time[a] = this.#time[b] as number;
    this.#sequence[a] = this.#sequence[b] as number;
    this.#part[a] = this.#part[b] as number;
    this.#chunk[a] = this.#chunk[b] as number;
    this.#row[a] = this.#row[b] as number;
    this.#set(b, time_ms, sequence, part, chunk, row);
  }

  #grow(): void {
    const capacity = Math.min(this.limit, this.#time.length * 2);
    const doubles = (from: Float64Array): Float64Array => {
      const to = new Float64Array(capacity);
      to.set(from);
      return to;
    };
    const ints = (from: Int32Array): Int32Array => {
      const to = new Int32Array(capacity);
      to.set(from);
      return to;
    };
    this.#time = doubles(this.#time);
    this.#sequence = doubles(this.#sequence);
    this.#part = ints(this.#part);
    this.#chunk = ints(this.#chunk);
    this.#row = ints(this.#row);
  }
}

/** Whether a position comes behind another in the order. */
export function isBehind(a: Position, b: Position, order: Order): boolean {
  const difference = a.time_ms - b.time_ms || a.sequence - b.sequence || a.part - b.part;
  return order === 'asc' ? difference > 0 : difference < 0;
}
