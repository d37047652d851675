import type { Cause } from './facts.ts';

/** How long an answer is given again, ms: probes come often, and each look asks the server. */
const FRESH_MS = 1_000;

/** Asks why at most once a second, whoever wants to know. */
export class WhyWatch {
  readonly #ask: () => Promise<readonly Cause[]>;
  #asked: { readonly at_ms: number; readonly causes: Promise<readonly Cause[]> } | undefined;

  constructor(ask: () => Promise<readonly Cause[]>) {
    this.#ask = ask;
  }

  causes(): Promise<readonly Cause[]> {
    const now_ms = performance.now();
    if (this.#asked === undefined || now_ms - this.#asked.at_ms > FRESH_MS) {
      this.#asked = { at_ms: now_ms, causes: this.#ask() };
    }
    return this.#asked.causes;
  }
}
