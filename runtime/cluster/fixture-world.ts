import { MillraceError, type SeededRandom } from '../../engine/index.ts';
import type { ClusterTime } from './cluster-time.ts';

/** Virtual time: events in order, and between two of them whatever they have set free in promises. */
export class VirtualTime {
  now_ms = 0;
  events = 0;
  #order = 0;
  readonly #queue: { readonly at_ms: number; readonly order: number; readonly run: () => void }[] = [];

  at(at_ms: number, run: () => void): void {
    const entry = { at_ms: Math.max(at_ms, this.now_ms), order: this.#order++, run };
    const queue = this.#queue;
    let at = queue.push(entry) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!isBefore(entry, queue[parent] as typeof entry)) break;
      queue[at] = queue[parent] as typeof entry;
      at = parent;
    }
    queue[at] = entry;
  }

  after(ms: number, run: () => void): void {
    this.at(this.now_ms + ms, run);
  }

  async runUntil(end_ms: number): Promise<void> {
    for (;;) {
      const next = this.#queue[0];
      if (next === undefined || next.at_ms > end_ms) break;
      this.#removeFirst();
      this.now_ms = next.at_ms;
      this.events++;
      next.run();
      await new Promise<void>((resolve) => setImmediate(resolve));
    }
    this.now_ms = end_ms;
  }

  #removeFirst(): void {
    const queue = this.#queue;
    const last = queue.pop();
    if (last === undefined || queue.length === 0) return;
    let at = 0;
    for (;;) {
      const left = 2 * at + 1;
      if (left >= queue.length) break;
      const right = left + 1;
      const isRight =
        right < queue.length && isBefore(queue[right] as typeof last, queue[left] as typeof last);
      const child = isRight ? right : left;
      if (!isBefore(queue[child] as typeof last, last)) break;
      queue[at] = queue[child] as typeof last;
      at = child;
    }
    queue[at] = last;
  }
}

const isBefore = (
  a: { readonly at_ms: number; readonly order: number },
  b: { readonly at_ms: number; readonly order: number },
): boolean => a.at_ms < b.at_ms || (a.at_ms === b.at_ms && a.order < b.order);

/** A process of the simulation: with a clock of its own, and what `kill -9`, SIGSTOP and a cut cable do to it. */
export class SimulatedProcess implements ClusterTime {
  readonly name: string;
  isDead = false;
  isCutOff = false;
  stalled_until_ms = 0;
  readonly #time: VirtualTime;
  /** How fast its clock runs. */
  readonly #rate: number;
  readonly #offset_ms: number;

  constructor(name: string, time: VirtualTime, random: SeededRandom) {
    this.name = name;
    this.#time = time;
    this.#rate = 0.97 + random.int(0, 60) / 1_000;
    this.#offset_ms = random.int(0, 1_000_000);
  }

  get isWell(): boolean {
    return !this.isDead && !this.isCutOff && this.#time.now_ms >= this.stalled_until_ms;
  }

  monotonic(): number {
    return this.#offset_ms + this.#time.now_ms * this.#rate;
  }

  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.#time.after(ms / this.#rate, () => this.deliver(resolve));
    });
  }

  /** Runs in the process, when it runs: never where it is dead. */
  deliver(work: () => void): void {
    if (this.isDead) return;
    if (this.#time.now_ms >= this.stalled_until_ms) work();
    else this.#time.at(this.stalled_until_ms, () => this.deliver(work));
  }
}

export const unavailable = (): MillraceError =>
  new MillraceError('kv_unavailable', 'no answer', { retriable: true });
