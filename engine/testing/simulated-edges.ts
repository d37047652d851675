import { invariant, type ManualClock, type SeededRandom } from '../base/index.ts';
import type {
  OutMessage,
  Publisher,
  Source,
  SourceRecord,
  SourceState,
  StreamFacts,
  Take,
} from '../edges/index.ts';
import { headersOf, type TestHeaders } from './pushed-source.ts';

/** One message of the simulated stream. */
export interface SimulatedMessage {
  readonly subject: string;
  readonly data: Uint8Array;
  readonly headers?: TestHeaders;
}

/** Thrown where the simulated process dies. */
export class SimulatedCrash extends Error {}

/** The messages of the topology's only source, or of each source by its node's name; each a stream, in order. */
export type SimulatedMessages =
  | readonly SimulatedMessage[]
  | Readonly<Record<string, readonly SimulatedMessage[]>>;

/** Of a topology whose only source need not be named. */
export function isOneStream(given: SimulatedMessages): given is readonly SimulatedMessage[] {
  return Array.isArray(given);
}

/** What a record's bytes become once they may not be looked at any more. */
const STALE_BYTE = 0x23;
const MAX_TAKE_RECORDS = 64;

/** Shares of the messages before which a stream has something that its source does not give. */
const HOLE_SHARES = [0, 0.02, 0.06];
/** How many sequences such a place takes. */
const HOLE_LENGTHS = [1, 1, 2, 40];
/** The same behind the last message. */
const TAIL_LENGTHS = [0, 1, 90];

/**
 * How many sequences before each message, and lastly behind all of them, are not the source's: messages of other
 * subjects, or removed ones.
 */
export function simulatedHoles(count: number, random: SeededRandom): readonly number[] {
  const share = random.pick(HOLE_SHARES);
  const holes = Array.from({ length: count }, () => (random.chance(share) ? random.pick(HOLE_LENGTHS) : 0));
  return [...holes, random.pick(TAIL_LENGTHS)];
}

/** The stream: outlives crashes. What is not published yet is not there for the source. */
export class SimulatedStream {
  readonly name: string;
  readonly messages: readonly SimulatedMessage[];
  /** Of each message. */
  readonly sequences: readonly number[];
  readonly firstSequence: number;
  /** Of all that will be published, whether the source gives it or not. */
  readonly endSequence: number;
  /** Of what is published now; below `firstSequence` when that is nothing. */
  lastSequence: number;

  /** `holes` as `simulatedHoles` gives them; none: a stream without. */
  constructor(
    name: string,
    messages: readonly SimulatedMessage[],
    firstSequence: number,
    holes: readonly number[] = [],
  ) {
    this.name = name;
    this.messages = messages;
    this.firstSequence = firstSequence;
    this.lastSequence = firstSequence - 1;
    let last = this.lastSequence;
    this.sequences = messages.map((_, index) => {
      last += (holes[index] ?? 0) + 1;
      return last;
    });
    this.endSequence = last + (holes[messages.length] ?? 0);
  }

  publish(count: number): void {
    this.lastSequence = Math.min(this.lastSequence + count, this.endSequence);
  }

  publishAll(): void {
    this.lastSequence = this.endSequence;
  }

  /** Index of the first message after a sequence. */
  indexAfter(sequence: number): number {
    const index = this.sequences.findIndex((each) => each > sequence);
    return index < 0 ? this.messages.length : index;
  }
}

/**
 * A source of the simulated stream for one task: seeded take sizes, pauses, interruptions. What it does not give it
 * passes some time after it was published, at once or by and by, as a server that says so now and then.
 */
export class SimulatedSource implements Source {
  readonly partition = '0';
  readonly #stream: SimulatedStream;
  readonly #clock: ManualClock;
  readonly #random: SeededRandom;
  readonly #latest_ms: number;
  readonly #maxTake: number;
  /** Index of the next message. */
  #next = 0;
  /** No message up to here is still to come. */
  #passed = 0;
  #connected = true;
  #steady = false;
  #calm = false;
  #given: Uint8Array[] = [];

  /** The clock is never moved beyond `latest_ms`. */
  constructor(
    stream: SimulatedStream,
    clock: ManualClock,
    random: SeededRandom,
    latest_ms: number,
    max_take_records = MAX_TAKE_RECORDS,
  ) {
    this.#maxTake = max_take_records;
    this.#stream = stream;
    this.#clock = clock;
    this.#random = random;
    this.#latest_ms = latest_ms;
  }

  facts(): Promise<StreamFacts> {
    const { name, firstSequence, lastSequence } = this.#stream;
    return Promise.resolve({ stream: name, incarnation: 'first', firstSequence, lastSequence });
  }

  start(after: number): Promise<void> {
    this.#next = this.#stream.indexAfter(after);
    this.#passed = after;
    return Promise.resolve();
  }

  /** Everything has been taken, or passed. */
  get readToEnd(): boolean {
    return this.#passed === this.#stream.endSequence;
  }

