import { setImmediate } from 'node:timers/promises';
import { invariant, ManualClock, SeededRandom } from '../base/index.ts';
import { OUTBOX_TABLE, type OutMessage, type Source } from '../edges/index.ts';
import type { Topology } from '../graph/index.ts';
import { MemoryDisk } from '../state/index.ts';
import { type Progress, type StateDigest, stateDigest, Task, type TaskLimits } from '../task/index.ts';
import { SimulatedControl, type SimulatedDefinition } from './simulated-control.ts';
import {
  behind,
  isOneStream,
  SimulatedCrash,
  type SimulatedMessages,
  SimulatedPublisher,
  SimulatedReceiver,
  SimulatedSource,
  SimulatedStream,
  simulatedHoles,
} from './simulated-edges.ts';

/** One simulated life of a topology: messages, and how they are disturbed. */
export interface SimulationOptions {
  /** Called once for each life of the task, as a start of the process would. */
  readonly topology: () => Topology;
  /** The stream, in order; of a topology with several sources one for each source node, by name. */
  readonly messages: SimulatedMessages;
  /** What users define and delete, in order. Without faults all of it is there at the start. */
  readonly definitions?: readonly SimulatedDefinition[] | undefined;
  /** Decides sizes of takes and batches, pauses, failures and crashes. */
  readonly seed: number;
  /**
   * Without: no crash, no failed send and nothing in the streams but `messages`, only the seeded cut into batches
   * and commits.
   */
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
  /** What a source publishes and gives at once, at most; less makes more batches and commits. Default: 64. */
  readonly max_take_records?: number | undefined;
  /** Of one run, so that it comes to its end: what follows the last one is undisturbed. Default: 12. */
  readonly max_crashes?: number | undefined;
}

/** What a simulated life came to: the state's digest and the messages, each once. */
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
  /** Sequence of the first message in the stream of the topology's first source. */
  readonly firstSequence: number;
  /** The same by source node. */
  readonly firstSequences: Readonly<Record<string, number>>;
  /** The sequence of each message by source node, in the order of `messages`: there may be holes between them. */
  readonly sequences: Readonly<Record<string, readonly number[]>>;
}

/** The stream of a topology's only source. */
const ONLY = 'SIMULATED';
/** Long enough for every idle time-out, ms. */
const FINAL_IDLE_MS = 120_000;
const MAX_CRASHES = 12;
const RESTORE_SHARE = 0.3;
/** Commits of which a snapshot is taken. */
const SNAPSHOT_SHARE = 0.2;
/** Sequences that a stream may begin with: what is not deleted yet need not be the first. */
const FIRST_SEQUENCES = [1, 1, 2, 1_000_000_007];
/** How far one of several sources may be ahead of another, ms. */
const DRIFTS_MS = [0, 2_000, 300_000, Number.POSITIVE_INFINITY];
/** Steps in a row that find nothing although there is something: sources wait for one that has ended. */
const STUCK_STEPS = 30;
/** After the last record: what is built from history takes as many. */
const MAX_LAST_COMMITS = 10_000;

/**
 * Runs a topology through a real `Task` on simulated streams, disk, clock and receiver: everything that
 * happens follows from the seed. Crashes come at the begin and the end of a commit, around a send and
 * between takes; after each, a new task opens the same disk. The last phase is without faults: each stream
 * is read to its end, all that is owed is sent, and the sources idle until `end_ms`. Streams are published
 * and read independently of each other, each with its own pauses.
 * Throws `invariant_broken` when commits are not gapless, the position in a stream or a watermark moves
 * back, or a message id is sent with two contents.
 */
export async function simulate(options: SimulationOptions): Promise<SimulationResult> {
  return await new Simulation(options).run();
}

