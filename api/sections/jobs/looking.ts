/** Looks again and again for what is due, one look at a time. A look handles its own errors. */
export class Looking {
  readonly #look: () => Promise<void>;
  readonly #every_ms: number;
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> | undefined;

  constructor(look: () => Promise<void>, every_ms: number) {
    this.#look = look;
    this.#every_ms = every_ms;
  }

  start(): void {
    this.#timer = setInterval(() => {
      this.#running ??= this.#look().finally(() => {
        this.#running = undefined;
      });
    }, this.#every_ms).unref();
  }

  /** Resolves when the last look is over. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#running;
  }
}
