import type { Source, SourceRecord, SourceState, StreamFacts, StreamMark, Take } from '../../engine/index.ts';

/** A source that ends where another state stands, so that the two can be compared; it can go on from there. */
export class BoundedSource implements Source {
  readonly partition: string;
  readonly isWhole?: boolean;
  readonly #source: Source;
  /** Nothing after it is given, until it is raised. */
  last: number;
  /** The last one that was given. */
  position = 0;
  /** Records that were given. */
  given = 0;
  /** Records that were taken and are beyond the end. */
  #held: readonly SourceRecord[] = [];

  constructor(source: Source, last: number) {
    this.partition = source.partition;
    if (source.isWhole !== undefined) this.isWhole = source.isWhole;
    this.#source = source;
    this.last = last;
  }

  get isAtEnd(): boolean {
    return this.position >= this.last;
  }

  facts(): Promise<StreamFacts> {
    return this.#source.facts();
  }

  async marksAt(sequences: readonly number[]): Promise<ReadonlyMap<number, StreamMark>> {
    return (await this.#source.marksAt?.(sequences)) ?? new Map();
  }

  start(after: number, isFresh?: boolean): Promise<void> {
    this.position = after;
    return this.#source.start(after, isFresh);
  }

  async take(request: Take): Promise<readonly SourceRecord[]> {
    if (this.isAtEnd) {
      await new Promise((resolve) => setTimeout(resolve, request.wait_ms));
      return [];
    }
    // What was taken beyond the end comes first once that is raised: it stays valid until the next take.
    const fresh = this.#held.length > 0 ? this.#held : await this.#source.take(request);
    const beyond = fresh.findIndex(({ sequence }) => sequence > this.last);
    const end = Math.min(beyond < 0 ? fresh.length : beyond, request.max);
    const within = fresh.slice(0, end);
    this.#held = fresh.slice(end);
    this.given += within.length;
    // Where the last ones have gone from the stream, the next one says so, or that there is none.
    const isOver = (beyond >= 0 && end === beyond) || (fresh.length === 0 && this.#source.state().caughtUp);
    this.position = isOver ? this.last : (within.at(-1)?.sequence ?? this.position);
    return within;
  }

  /** To the task the stream ends here: of several sources one that has ended must not hold up the others. */
  state(): SourceState {
    const state = this.#source.state();
    return this.isAtEnd ? { ...state, headSequence: this.last, caughtUp: true } : state;
  }

  stop(): Promise<void> {
    return this.#source.stop();
  }
}

/** A source that has nothing more to give: time goes on without it. */
export class EndedSource implements Source {
  readonly partition: string;
  readonly #facts: StreamFacts;
  readonly #isQuiet: boolean;

  /** `isQuiet`: nothing is pending in the stream, so that event time may follow the clock. */
  constructor(partition: string, facts: StreamFacts, isQuiet: boolean) {
    this.partition = partition;
    this.#facts = facts;
    this.#isQuiet = isQuiet;
  }

  facts(): Promise<StreamFacts> {
    return Promise.resolve(this.#facts);
  }

  start(): Promise<void> {
    return Promise.resolve();
  }

  take(): Promise<readonly SourceRecord[]> {
    return Promise.resolve([]);
  }

  state(): SourceState {
    return { headSequence: this.#facts.lastSequence, caughtUp: this.#isQuiet, connected: true, skipped: 0 };
  }

  stop(): Promise<void> {
    return Promise.resolve();
  }
}
