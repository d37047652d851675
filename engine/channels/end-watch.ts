/** Between two reads so much time proves at most that the end is gone, ms: a process that stood still has read nothing. */
const READ_PROVES_MS = 2_500;

/**
 * How long a channel has ended before what was known to be stored in it. One read may be stale, of a leader that does not
 * know yet that it is none: the end is gone when reads have said so for a while.
 */
export class EndWatch {
  readonly #after_ms: number;
  #missing_ms: number | undefined;
  #read_at_ms = 0;

  constructor(after_ms: number) {
    this.#after_ms = after_ms;
  }

  get isMissing(): boolean {
    return this.#missing_ms !== undefined;
  }

  /** After each read. True: it has to be taken as gone. */
  read(isMissing: boolean, now_ms: number): boolean {
    const since_ms = Math.min(Math.max(0, now_ms - this.#read_at_ms), READ_PROVES_MS);
    this.#missing_ms = isMissing
      ? this.#missing_ms === undefined
        ? 0
        : this.#missing_ms + since_ms
      : undefined;
    this.#read_at_ms = now_ms;
    return this.#missing_ms !== undefined && this.#missing_ms >= this.#after_ms;
  }
}
