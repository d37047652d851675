import { expect, it } from 'vitest';
import { orderAnalytics } from '../analytics/index.ts';
import {
  ManualClock,
  MemoryDisk,
  type OutMessage,
  SeededRandom,
  type SimulatedMessage,
  type Source,
  type SourceRecord,
  stateDigest,
  type Take,
  Task,
  type Topology,
} from '../engine/index.ts';
import { Rebuild } from '../runtime/index.ts';
import { sizes } from './long.ts';
import { generate, publish, START_MS } from './simulated-orders.ts';
import { SIMULATED_CUBES } from './simulated-runs.ts';

const NODE = 'events';
const INPUT = { node: NODE, stream: 'EVENTS', filter: [] };
/** Lives of the process that end in a crash, at most. */
const MAX_CRASHES = 10;

class Crash extends Error {}

/** The stream: what is published outlives crashes. */
class ListSource implements Source {
  readonly partition = '0';
  readonly #messages: readonly SimulatedMessage[];
  readonly #published: () => number;
  readonly #random: SeededRandom;
  #position = 0;

  constructor(messages: readonly SimulatedMessage[], published: () => number, random: SeededRandom) {
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
    const to = Math.min(this.#published(), this.#position + Math.min(max, this.#random.int(1, 40)));
    const taken = this.#messages.slice(this.#position, to).map((message, at): SourceRecord => {
      const { subject, data, headers = {} } = message;
      const own = new Map(
        Object.entries(headers).map(([name, value]) => [name.toLowerCase(), String(value)]),
      );
      return {
        ...{ sequence: this.#position + at + 1, subject, data, hasHeaders: own.size > 0 },
        header: (name) => own.get(name.toLowerCase()),
        headers: () => own.entries(),
      };
    });
    this.#position = to;
    return Promise.resolve(taken);
  }

  state() {
    const head = this.#published();
    return { headSequence: head, caughtUp: this.#position >= head, connected: true, skipped: 0 };
  }

  stop(): Promise<void> {
    return Promise.resolve();
  }
}

/** An installation: what lies on disks and in streams, and a process that dies now and then. */
class Installation {
  readonly sent = new Map<string, string>();
  /** By generation. */
  readonly #disks = new Map([
    [1, new MemoryDisk()],
    [2, new MemoryDisk()],
  ]);
  readonly #random: SeededRandom;
  readonly #messages: readonly SimulatedMessage[];
  readonly #topology: Topology;
  readonly #fault: number;
  #current = 1;
  #published = 0;
  crashes = 0;

  constructor(seed: number, messages: readonly SimulatedMessage[], isFaulty: boolean) {
    this.#random = new SeededRandom(seed);
    this.#messages = messages;
    this.#topology = orderAnalytics({ cubes: SIMULATED_CUBES });
    this.#fault = isFaulty ? this.#random.pick([0.02, 0.05, 0.15]) : 0;
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
    expect(this.sent.get(message.id) ?? text).toBe(text);
    this.sent.set(message.id, text);
    return Promise.resolve();
  }

  #task(generation: number): Task {
    return new Task({
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
    const rebuild = new Rebuild({
      ...{ topology: this.#topology, partition: '0', inputs: [INPUT], sourceOf: this.#source },
      ...{ store: disk.open(), reader: disk.reader() },
      requireGoingOn: () => this.#mayCrash(),
      onProgress: () => undefined,
    });
    while (this.#published < this.#messages.length * 0.9) {
      await rebuild.readTo(this.#applied(rebuild));
      this.#publish();
      await this.#live(live);
    }
    live.close();
    await rebuild.readTo(this.#applied(rebuild));
    const reached = rebuild.reachedIn(this.#disk(1).reader());
    if (reached !== undefined) await rebuild.followClock(reached);
    await rebuild.close();
    this.#mayCrash();
    this.#current = 2;
    this.#mayCrash();
  }

  #publish(): void {
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

it('a generation that takes the place of another, with crashes at any step, has the same digest and sends the same', async () => {
  let crashes = 0;
  for (let seed = 0; seed < sizes.replay_seeds; seed++) {
    const set = generate({ seed, orders: 4, ties: true });
    const { messages } = publish(set, new SeededRandom(seed), true);
    const straight = new Installation(seed, messages, false);
    const wanted = await straight.run(false);
    const disturbed = new Installation(seed, messages, true);
    expect(await disturbed.run(true), `seed ${seed}`).toEqual(wanted);
    expect(disturbed.sent, `seed ${seed}`).toEqual(straight.sent);
    crashes += disturbed.crashes;
  }
  expect(crashes).toBeGreaterThan(sizes.replay_seeds / 2);
});
