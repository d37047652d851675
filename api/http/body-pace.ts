import { ApiError } from './problem.ts';

/** How fast a request's body has to arrive. */
export interface BodyPace {
  /** Of a whole body that is kept in memory, ms. */
  readonly deadline_ms: number;
  readonly least_bytes_per_s: number;
  /** Over which time that is counted, ms: as long as that nothing at all may come. */
  readonly window_ms: number;
}

const MS_PER_S = 1_000;

/** The client's to mend, and the end of its connection: what is left of the body would come as slowly. */
function tooSlow(message: string): ApiError {
  return new ApiError('body_too_slow', `${message} Send the request again, faster or in smaller parts.`, {
    headers: { Connection: 'close' },
  });
}

/**
 * Looks at the time that a body's sender takes. What the reader takes itself, to write to a disk say, does not count.
 * One for each body.
 */
export class BodyWatch {
  readonly #pace: BodyPace;
  /** null: however long it takes, at its rate. */
  readonly #deadline_ms: number | null;
  #waited_ms = 0;
  #window_ms = 0;
  #window_bytes = 0;

  constructor(pace: BodyPace, deadline_ms: number | null = pace.deadline_ms) {
    this.#pace = pace;
    this.#deadline_ms = deadline_ms;
  }

  /** What `reading` gives: the next bytes of the body. Throws 408 `body_too_slow`. */
  async next<T>(reading: Promise<T>, sizeOf: (value: T) => number): Promise<T> {
    const read = reading.then((value) => ({ value }));
    // Whoever sends too slowly is no longer read; how that ends is nobody's error.
    read.catch(() => undefined);
    for (;;) {
      const began_ms = performance.now();
      const got = await this.#within(read);
      const took_ms = performance.now() - began_ms;
      this.#waited_ms += took_ms;
      this.#window_ms += took_ms;
      if (got !== undefined) {
        this.#window_bytes += sizeOf(got.value);
        return got.value;
      }
      this.#look();
    }
  }

  /** Undefined when it has to be looked at what came so far. */
  async #within<T>(read: Promise<T>): Promise<T | undefined> {
    const left_ms = this.#pace.window_ms - this.#window_ms;
    const until_ms =
      this.#deadline_ms === null ? left_ms : Math.min(left_ms, this.#deadline_ms - this.#waited_ms);
    let timer: NodeJS.Timeout | undefined;
    const pause = new Promise<undefined>((resolve) => {
      timer = setTimeout(() => resolve(undefined), Math.max(0, until_ms) + 1);
    });
    try {
      return await Promise.race([read, pause]);
    } finally {
      clearTimeout(timer);
    }
  }

  #look(): void {
    const { window_ms, least_bytes_per_s } = this.#pace;
    if (this.#deadline_ms !== null && this.#waited_ms >= this.#deadline_ms) {
      throw tooSlow(`The body did not come within ${this.#deadline_ms / MS_PER_S} s.`);
    }
    if (this.#window_ms < window_ms) return;
    if (this.#window_bytes < (least_bytes_per_s * window_ms) / MS_PER_S) {
      throw tooSlow(`The body came at less than ${least_bytes_per_s} bytes a second.`);
    }
    this.#window_ms = 0;
    this.#window_bytes = 0;
  }
}
