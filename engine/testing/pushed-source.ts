import type { Source, SourceRecord, SourceState, StreamFacts } from '../edges/index.ts';

/** Headers of a message by name; several values of one name are several headers. */
export type TestHeaders = Readonly<Record<string, string | readonly string[]>>;

/** Names are compared without case; of several values the first is found by name. */
export function headersOf(given: TestHeaders = {}): Pick<SourceRecord, 'hasHeaders' | 'header' | 'headers'> {
  const all = Object.entries(given).flatMap(([name, values]) =>
    [values].flat().map((value) => [name, value] as const),
  );
  return {
    hasHeaders: all.length > 0,
    header: (name) => all.find(([other]) => other.toLowerCase() === name.toLowerCase())?.[1],
    headers: () => all,
  };
}

/** A stream of messages that a test pushes, for the task that reads it now and those that follow it. */
export class PushedSource implements Source {
  readonly partition = '0';
  readonly #stream: string;
  readonly #keeps: boolean;
  #due: SourceRecord[] = [];
  /** What is not committed, for a task that begins again at the last commit. */
  #uncommitted: SourceRecord[] = [];
  sequence: number;

  /** `keeps`: what is not committed is given again after a new `start`; else it is gone then. */
  constructor(stream: string, sequence: number, keeps: boolean) {
    this.#stream = stream;
    this.sequence = sequence;
    this.#keeps = keeps;
  }

  facts(): Promise<StreamFacts> {
    return Promise.resolve({
      stream: this.#stream,
      incarnation: 'test',
      firstSequence: 1,
      lastSequence: Number.MAX_SAFE_INTEGER,
    });
  }

  start(after: number): Promise<void> {
    this.#due = this.#uncommitted.filter(({ sequence }) => sequence > after);
    return Promise.resolve();
  }

  push(subject: string, data: Uint8Array, headers: TestHeaders | undefined): void {
    const record: SourceRecord = { sequence: ++this.sequence, subject, data, ...headersOf(headers) };
    this.#due.push(record);
    if (this.#keeps) this.#uncommitted.push(record);
  }

  committed(through: number): void {
    this.#uncommitted = this.#uncommitted.filter(({ sequence }) => sequence > through);
  }

  take({ max }: { readonly max: number }): Promise<readonly SourceRecord[]> {
    return Promise.resolve(this.#due.splice(0, max));
  }

  state(): SourceState {
    return { headSequence: this.sequence, caughtUp: this.#due.length === 0, connected: true, skipped: 0 };
  }

  stop(): Promise<void> {
    return Promise.resolve();
  }
}