class Simulation {
  readonly #options: SimulationOptions;
  readonly #random: SeededRandom;
  #disk = new MemoryDisk();
  readonly #clock: ManualClock;
  readonly #streams: readonly SimulatedStream[];
  readonly #control: SimulatedControl;
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
    const { messages } = options;
    const isOne = isOneStream(messages);
    const named = isOne ? [[ONLY, messages] as const] : Object.entries(messages);
    this.#control = new SimulatedControl(options.definitions ?? [], new SeededRandom(options.seed ^ 0xdef));
    if (!options.faults) this.#control.makeAll();
    const holes = new SeededRandom(~options.seed);
    this.#streams = named.map(([name, each]) => {
      const first = random.pick(FIRST_SEQUENCES);
      return new SimulatedStream(name, each, first, options.faults ? simulatedHoles(each.length, holes) : []);
    });
    this.#limits = {
      batch_max_events: random.pick([1, 7, 50, 4_096]),
      // What the machine can do must not decide where batches are cut.
      batch_target_ms: Number.POSITIVE_INFINITY,
      barrier_interval_ms: random.pick([0, 50, 250, 5_000]),
      barrier_max_events: random.pick([1, 20, 100, 50_000]),
      idle_barrier_interval_ms: 5_000,
      outbox: { max_rows: 20_000, window: random.pick([1, 3, 256]), retry_ms: 0 },
      ...(isOne ? {} : { max_drift_ms: random.pick(DRIFTS_MS) }),
    };
    this.#commitFault = random.pick([0, 0.02, 0.1]);
    this.#takeFault = random.pick([0, 0.02, 0.1]);
  }

  get #faulty(): boolean {
    const { faults, max_crashes = MAX_CRASHES } = this.#options;
    return faults && this.#crashes < max_crashes;
  }

  async run(): Promise<SimulationResult> {
    while (!(await this.#live())) {
      this.#crashes++;
      this.#restore();
    }
    const { topology } = this.#options;
    const progress = this.#progress;
    invariant(progress !== undefined, 'the simulation ends with a commit');
    const built = topology();
    const streams = this.#byNode(built);
    const of = <T>(value: (stream: SimulatedStream) => T): Record<string, T> =>
      Object.fromEntries(streams.map(([node, stream]) => [node, value(stream)]));
    const firstSequences = of(({ firstSequence }) => firstSequence);
    this.#requireEnds(progress, streams);
    return {
      digest: stateDigest(built, this.#disk.reader()),
      published: this.#receiver.received,
      sends: this.#receiver.sends,
      crashes: this.#crashes,
      restores: this.#restores,
      progress,
      disk: this.#disk,
      firstSequence: Object.values(firstSequences)[0] as number,
      firstSequences,
      sequences: of(({ sequences }) => sequences),
    };
  }

  /** In the order of the topology. */
  #byNode(built: Topology): readonly (readonly [string, SimulatedStream])[] {
    const nodes = built.describe().nodes.filter(({ kind }) => kind === 'source');
    return nodes.map(({ name }) => {
      const stream = this.#streams.find((each) => each.name === name) ?? this.#streams[0];
      invariant(stream !== undefined, 'each source has a stream');
      return [name, stream];
    });
  }

  /** Also where the last sequences of a stream are not the source's. */
  #requireEnds(progress: Progress, streams: readonly (readonly [string, SimulatedStream])[]): void {
    for (const [at, [node, { endSequence }]] of streams.entries()) {
      const { sequence } = (at === 0 ? progress : progress.others?.[node]) ?? { sequence: -1 };
      invariant(sequence === endSequence, `the position of ${node} comes to the end of its stream`);
    }
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
    const { topology, messages, end_ms, max_take_records } = this.#options;
    const random = this.#random;
    let faulty = this.#faulty;
    const publisher = new SimulatedPublisher(this.#receiver, random, faulty);
    this.#disk.fault = () => {
      if (faulty && random.chance(this.#commitFault)) throw new SimulatedCrash();
    };
    // Each of several may once have to be idle before others are read on.
    const passes = isOneStream(messages) ? 0 : this.#streams.length;
    const latest_ms = end_ms - (passes + 1) * FINAL_IDLE_MS;
    const sources = this.#streams.map(
      (stream) =>
        [stream.name, new SimulatedSource(stream, this.#clock, random, latest_ms, max_take_records)] as const,
    );
    const [first] = sources;
    invariant(first !== undefined, 'a simulation has a stream');
    const running = topology();
    const control = this.#control.open();
    if (!this.#options.faults) control.calm();
    const inputs = isOneStream(messages)
      ? inputsOf(running, [[running.sources[0]?.name ?? ONLY, first[1]]])
      : inputsOf(running, sources);
    const task = new Task({
      topology: running,
      source: isOneStream(messages) ? (Object.values(inputs)[0] as Source) : inputs,
      store: this.#disk.open(),
      publisher,
      clock: this.#clock,
      ...(this.#options.definitions === undefined ? {} : { control }),
      limits: this.#limits,
      onCommit: (progress) => this.#committed(progress),
    });
    try {
      await task.open();
      let emptySteps = 0;
      while (!sources.every(([, source]) => source.readToEnd) || gauge(task, 'millrace.task.lag') > 0) {
        control.advance();
        const taken = await task.step(random.int(0, 1_000));
        emptySteps = taken > 0 ? 0 : emptySteps + 1;
        if (emptySteps === STUCK_STEPS) {
          // A crash from here on would find no time left in which a source can idle.
          faulty = false;
          publisher.calm();
          for (const [, source] of sources) source.steady();
          for (const stream of this.#streams) stream.publishAll();
        }
        if (emptySteps === STUCK_STEPS + 2) this.#passTime(latest_ms);
        invariant(emptySteps < 10 * STUCK_STEPS, 'a source whose others have ended is read');
        await this.#settle(publisher);
        if (faulty && random.chance(this.#takeFault)) throw new SimulatedCrash();
      }
      this.#disk.fault = undefined;
      for (const [, source] of sources) source.calm();
      this.#control.makeAll();
      control.calm();
      await this.#finish(task, publisher);
      return true;
    } catch (error) {
      if (isCrash(error)) return false;
      throw error;
    } finally {
      task.close();
      for (const source of Object.values(inputs)) await source.stop();
    }
  }

  /**
   * A source far ahead in event time waits until those behind have gone on, or have been idle for long
   * enough. All is published by then: who is idle has ended, so that nothing comes late by it.
   */
  #passTime(latest_ms: number): void {
    const now_ms = this.#clock.now();
    const next_ms = Math.min(
      Math.max(latest_ms, now_ms) + FINAL_IDLE_MS,
      this.#options.end_ms - FINAL_IDLE_MS,
    );
    this.#clock.advance(Math.max(0, next_ms - now_ms));
  }

  #committed(progress: Progress): void {
    const before = this.#progress;
    this.#progress = progress;
    invariant(progress.commit === (before?.commit ?? 0) + 1, 'commits are gapless across crashes');
    if (this.#options.restores === true && this.#random.chance(SNAPSHOT_SHARE)) {
      this.#snapshot = { disk: this.#disk.copy(), progress };
    }
    if (before === undefined) return;
    const isOnwards = progress.sequence >= before.sequence && isAhead(progress, before);
    invariant(isOnwards, 'the position in a stream never moves back');
    invariant((progress.watermark_ms ?? 0) >= (before.watermark_ms ?? 0), 'the watermark never moves back');
    for (const [node, time_ms] of Object.entries(before.watermarks ?? {})) {
      const now_ms = progress.watermarks?.[node] ?? Number.NEGATIVE_INFINITY;
      invariant(now_ms >= time_ms, `the watermark of ${node} never moves back`);
    }
  }

  /** Lets what was sent be acknowledged or repeated, so that nothing depends on real time. */
  async #settle(publisher: SimulatedPublisher): Promise<void> {
    if (this.#random.chance(0.5)) publisher.acknowledge();
    for (let turn = 0; turn < 4; turn++) await Promise.resolve();
    while (publisher.repeatsDue > 0 && !publisher.died) {
      // Repeats wait for what is in flight.
      publisher.acknowledge();
      await setImmediate();
    }
    if (publisher.died) throw new SimulatedCrash();
  }

  async #finish(task: Task, publisher: SimulatedPublisher): Promise<void> {
    const { end_ms } = this.#options;
    task.commit();
    await this.#sendOwed(task, publisher);
    // A crash from here on would find the clock at its end, where no source can idle any more.
    publisher.calm();
    this.#clock.advance(Math.max(0, end_ms - FINAL_IDLE_MS - this.#clock.now()));
    // Finds the source with nothing to give: idleness begins.
    await task.step(0);
    this.#clock.advance(end_ms - this.#clock.now());
    task.commit();
    await this.#sendOwed(task, publisher);
    task.commit();
    for (let commits = 0; task.wantsBarrier; commits++) {
      invariant(commits < MAX_LAST_COMMITS, 'what operators have left to do comes to its end');
      task.commit();
      await this.#sendOwed(task, publisher);
    }
    const rows = [...this.#disk.open().table(OUTBOX_TABLE).scan()].length;
    invariant(rows === 0, 'acknowledged messages leave the outbox');
  }

  async #sendOwed(task: Task, publisher: SimulatedPublisher): Promise<void> {
    while (gauge(task, 'millrace.outbox.owed') > 0) {
      publisher.acknowledge();
      await setImmediate();
      await this.#settle(publisher);
    }
  }
}

/** The sources of a task, each behind the `through` of its node. */
function inputsOf(
  { sources: specs }: Topology,
  sources: readonly (readonly [string, SimulatedSource])[],
): Readonly<Record<string, Source>> {
  return Object.fromEntries(
    sources.map(([name, source]) => {
      const through = specs.find((spec) => spec.name === name)?.through;
      return [name, through === undefined ? source : behind(source, through)];
    }),
  );
}

/** Also where an operator's start passed it on as its own failure. */
function isCrash(error: unknown): boolean {
  return error instanceof SimulatedCrash || (error instanceof Error && error.cause instanceof SimulatedCrash);
}

/** Whether none of the other sources' positions moved back, or is missing. */
function isAhead(after: Progress, before: Progress): boolean {
  return Object.entries(before.others ?? {}).every(
    ([node, { sequence }]) => (after.others?.[node]?.sequence ?? -1) >= sequence,
  );
}

function gauge(task: Task, name: string): number {
  const sample = task.metrics.samples().find((each) => each.name === name);
  invariant(sample !== undefined, `the task has the metric ${name}`);
  return sample.value;
}
