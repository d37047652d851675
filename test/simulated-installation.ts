import { orderAnalytics } from '../analytics/index.ts';
import {
  type ControlSet,
  type KvView,
  ManualClock,
  ManualControl,
  MemoryDisk,
  type OutMessage,
  SeededRandom,
  type SimulatedDefinition,
  type SimulatedMessage,
  type Source,
  type SourceRecord,
  stateDigest,
  type Take,
  Task,
  type Topology,
} from '../engine/index.ts';
import { definitionsOf, Rebuild } from '../runtime/index.ts';
import { START_MS } from './simulated-orders.ts';
import { SIMULATED_CUBES } from './simulated-runs.ts';

const NODE = 'events';
const INPUT = { node: NODE, stream: 'EVENTS', filter: [] };
/** Lives of the process that end in a crash, at most. */
const MAX_CRASHES = 10;

class Crash extends Error {}

/** What an erasure works with. */
export interface ErasableStream {
  /** What is published, by sequence; undefined where it was deleted. */
  readonly messages: readonly (SimulatedMessage | undefined)[];
  /** The committed state. */
  table(name: string): KvView;
  publish(messages: readonly SimulatedMessage[]): void;
  delete(sequence: number): void;
  /** The process may die here. */
  step(): void;
}

export interface InstallationOptions {
  readonly seed: number;
  /** undefined: not there any more. */
  readonly messages: readonly (SimulatedMessage | undefined)[];
  readonly isFaulty: boolean;
  /** Made one after the other while messages come; without faults from the beginning. */
  readonly definitions?: readonly SimulatedDefinition[];
  /** Done once, when what is published is applied; again where the process dies in it. */
  readonly erase?: (stream: ErasableStream) => Promise<void>;
}

/** The stream: what is published outlives crashes. */
class ListSource implements Source {
  readonly partition = '0';
  readonly #messages: readonly (SimulatedMessage | undefined)[];
  readonly #published: () => number;
  readonly #random: SeededRandom;
  #position = 0;

  constructor(
    messages: readonly (SimulatedMessage | undefined)[],
    published: () => number,
    random: SeededRandom,
  ) {
    this.#messages = messages;
    this.#published = published;
    this.#random = random;
  }

  facts() {
    const facts = { stream: 'EVENTS', incarnation: 'one', firstSequence: 1, lastSequence: this.#published() };
    return Promise.resolve(facts);
  }

  start(after: number): Promise<void> {
    this.#position = after;
    return Promise.resolve();
  }

  take({ max }: Take): Promise<readonly SourceRecord[]> {
    let taken: SourceRecord[] = [];
    while (taken.length === 0 && this.#position < this.#published()) {
      const to = Math.min(this.#published(), this.#position + Math.min(max, this.#random.int(1, 40)));
      taken = this.#messages
        .slice(this.#position, to)
        .flatMap((message, at) =>
          message === undefined ? [] : [recordOf(message, this.#position + at + 1)],
        );
      this.#position = to;
    }
    return Promise.resolve(taken);
  }

  passed(): number {
    return this.#position;
  }

  state() {
    const head = this.#published();
    return { headSequence: head, caughtUp: this.#position >= head, connected: true, skipped: 0 };
  }

  stop(): Promise<void> {
    return Promise.resolve();
  }
}

function recordOf({ subject, data, headers = {} }: SimulatedMessage, sequence: number): SourceRecord {
  const own = new Map(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), String(value)]));
  return {
    ...{ sequence, subject, data, hasHeaders: own.size > 0 },
    header: (name) => own.get(name.toLowerCase()),
    headers: () => own.entries(),
  };
}

/** An installation: what lies on disks and in streams, and a process that dies now and then. */
export class Installation {
  readonly sent = new Map<string, string>();
  /** By generation. */
  readonly #disks = new Map([
    [1, new MemoryDisk()],
    [2, new MemoryDisk()],
  ]);
  readonly #random: SeededRandom;
  readonly #messages: (SimulatedMessage | undefined)[];
  readonly #topology: Topology;
  readonly #sets: readonly ControlSet[];
  readonly #erase: InstallationOptions['erase'];
  readonly #fault: number;
  #current = 1;
  #published = 0;
  /** Definitions that users have made. */
  #made = 0;
  #isErased = false;
  crashes = 0;

  constructor({ seed, messages, isFaulty, definitions = [], erase }: InstallationOptions) {
    this.#random = new SeededRandom(seed);
    this.#messages = [...messages];
    this.#topology = orderAnalytics({ cubes: SIMULATED_CUBES });
    this.#fault = isFaulty ? this.#random.pick([0.02, 0.05, 0.15]) : 0;
    this.#erase = erase;
    const control = new ManualControl('SIMULATED');
    this.#sets = [
      control.current(),
      ...definitions.map(({ kind, scope, id, body }) => {
        if (body === undefined) control.remove(kind, scope, id);
        else control.define(kind, scope, id, body);
        return control.current();
      }),
    ];
    if (!isFaulty) this.#made = definitions.length;
  }

