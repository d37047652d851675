import { setImmediate, setTimeout } from 'node:timers/promises';
import { ManualClock } from './clock.ts';
import { type StateDigest, stateDigest } from './digest.ts';
import { invariant } from './errors.ts';
import type { Progress } from './meta.ts';
import { OUTBOX_TABLE, type OutMessage } from './outbox.ts';
import { SeededRandom } from './random.ts';
import {
  SimulatedCrash,
  type SimulatedMessage,
  SimulatedPublisher,
  SimulatedReceiver,
  SimulatedSource,
  SimulatedStream,
} from './simulated-edges.ts';
import { MemoryDisk } from './store-memory.ts';
import { Task, type TaskLimits } from './task.ts';
import type { Topology } from './topology.ts';

export interface SimulationOptions {
  /** Called once for each life of the task, as a start of the process would. */
  readonly topology: () => Topology;
  /** The stream, in order. */
  readonly messages: readonly SimulatedMessage[];
  /** Decides sizes of takes and batches, pauses, failures and crashes. */
  readonly seed: number;
  /** Without: no crash and no failed send, only the seeded cut into batches and commits. */
  readonly faults: boolean;
  /**
   * Some crashes take the disk with them: the next task goes on from an older snapshot, and the stream is
   * read again from there. What was sent after it is sent once more, so its ids and contents must not
   * depend on where commits are. Default: false.
   */
  readonly restores?: boolean;
  /** The clock when the task first starts, ms. */
  readonly start_ms: number;
  /** The clock at the last commit, ms: with the source idle it decides the final watermark. */
  readonly end_ms: number;
}

export interface SimulationResult {
  readonly digest: StateDigest;
  /** What the outside received, by message id. */
  readonly published: ReadonlyMap<string, OutMessage>;
  /** Messages that the outside received, repeats included. */
  readonly sends: number;
  readonly crashes: number;
  /** Crashes after which an older snapshot was gone on from. */
  readonly restores: number;
  /** The last commit. */
  readonly progress: Progress;
  /** The final state, for readers. */
  readonly disk: MemoryDisk;
  /** Sequence of the stream's first message. */
  readonly firstSequence: number;
}

/** Long enough for every idle time-out, ms. */
const FINAL_IDLE_MS = 120_000;
/** Crashes of one run at most, so that it comes to its end. */
const MAX_CRASHES = 12;
const RESTORE_SHARE = 0.3;
/** Commits of which a snapshot is taken. */
const SNAPSHOT_SHARE = 0.2;

/**
 * Runs a topology through a real `Task` on a simulated stream, disk, clock and receiver: everything that
 * happens follows from the seed. Crashes come at the begin and the end of a commit, around a send and
 * between takes; after each, a new task opens the same disk. The last phase is without faults: the stream
 * is read to its end, all that is owed is sent, and the source idles until `end_ms`.
 * Throws `invariant_broken` when commits are not gapless, positions move back, or a message id is sent with
 * two contents.
 */
export async function simulate(options: SimulationOptions): Promise<SimulationResult> {
  return await new Simulation(options).run();
}

class Simulation {
  readonly #options: SimulationOptions;
  readonly #random: SeededRandom;
  #disk = new MemoryDisk();
  readonly #clock: ManualClock;
  readonly #stream: SimulatedStream;
  readonly #receiver = new SimulatedReceiver();
  readonly #limits: Partial<TaskLimits>;
  readonly #commitFault: number;
  readonly #takeFault: number;
  #progress: Progress | undefined;
  #snapshot: { readonly disk: MemoryDisk; readonly progress: Progress } | undefined;
  #crashes = 0;
  #restores = 0;

