import type { MillraceError } from '../errors.ts';
import type { Cancel } from './kind.ts';
import { QueryRunError } from './run-error.ts';

/** A flag of shared memory: raised in the API's thread, polled in a scan thread. */
export class CancelFlag implements Cancel {
  readonly shared: SharedArrayBuffer;
  readonly #cell: Int32Array;

  constructor(shared = new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT)) {
    this.shared = shared;
    this.#cell = new Int32Array(shared);
  }

  raise(): void {
    Atomics.store(this.#cell, 0, 1);
  }

  isCancelled(): boolean {
    return Atomics.load(this.#cell, 0) !== 0;
  }

  check(): void {
    if (this.isCancelled()) throw cancelled();
  }
}

function cancelled(): QueryRunError {
  return new QueryRunError('query_cancelled', 'The query was cancelled.');
}

/** What ends a query before its answer: the caller's signal, its deadline, or `stop`; the first one counts. */
export class QueryStop {
  #reason: MillraceError | undefined;
  readonly #listeners = new Set<(reason: MillraceError) => void>();
  readonly #signal: AbortSignal | undefined;
  readonly #timer: NodeJS.Timeout;
  readonly #left = (): void => this.stop(cancelled());

  constructor(deadline_ms: number, signal?: AbortSignal) {
    this.#signal = signal;
    this.#timer = setTimeout(() => {
      const message = `The query took longer than ${deadline_ms / 1_000} s. Ask for less, or ask again later.`;
      this.stop(
        new QueryRunError('query_timeout', message, { details: { deadline_ms }, retryAfter_ms: 1_000 }),
      );
    }, deadline_ms);
    if (signal?.aborted === true) this.#left();
    else signal?.addEventListener('abort', this.#left, { once: true });
  }

  get reason(): MillraceError | undefined {
    return this.#reason;
  }

  stop(reason: MillraceError): void {
    if (this.#reason !== undefined) return;
    this.#reason = reason;
    this.end();
    for (const listener of [...this.#listeners]) listener(reason);
    this.#listeners.clear();
  }

  check(): void {
    if (this.#reason !== undefined) throw this.#reason;
  }

  /** Calls `listener` once when the query is stopped, at once when it is. Returns what takes it back. */
  onStop(listener: (reason: MillraceError) => void): () => void {
    if (this.#reason !== undefined) {
      listener(this.#reason);
      return () => undefined;
    }
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Lets the timer and the signal go. */
  end(): void {
    clearTimeout(this.#timer);
    this.#signal?.removeEventListener('abort', this.#left);
  }
}