  /** The stream as it is now. */
  get messages(): readonly (SimulatedMessage | undefined)[] {
    return this.#messages;
  }

  #mayCrash(): void {
    if (this.crashes < MAX_CRASHES && this.#random.chance(this.#fault)) throw new Crash();
  }

  #disk(generation: number): MemoryDisk {
    const disk = this.#disks.get(generation);
    if (disk === undefined) throw new Error(`there is no generation ${generation}`);
    disk.fault = () => this.#mayCrash();
    return disk;
  }

  #source = (): Source => new ListSource(this.#messages, () => this.#published, this.#random);

  #send(message: OutMessage): Promise<void> {
    const text = Buffer.from(message.payload).toString();
    // The same each time, by whichever generation it is sent.
    const before = this.sent.get(message.id);
    if (before !== undefined && before !== text)
      throw new Error(`${message.id} was ${before} and is ${text}`);
    this.sent.set(message.id, text);
    return Promise.resolve();
  }

  #task(generation: number): Task {
    return new Task({
      control: { current: () => this.#sets[this.#made] },
      topology: this.#topology,
      source: this.#source(),
      store: this.#disk(generation).open(),
      publisher: { publish: (message) => this.#send(message) },
      clock: new ManualClock(START_MS),
    });
  }

  /** Applies what is published, and commits and sends it. */
  async #live(task: Task): Promise<void> {
    for (let taken = 1; taken > 0; ) {
      taken = await task.step(0);
      this.#mayCrash();
    }
    task.commit();
    while (task.wantsBarrier) task.commit();
    await new Promise((resolve) => setImmediate(resolve));
    this.#mayCrash();
  }

  #applied(rebuild: Rebuild): Record<string, number> {
    const reached = rebuild.reachedIn(this.#disk(1).reader());
    return { [NODE]: reached?.positions.get(NODE)?.sequence ?? 0 };
  }

  /** A build beside the live task, that catches up and takes its place. */
  async #replace(): Promise<void> {
    const disk = this.#disk(2);
    const live = this.#task(1);
    await live.open();
    await this.#live(live);
    let definitions: ControlSet | undefined;
    const rebuild = new Rebuild({
      ...{ topology: this.#topology, partition: '0', inputs: [INPUT], sourceOf: this.#source },
      ...{ store: disk.open(), reader: disk.reader() },
      requireGoingOn: () => this.#mayCrash(),
      control: { current: () => definitions },
      onProgress: () => undefined,
    });
    while (this.#published < this.#messages.length * 0.9) {
      definitions = definitionsOf(this.#disk(1).reader());
      await rebuild.readTo(this.#applied(rebuild));
      this.#publish();
      await this.#live(live);
      if (this.#random.chance(0.4)) await this.#forget(1);
      await this.#live(live);
    }
    live.close();
    definitions = definitionsOf(this.#disk(1).reader());
    await rebuild.readTo(this.#applied(rebuild));
    const reached = rebuild.reachedIn(this.#disk(1).reader());
    if (reached !== undefined) await rebuild.followClock(reached);
    await rebuild.close();
    this.#mayCrash();
    this.#current = 2;
    this.#mayCrash();
  }

  /** Somebody is erased, whose events are applied. */
  async #forget(generation: number): Promise<void> {
    if (this.#isErased || this.#erase === undefined) return;
    const store = this.#disk(generation).open();
    await this.#erase({
      messages: this.#messages.slice(0, this.#published),
      table: (name) => store.table(name),
      publish: (copies) => {
        this.#messages.splice(this.#published, 0, ...copies);
        this.#published += copies.length;
      },
      delete: (sequence) => {
        this.#messages[sequence - 1] = undefined;
      },
      step: () => this.#mayCrash(),
    });
    this.#isErased = true;
  }

  #publish(): void {
    if (this.#made < this.#sets.length - 1) this.#made += this.#random.int(0, 1);
    const more = this.#random.int(1, Math.ceil(this.#messages.length / 8));
    this.#published = Math.min(this.#messages.length, this.#published + more);
  }

  async #life(isReplaced: boolean): Promise<void> {
    this.#publish();
    if (isReplaced && this.#current === 1) await this.#replace();
    const task = this.#task(this.#current);
    await task.open();
    while (this.#published < this.#messages.length) {
      await this.#live(task);
      this.#publish();
    }
    this.#made = this.#sets.length - 1;
    await this.#live(task);
    await this.#forget(this.#current);
    await this.#live(task);
    task.close();
  }

  /** Comes to the end of the stream, with a generation that is replaced on the way or without. */
  async run(isReplaced: boolean): Promise<ReturnType<typeof stateDigest>> {
    for (;;) {
      try {
        await this.#life(isReplaced);
        return stateDigest(this.#topology, this.#disk(this.#current).reader());
      } catch (error) {
        const isCrash = error instanceof Crash || (error instanceof Error && error.cause instanceof Crash);
        if (!isCrash) throw error;
        this.crashes++;
      }
    }
  }
}
