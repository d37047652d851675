/** Processing time in milliseconds since the Unix epoch, handed in so that a test can own it. */
export interface Clock {
  now(): number;
}

/** The clock of the machine. */
export const systemClock: Clock = { now: () => Date.now() };

/**
 * Milliseconds of the machine's monotonic clock: the same in all threads and processes of a machine, and moved by nobody
 * who sets the time. Its zero means nothing.
 */
export const monotonicNow = (): number => Number(process.hrtime.bigint() / 1_000n) / 1_000;

/** The longest that `setTimeout` waits, ms; one that is set for longer fires at once. */
export const TIMER_MAX_MS = 2 ** 31 - 1;

/** A clock that moves only when told to: for tests and the simulation. */
export class ManualClock implements Clock {
  #now_ms: number;

  constructor(start_ms = 0) {
    this.#now_ms = start_ms;
  }

  now(): number {
    return this.#now_ms;
  }

  advance(by_ms: number): void {
    this.#now_ms += by_ms;
  }
}
