import type { ManualClock, SeededRandom } from '../base/index.ts';
import type { Source, SourceRecord, SourceState, StreamFacts, Take } from '../edges/index.ts';

/** A message of a simulated log. */
export interface LogMessage {
  readonly sequence: number;
  readonly subject: string;
  readonly data: Uint8Array;
  readonly stored_ms: number;
}

/** A stream with several readers, each of which reads a part of it. */
export interface SimulatedLog {
  readonly name: string;
  readonly layout?: string;
  readonly gaps?: 'normal';
  firstSequence(): number;
  lastSequence(): number;
  /** What a reader gets behind a sequence, in order. */
  after(partition: number, sequence: number, max: number): readonly LogMessage[];
}

/** What a record's bytes become once they may not be looked at any more. */
const STALE_BYTE = 0x23;

/** One partition of a simulated log, for one life of a task: seeded sizes of takes, and passes over what is not its own. */
export class SimulatedPartition implements Source {
  readonly partition: string;
  readonly #log: SimulatedLog;
  readonly #random: SeededRandom;
  readonly #clock: ManualClock;
  #at = 0;
  #isCalm = false;
  #given: Uint8Array[] = [];

  constructor(log: SimulatedLog, partition: number, random: SeededRandom, clock: ManualClock) {
    this.partition = String(partition);
    this.#log = log;
    this.#random = random;
    this.#clock = clock;
  }

  facts(): Promise<StreamFacts> {
    const { name, layout, gaps } = this.#log;
    return Promise.resolve({
      ...{ stream: name, incarnation: 'first' },
      ...{ firstSequence: this.#log.firstSequence(), lastSequence: this.#log.lastSequence() },
      ...(layout === undefined ? {} : { layout }),
      ...(gaps === undefined ? {} : { gaps }),
    });
  }

  start(after: number): Promise<void> {
    this.#at = after;
    return Promise.resolve();
  }

  /** From now on all that there is comes at once. */
  calm(): void {
    this.#isCalm = true;
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#log.lastSequence();
  }

  take({ max }: Take): Promise<readonly SourceRecord[]> {
    for (const data of this.#given) data.fill(STALE_BYTE);
    const count = Math.min(max, this.#isCalm ? max : this.#random.int(0, 12));
    if (!this.#isCalm) this.#clock.advance(this.#random.int(0, 60));
    const end = this.#log.lastSequence();
    const messages = count === 0 ? [] : this.#log.after(Number(this.partition), this.#at, count);
    this.#given = messages.map(({ data }) => Uint8Array.from(data));
    if (messages.length < count && messages.length === 0) this.#at = Math.max(this.#at, end);
    else this.#at = messages.at(-1)?.sequence ?? this.#at;
    const records = messages.map(({ sequence, subject, stored_ms }, at) => ({
      ...{ sequence, subject, stored_ms, data: this.#given[at] as Uint8Array },
      ...{ hasHeaders: false, header: () => undefined },
    }));
    return Promise.resolve(records);
  }

  passed(): number {
    return this.#at;
  }

  state(): SourceState {
    const headSequence = this.#log.lastSequence();
    return { headSequence, caughtUp: this.#at >= headSequence, connected: true, skipped: 0 };
  }

  stop(): Promise<void> {
    return Promise.resolve();
  }
}
