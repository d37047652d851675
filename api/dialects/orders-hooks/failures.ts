/** What fails again and again, and not because something is away, is left out. */
const FAILURES_MAX = 20;
/** Messages whose failures are counted; the one that failed first is forgotten before more are. */
const MESSAGES_MAX = 1_024;

/**
 * How often parts of messages failed in this process. Deliveries count for nothing: a message is also delivered again
 * while the state does not have it yet.
 */
export class Failures {
  readonly #counts = new Map<number, Map<number, number>>();

  /** Counts a failure of a part of a message; whether it has failed often enough. */
  isLast(sequence: number, part: number): boolean {
    const parts = this.#counts.get(sequence) ?? new Map<number, number>();
    const count = (parts.get(part) ?? 0) + 1;
    this.#counts.set(sequence, parts.set(part, count));
    const [first] = this.#counts.keys();
    if (this.#counts.size > MESSAGES_MAX && first !== undefined) this.#counts.delete(first);
    return count >= FAILURES_MAX;
  }

  /** The message is done with. */
  forget(sequence: number): void {
    this.#counts.delete(sequence);
  }
}
