/** Work of one turn of the event loop, ms: beyond it sockets, timers and others have theirs. */
const TURN_MAX_MS = 10;

interface Piece {
  readonly work: () => void;
}

/**
 * Work that holds a thread, in pieces: after `TURN_MAX_MS` of them the event loop has its turn, whoever has more. Of
 * those who wait one piece each is taken in turn, so nobody waits for all pieces of another one.
 */
export class ThreadTurns {
  readonly #waiting = new Map<string, Piece[]>();
  #spent_ms = 0;
  #isScheduled = false;

  /** Pieces that wait. */
  get waiting(): number {
    let sum = 0;
    for (const pieces of this.#waiting.values()) sum += pieces.length;
    return sum;
  }

  /** Runs a piece of `scope` when it has its turn, at once where the thread has not done much yet. */
  run<T>(scope: string, work: () => T): Promise<T> {
    return new Promise((resolve, reject) => {
      const piece = {
        work: () => {
          try {
            resolve(work());
          } catch (error) {
            reject(error);
          }
        },
      };
      if (this.#waiting.size === 0 && this.#spent_ms < TURN_MAX_MS) this.#do(piece);
      else this.#waiting.set(scope, [...(this.#waiting.get(scope) ?? []), piece]);
      this.#schedule();
    });
  }

  #do({ work }: Piece): void {
    const began_ms = performance.now();
    work();
    this.#spent_ms += performance.now() - began_ms;
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(() => this.#turn());
  }

  #turn(): void {
    this.#isScheduled = false;
    this.#spent_ms = 0;
    while (this.#waiting.size > 0 && this.#spent_ms < TURN_MAX_MS) {
      const [[scope, [piece, ...rest]] = ['', []]] = this.#waiting;
      this.#waiting.delete(scope);
      // Behind the others.
      if (rest.length > 0) this.#waiting.set(scope, rest);
      if (piece !== undefined) this.#do(piece);
    }
    if (this.#waiting.size > 0 || this.#spent_ms > 0) this.#schedule();
  }
}

/** The one of this thread. */
export const threadTurns = new ThreadTurns();
