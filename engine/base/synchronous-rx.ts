import { type OperatorFunction, Subject } from 'rxjs';
import { asMillraceError, MillraceError } from './errors.ts';

export type { OperatorFunction } from 'rxjs';

/**
 * Runs an RxJS operator one value at a time and takes what it emits at once. What it emits later, from a
 * timer or a promise, belongs to no commit: the next call throws `asynchronous_emission`.
 */
export class SynchronousRx<A, B> {
  readonly #input = new Subject<A>();
  #running = false;
  #out: B[] = [];
  #failure: MillraceError | undefined;
  #completed = false;

  /** What the operator emits when it is subscribed to comes with the first `next`. */
  constructor(operator: OperatorFunction<A, B>, name: string) {
    const late = (): MillraceError =>
      new MillraceError(
        'asynchronous_emission',
        `"${name}" emitted, failed or completed outside of a call: an operator that waits (delay, debounceTime, mergeMap of a promise) cannot be part of a commit. Use \`process\` with event-time timers, or wait at the edge.`,
      );
    this.#running = true;
    this.#input.pipe(operator).subscribe({
      next: (item) => {
        if (this.#running) this.#out.push(item);
        else this.#failure ??= late();
      },
      error: (error) => {
        this.#failure ??= this.#running ? asMillraceError(error) : late();
      },
      complete: () => {
        if (!this.#running) this.#failure ??= late();
        this.#completed = true;
      },
    });
    this.#running = false;
  }

  /** The operator has completed, `take` after its last for example: it takes nothing more. */
  get completed(): boolean {
    return this.#completed;
  }

  /** Throws what the operator has failed with. */
  check(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** What the operator emits for an item, in order. */
  next(item: A): readonly B[] {
    this.check();
    this.#running = true;
    try {
      this.#input.next(item);
    } finally {
      this.#running = false;
    }
    this.check();
    const out = this.#out;
    this.#out = [];
    return out;
  }
}
