import { asMillraceError, type ManualClock, type SeededRandom } from '../base/index.ts';
import { type ChainLog, type ChannelLimits, producerName, type TaskRole } from '../channels/index.ts';
import type { Stage, Topology } from '../graph/index.ts';
import { MemoryDisk } from '../state/index.ts';
import {
  META_TABLE,
  readProgress,
  type StatePart,
  stateDigest,
  Task,
  type TaskLimits,
} from '../task/index.ts';
import type { SimulatedChains } from './simulated-chains.ts';
import { SimulatedCrash, SimulatedPublisher, type SimulatedReceiver } from './simulated-edges.ts';
import { type SimulatedLog, SimulatedPartition } from './simulated-log.ts';

export interface StageOwnerOptions {
  readonly stage: Stage;
  readonly partition: number;
  readonly name: string;
  readonly random: SeededRandom;
  readonly clock: ManualClock;
  readonly receiver: SimulatedReceiver;
  readonly limits: Partial<ChannelLimits>;
  readonly topologyOf: () => Topology;
  readonly log: SimulatedLog;
  readonly chainsOf: (subject: string) => SimulatedChains;
}

const COMMIT_FAULTS = [0, 0.02, 0.08];
const SNAPSHOT_SHARE = 0.25;

/** One of the owners of a task: a process with a disk of its own, which others know nothing of. */
export class StageOwner {
  readonly stage: Stage;
  readonly partition: number;
  readonly name: string;
  readonly #options: StageOwnerOptions;
  readonly #random: SeededRandom;
  readonly #limits: Partial<TaskLimits>;
  readonly #commitFault: number;
  #disk = new MemoryDisk();
  /** An older copy of the disk. */
  #copy = new MemoryDisk();
  #task: Task | undefined;
  #source: SimulatedPartition | undefined;
  #publisher: SimulatedPublisher | undefined;
  #isCalm = false;
  #stalled_steps = 0;
  /** What ended the work that goes on beside the steps. */
  #failure: unknown;
  crashes = 0;
  restores = 0;
  fenced = 0;

