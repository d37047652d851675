import { setTimeout as sleep } from 'node:timers/promises';
import type { Cause } from './facts.ts';

/** How long an answer is given again, ms: probes come often, and each look asks the server. */
const FRESH_MS = 1_000;
/** How long a probe waits for a new answer before it gets the last one, ms. */
const WAIT_MS = 300;

/** Asks why at most once a second, whoever wants to know, and lets nobody wait for a server that is slow. */
export class WhyWatch {
  readonly #ask: () => Promise<readonly Cause[]>;
  #asked_at_ms = Number.NEGATIVE_INFINITY;
  #asking: Promise<readonly Cause[]> | undefined;
  #last: readonly Cause[] = [];

  constructor(ask: () => Promise<readonly Cause[]>) {
    this.#ask = ask;
  }

  async causes(): Promise<readonly Cause[]> {
    if (this.#asking === undefined && performance.now() - this.#asked_at_ms < FRESH_MS) return this.#last;
    this.#asking ??= this.#look();
    const late = sleep(WAIT_MS, undefined, { ref: false }).then(() => this.#last);
    return await Promise.race([this.#asking, late]);
  }

  async #look(): Promise<readonly Cause[]> {
    try {
      this.#last = await this.#ask();
      return this.#last;
    } finally {
      this.#asked_at_ms = performance.now();
      this.#asking = undefined;
    }
  }
}
