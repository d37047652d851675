import type { Clock } from '../../engine/index.ts';
import type { NewEntry } from './audit-log.ts';

/** Requests that write events are one entry for each key, address and outcome in so long, ms. */
const SUM_MS = 60_000;
/** Sums that are held at once; beyond them all become entries. */
const SUMS_MAX = 500;

/** Adds up requests that write events: thousands a second of them say no more than their number. */
export class IngestSums {
  readonly #sums = new Map<string, { readonly entry: NewEntry; requests: number }>();
  readonly #clock: Clock;
  readonly #done: (entry: NewEntry, requests: number) => void;
  #begun_ms = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(clock: Clock, done: (entry: NewEntry, requests: number) => void) {
    this.#clock = clock;
    this.#done = done;
  }

  add(entry: NewEntry): void {
    const { tenant, actor, operation, status, code, ip } = entry;
    const key = JSON.stringify([tenant, actor.key_id, operation, status, code, ip]);
    const now_ms = this.#clock.now();
    if (this.#sums.size >= SUMS_MAX || now_ms - this.#begun_ms >= SUM_MS) this.flush();
    const known = this.#sums.get(key);
    if (known !== undefined) {
      known.requests++;
      return;
    }
    if (this.#sums.size === 0) {
      this.#begun_ms = now_ms;
      this.#timer = setTimeout(() => this.flush(), SUM_MS).unref();
    }
    this.#sums.set(key, { entry, requests: 1 });
  }

  flush(): void {
    clearTimeout(this.#timer);
    const sums = [...this.#sums.values()];
    this.#sums.clear();
    for (const { entry, requests } of sums) this.#done(entry, requests);
  }
}
