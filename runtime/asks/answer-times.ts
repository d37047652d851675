const KEPT_TIMES = 256;
const USUAL_SHARE = 0.95;

/** How long the last answers took: what is longer than nearly all of them is slow. */
export class AnswerTimes {
  readonly #times_ms: number[] = [];
  #next = 0;
  #usual_ms = 0;
  #isKnown = true;

  add(took_ms: number): void {
    this.#times_ms[this.#next] = took_ms;
    this.#next = (this.#next + 1) % KEPT_TIMES;
    this.#isKnown = false;
  }

  /** What 95 of 100 do not exceed, ms; 0 before the first. */
  usual_ms(): number {
    if (this.#isKnown) return this.#usual_ms;
    const sorted = [...this.#times_ms].sort((a, b) => a - b);
    this.#usual_ms = sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * USUAL_SHARE))] ?? 0;
    this.#isKnown = true;
    return this.#usual_ms;
  }
}