  constructor(options: StageOwnerOptions) {
    const { random } = options;
    this.#options = options;
    this.#random = random;
    this.stage = options.stage;
    this.partition = options.partition;
    this.name = options.name;
    this.#commitFault = random.pick(COMMIT_FAULTS);
    this.#limits = {
      batch_max_events: random.pick([1, 5, 4_096]),
      batch_target_ms: Number.POSITIVE_INFINITY,
      barrier_interval_ms: random.pick([0, 100, 2_000]),
      barrier_max_events: random.pick([1, 7, 50_000]),
      outbox: { max_rows: random.pick([6, 20_000]), window: random.pick([1, 3, 256]), retry_ms: 0 },
    };
  }

  get isUp(): boolean {
    return this.#task !== undefined;
  }

  async open(role: TaskRole): Promise<void> {
    const { topologyOf, log, clock, receiver, chainsOf, limits } = this.#options;
    const random = this.#random;
    const source = new SimulatedPartition(log, this.partition, random, clock);
    const publisher = new SimulatedPublisher(receiver, random, !this.#isCalm);
    if (this.#isCalm) source.calm();
    const channels: ChainLog = {
      append: (subject, bytes, last) => chainsOf(subject).append(subject, bytes, last),
      last: (subject) => chainsOf(subject).last(subject),
    };
    this.#disk.fault = () => {
      if (!this.#isCalm && random.chance(this.#commitFault)) throw new SimulatedCrash();
    };
    const task = new Task({
      topology: topologyOf(),
      ...{ source, publisher, clock, limits: this.#limits, ordered: true, store: this.#disk.open() },
      channels: {
        ...{ log: channels, role, limits, producer: producerName(this.stage.index, this.partition) },
        onFenced: () => {
          this.fenced++;
        },
      },
      onCommit: () => {
        if (random.chance(SNAPSHOT_SHARE)) this.#copy = this.#disk.copy();
      },
    });
    [this.#task, this.#source, this.#publisher] = [task, source, publisher];
    await this.#living(() => task.open());
  }

  /** Runs some work of the process; it may end with it. */
  async #living(work: () => Promise<unknown> | unknown): Promise<void> {
    try {
      if (this.#failure !== undefined) throw this.#failure;
      await work();
      if (this.#publisher?.died === true) throw new SimulatedCrash();
    } catch (error) {
      const isCrash =
        error instanceof SimulatedCrash || (error instanceof Error && error.cause instanceof SimulatedCrash);
      this.#end();
      if (!isCrash) throw error;
      this.crashes++;
    }
  }

  #end(): void {
    this.#failure = undefined;
    this.#task?.close();
    [this.#task, this.#source, this.#publisher] = [undefined, undefined, undefined];
  }

  async step(): Promise<void> {
    const task = this.#task;
    if (task === undefined) return;
    if (this.#random.chance(0.5)) this.#publisher?.acknowledge();
    await this.#living(() => (task.hasRoom ? task.step(0) : task.commit()));
  }

  commit(): void {
    const task = this.#task;
    if (task === undefined) return;
    try {
      task.commit();
    } catch (error) {
      const isCrash =
        error instanceof SimulatedCrash || (error instanceof Error && error.cause instanceof SimulatedCrash);
      this.#end();
      if (!isCrash) throw error;
      this.crashes++;
    }
  }

  /** Others activate meanwhile, and this one may crash. */
  activate(epoch: number): void {
    const task = this.#task;
    task?.activate(epoch).catch((error: unknown) => {
      const { code } = asMillraceError(error);
      if (code === 'fenced') this.fenced++;
      else if (code !== 'activation_ended' && task === this.#task) this.#failure = error;
    });
  }

  standby(): void {
    this.#task?.standby();
  }

  /** Up to where it says that the outside has everything; undefined: nobody hears it. */
  get settled(): number | undefined {
    return this.#task?.settled;
  }

  /** Hears that of another one. */
  settle(sequence: number): void {
    this.#task?.settle(sequence);
  }

  stall(steps: number): void {
    this.#stalled_steps = steps;
  }

  /** Whether it stands still in this step. */
  stalls(): boolean {
    if (this.#stalled_steps === 0) return false;
    this.#stalled_steps--;
    return true;
  }

  crash(): void {
    if (this.#task === undefined) return;
    this.crashes++;
    this.#end();
  }

  /** The process ends with its disk: the next goes on from an older copy, or from nothing. */
  loseDisk(needsCopy: boolean): void {
    this.crash();
    this.restores++;
    this.#disk = needsCopy || this.#random.chance(0.5) ? this.#copy.copy() : new MemoryDisk();
  }

  /** Whatever it may be started from has read up to here. */
  get safe_sequence(): number {
    return Math.min(...[this.#disk, this.#copy].map(positionOn));
  }

  /** From now on there are no faults. Opened anew as a standby. */
  async calm(): Promise<void> {
    this.#isCalm = true;
    this.#end();
    await this.open('standby');
  }

  /** Has read all that there is, committed it, and owes nothing; what a standby owed, the owner has sent. */
  get isDone(): boolean {
    const [task, source] = [this.#task, this.#source];
    if (task === undefined || source === undefined) return false;
    const isRead = source.isAtEnd && positionOn(this.#disk) >= this.#options.log.lastSequence();
    const sample = (name: string): number =>
      task.metrics.samples().find((each) => each.name === `millrace.${name}`)?.value ?? 0;
    const owed = sample('channel.pending') + sample('outbox.owed');
    return isRead && owed === 0 && (this.name !== 'a' || task.role === 'active');
  }

  get state(): StatePart {
    return { topology: this.stage.topology, reader: this.#disk.reader() };
  }

  get digest(): string {
    return stateDigest(this.stage.topology, this.#disk.reader()).digest;
  }
}

function positionOn(disk: MemoryDisk): number {
  return readProgress(disk.open().table(META_TABLE))?.sequence ?? 0;
}