  /** Infinity when there is none. */
  get #nextSequence(): number {
    return this.#stream.sequences[this.#next] ?? Number.POSITIVE_INFINITY;
  }

  /** From now on the connection holds. */
  steady(): void {
    this.#steady = true;
    this.#connected = true;
  }

  /** From now on the connection holds, and time moves only from outside. */
  calm(): void {
    this.steady();
    this.#calm = true;
  }

  #wait(ms: number): void {
    this.#clock.advance(Math.max(0, Math.min(ms, this.#latest_ms - this.#clock.now())));
  }

  take({ max, wait_ms }: Take): Promise<readonly SourceRecord[]> {
    const random = this.#random;
    // The contract says that records are valid until the next take: whoever looks later shall see rubbish.
    for (const data of this.#given) data.fill(STALE_BYTE);
    this.#given = [];
    if (this.#calm) return Promise.resolve([]);
    const stream = this.#stream;
    if (random.chance(0.7)) stream.publish(random.int(0, this.#maxTake));
    this.#connected = !random.chance(0.05) || this.#steady;
    this.#wait(random.chance(0.02) ? random.int(0, 200_000) : random.int(0, 120));
    const count = Math.min(max, random.int(0, this.#maxTake));
    const records: SourceRecord[] = [];
    while (this.#connected && records.length < count && this.#nextSequence <= stream.lastSequence) {
      records.push(this.#record());
    }
    if (records.length === 0) {
      this.#wait(wait_ms);
      if (this.#connected) this.#pass();
    }
    return Promise.resolve(records);
  }

  #record(): SourceRecord {
    const sequence = this.#nextSequence;
    const message = this.#stream.messages[this.#next];
    invariant(message !== undefined && sequence > this.#passed, 'the simulated stream has the message');
    this.#next++;
    this.#passed = sequence;
    const data = Uint8Array.from(message.data);
    this.#given.push(data);
    return { sequence, subject: message.subject, data, ...headersOf(message.headers) };
  }

  #pass(): void {
    const to = Math.min(this.#stream.lastSequence, this.#nextSequence - 1);
    if (to <= this.#passed) return;
    this.#passed = this.#random.chance(0.5) ? to : this.#random.int(this.#passed, to);
  }

  passed(): number {
    return this.#passed;
  }

  state(): SourceState {
    const { lastSequence } = this.#stream;
    const caughtUp = this.#nextSequence > lastSequence;
    return { headSequence: lastSequence, caughtUp, connected: this.#connected, skipped: 0 };
  }

  stop(): Promise<void> {
    return Promise.resolve();
  }
}

/** Longer than a look-up of a simulation takes, ms. */
const LOOK_UP_MS = 600_000;

/**
 * A simulated source behind what stands between a stream and its graph. How long that may wait is real time, of
 * which nothing may depend: it waits for its look-ups, however long, and simulated time passes in the source.
 */
export function behind(source: Source, through: (source: Source) => Source): Source {
  let simulated_ms = 0;
  const outer = through({
    partition: source.partition,
    facts: () => source.facts(),
    start: (after, isFresh) => source.start(after, isFresh),
    take: ({ max }) => source.take({ max, wait_ms: simulated_ms }),
    state: () => source.state(),
    passed: () => source.passed?.(),
    stop: () => source.stop(),
  });
  return {
    partition: outer.partition,
    facts: () => outer.facts(),
    start: (after, isFresh) => outer.start(after, isFresh),
    take: ({ max, wait_ms }) => {
      simulated_ms = wait_ms;
      return outer.take({ max, wait_ms: LOOK_UP_MS });
    },
    state: () => outer.state(),
    passed: () => outer.passed?.(),
    stop: () => outer.stop(),
  };
}

/** What the outside has received: outlives crashes. */
export class SimulatedReceiver {
  readonly received = new Map<string, OutMessage>();
  sends = 0;

  store(message: OutMessage): void {
    this.sends++;
    const known = this.received.get(message.id);
    if (known === undefined) this.received.set(message.id, message);
    else {
      const same = known.subject === message.subject && Buffer.compare(known.payload, message.payload) === 0;
      invariant(same, `the message ${message.id} is the same each time it is sent`);
    }
  }
}

/** The publisher of one task: seeded refusals, acknowledgements lost or late, and death around a send. */
export class SimulatedPublisher implements Publisher {
  readonly #receiver: SimulatedReceiver;
  readonly #random: SeededRandom;
  #faults: boolean;
  #late: (() => void)[] = [];
  #died = false;
  /** Rejected sends that the outbox has not repeated yet. */
  readonly #rejected = new Set<string>();

  constructor(receiver: SimulatedReceiver, random: SeededRandom, faults: boolean) {
    this.#receiver = receiver;
    this.#random = random;
    this.#faults = faults;
  }

  /** The process died while sending. */
  get died(): boolean {
    return this.#died;
  }

  get repeatsDue(): number {
    return this.#rejected.size;
  }

  /** From now on every message arrives, and its acknowledgement too. */
  calm(): void {
    this.#faults = false;
  }

  publish(message: OutMessage): Promise<void> {
    const never = new Promise<void>(() => {});
    if (this.#died) return never;
    this.#rejected.delete(message.id);
    const fate = this.#faults ? this.#random.int(0, 99) : 99;
    if (fate < 2) {
      this.#died = true;
      return never;
    }
    if (fate < 4) return this.#reject(message);
    this.#receiver.store(message);
    if (fate < 6) {
      this.#died = true;
      return never;
    }
    if (fate < 8) return this.#reject(message);
    if (fate < 30) return new Promise((resolve) => this.#late.push(resolve));
    return Promise.resolve();
  }

  #reject({ id }: OutMessage): Promise<void> {
    this.#rejected.add(id);
    return Promise.reject(new Error('simulated: no acknowledgement'));
  }

  /** Late acknowledgements arrive. */
  acknowledge(): void {
    for (const resolve of this.#late.splice(0)) resolve();
  }
}