  constructor(options: SimulationOptions) {
    const random = new SeededRandom(options.seed);
    this.#options = options;
    this.#random = random;
    this.#clock = new ManualClock(options.start_ms);
    this.#stream = new SimulatedStream(options.messages, random.pick([1, 1, 2, 1_000_000_007]));
    this.#limits = {
      batch_max_events: random.pick([1, 7, 50, 4_096]),
      // What the machine can do must not decide where batches are cut.
      batch_target_ms: Number.POSITIVE_INFINITY,
      barrier_interval_ms: random.pick([0, 50, 250, 5_000]),
      barrier_max_events: random.pick([1, 20, 100, 50_000]),
      idle_barrier_interval_ms: 5_000,
      outbox: { max_rows: 20_000, window: random.pick([1, 3, 256]), retry_ms: 0 },
    };
    this.#commitFault = random.pick([0, 0.02, 0.1]);
    this.#takeFault = random.pick([0, 0.02, 0.1]);
  }

  get #faulty(): boolean {
    return this.#options.faults && this.#crashes < MAX_CRASHES;
  }

  async run(): Promise<SimulationResult> {
    while (!(await this.#live())) {
      this.#crashes++;
      this.#restore();
    }
    const { topology } = this.#options;
    const progress = this.#progress;
    invariant(progress !== undefined, 'the simulation ends with a commit');
    return {
      digest: stateDigest(topology(), this.#disk.reader()),
      published: this.#receiver.received,
      sends: this.#receiver.sends,
      crashes: this.#crashes,
      restores: this.#restores,
      progress,
      disk: this.#disk,
      firstSequence: this.#stream.firstSequence,
    };
  }

  #restore(): void {
    if (this.#snapshot === undefined || !this.#random.chance(RESTORE_SHARE)) return;
    const { disk, progress } = this.#snapshot;
    this.#disk = disk.copy();
    this.#progress = progress;
    this.#restores++;
  }

  /** One life of the process; false when it crashed. */
  async #live(): Promise<boolean> {
    const { topology, end_ms } = this.#options;
    const random = this.#random;
    const publisher = new SimulatedPublisher(this.#receiver, random, this.#faulty);
    const faulty = this.#faulty;
    this.#disk.fault = () => {
      if (faulty && random.chance(this.#commitFault)) throw new SimulatedCrash();
    };
    const source = new SimulatedSource(this.#stream, this.#clock, random, end_ms - FINAL_IDLE_MS);
    const task = new Task({
      topology: topology(),
      source,
      store: this.#disk.open(),
      publisher,
      clock: this.#clock,
      limits: this.#limits,
      onCommit: (progress) => this.#committed(progress),
    });
    try {
      await task.open();
      while (!source.readToEnd) {
        await task.step(random.int(0, 1_000));
        await this.#settle(publisher);
        if (faulty && random.chance(this.#takeFault)) throw new SimulatedCrash();
      }
      this.#disk.fault = undefined;
      source.calm();
      await this.#finish(task, publisher);
      return true;
    } catch (error) {
      if (isCrash(error)) return false;
      throw error;
    } finally {
      task.close();
    }
  }

  #committed(progress: Progress): void {
    const before = this.#progress;
    this.#progress = progress;
    invariant(progress.commit === (before?.commit ?? 0) + 1, 'commits are gapless across crashes');
    if (this.#options.restores === true && this.#random.chance(SNAPSHOT_SHARE)) {
      this.#snapshot = { disk: this.#disk.copy(), progress };
    }
    if (before === undefined) return;
    invariant(progress.sequence >= before.sequence, 'the position never moves back');
    invariant((progress.watermark_ms ?? 0) >= (before.watermark_ms ?? 0), 'the watermark never moves back');
  }

  /** Lets what was sent be acknowledged or repeated, so that nothing depends on real time. */
  async #settle(publisher: SimulatedPublisher): Promise<void> {
    if (this.#random.chance(0.5)) publisher.acknowledge();
    for (let turn = 0; turn < 4; turn++) await Promise.resolve();
    while (publisher.repeatsDue > 0 && !publisher.died) {
      // Repeats wait for what is in flight.
      publisher.acknowledge();
      await setTimeout(1);
    }
    if (publisher.died) throw new SimulatedCrash();
  }

  async #finish(task: Task, publisher: SimulatedPublisher): Promise<void> {
    const { end_ms } = this.#options;
    task.commit();
    while (owed(task) > 0) {
      publisher.acknowledge();
      await setImmediate();
      await this.#settle(publisher);
    }
    this.#clock.advance(Math.max(0, end_ms - FINAL_IDLE_MS - this.#clock.now()));
    // Finds the source with nothing to give: idleness begins.
    await task.step(0);
    this.#clock.advance(end_ms - this.#clock.now());
    task.commit();
    const rows = [...this.#disk.open().table(OUTBOX_TABLE).scan()].length;
    invariant(rows === 0, 'acknowledged messages leave the outbox');
  }
}

/** Also where an operator's start passed it on as its own failure. */
function isCrash(error: unknown): boolean {
  return error instanceof SimulatedCrash || (error instanceof Error && error.cause instanceof SimulatedCrash);
}

/** Messages that the task still owes to the outside. */
function owed(task: Task): number {
  const sample = task.metrics.samples().find(({ name }) => name === 'millrace.outbox.owed');
  invariant(sample !== undefined, 'the task says what it owes');
  return sample.value;
}
