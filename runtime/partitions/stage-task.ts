import {
  asMillraceError,
  type ChainLog,
  type GenerationLayout,
  type KvReader,
  type KvStore,
  META_TABLE,
  type MetricSample,
  MillraceError,
  monotonicNow,
  openLmdbStore,
  type Progress,
  type Publisher,
  producerName,
  type Quarantine,
  readProgress,
  type Source,
  type Stage,
  type Supervisor,
  systemClock,
  type Task,
  type TaskLimits,
  type TopologyChange,
} from '../../engine/index.ts';
import type { HostedTask, TaskHost, TaskId } from '../cluster/index.ts';
import {
  hasState,
  PartitionHost,
  type PartitionInput,
  PartitionTask,
  type TaskPlace,
} from '../host/index.ts';

export interface StageTaskOptions {
  readonly task: TaskId;
  readonly stage: Stage;
  readonly generation: GenerationLayout;
  readonly input: PartitionInput;
  /** Reads the partition of the stage's log. Called for each run of the task. */
  readonly sourceOf: () => Source;
  /** Where the channels of its cuts lie. */
  readonly chains: ChainLog;
  readonly publisher: Publisher;
  /** Copies the state of the task from another member into a folder that has none. */
  readonly copy: (member: string, to: string, signal: AbortSignal) => Promise<unknown>;
  readonly quarantine?: Quarantine | undefined;
  readonly limits?: Partial<TaskLimits> | undefined;
  readonly allowTopologyChange: boolean;
  readonly onTopologyChange: (changes: readonly TopologyChange[]) => void;
  /** It has failed for good. */
  readonly onFailed: (error: MillraceError) => void;
  readonly log: (line: string) => void;
}

/** A task that was at the end of its log so lately is ready to go on as the owner, ms. */
const READY_WITHIN_MS = 5_000;
/** One that is so little behind by the times in its log is ready, too, ms. */
const READY_LAG_MS = 2_000;
const POLL_MS = 5;

/** A task of a partitioned topology in this process: its state, its log, and whether it sends. */
export class StageTask implements TaskHost {
  readonly id: TaskId;
  readonly statePath: string;
  /** What it reads. */
  readonly input: PartitionInput;
  readonly #options: StageTaskOptions;
  readonly #stop = new AbortController();
  #store: KvStore | undefined;
  #host: PartitionHost | undefined;
  /** Of the run that goes on now. */
  #task: Task | undefined;
  #source: Source | undefined;
  #progress: Progress | undefined;
  #active_epoch: number | undefined;
  #settled = 0;
  #began: () => void = () => undefined;
  /** When it had committed all that its log had. */
  #caughtUp_at_ms: number | undefined;

  constructor(options: StageTaskOptions) {
    const { task, generation } = options;
    this.#options = options;
    this.id = task;
    this.input = options.input;
    this.statePath = generation.partitionPath(producerName(task.stage, task.partition));
  }

  get name(): string {
    return `${this.id.stage}.${this.id.partition}`;
  }

  get isOpen(): boolean {
    return this.#host !== undefined;
  }

  async open(peers: readonly string[]): Promise<void> {
    if (this.#host !== undefined) return;
    if (!hasState(this.statePath)) await this.#copyFrom(peers);
    if (this.#stop.signal.aborted) throw new MillraceError('task_closed', 'The task was closed meanwhile.');
    const store = openLmdbStore(this.statePath);
    this.#store = store;
    this.#progress = readProgress(store.table(META_TABLE));
    const { generation, log, onFailed, onTopologyChange } = this.#options;
    this.#host = new PartitionHost({
      partition: String(this.id.partition),
      generation: generation.generation,
      statePath: this.statePath,
      place: this.#place(store),
      onTopologyChange,
      onChange: (state, error) => {
        if (state !== 'starting') this.#began();
        if (error !== undefined) log(`${this.name}: ${state}: ${error.code}: ${error.message}`);
        if (state === 'failed' && error !== undefined) onFailed(error);
      },
    });
    // Until it runs nobody could make it the owner. What fails meanwhile is tried again, or shown by its status.
    const began = new Promise<void>((resolve) => {
      this.#began = resolve;
    });
    this.#host.start();
    await began;
  }

  async #copyFrom(peers: readonly string[]): Promise<void> {
    const { copy, log } = this.#options;
    let problem: MillraceError | undefined;
    for (const member of peers) {
      try {
        await copy(member, this.statePath, this.#stop.signal);
        log(`${this.name}: its state was copied from ${member}`);
        return;
      } catch (thrown) {
        const error = asMillraceError(thrown);
        if (error.code !== 'copy_no_state') problem = error;
      }
    }
    // Somebody may have a state: to read everything anew would be the longer way.
    if (problem !== undefined) throw problem;
  }

  #place(store: KvStore): TaskPlace {
    const { stage, input, sourceOf, chains, publisher, limits, quarantine, allowTopologyChange } =
      this.#options;
    return (hear) => {
      const stop = new AbortController();
      const source = sourceOf();
      const running = new PartitionTask({
        ...{ topology: stage.topology, store, publisher, allowTopologyChange, ordered: true },
        inputs: [input],
        sourceOf: () => source,
        ...(limits === undefined ? {} : { limits }),
        ...(quarantine === undefined ? {} : { quarantine }),
        channels: {
          ...{ log: chains, role: 'standby', producer: producerName(this.id.stage, this.id.partition) },
          onFenced: () => {
            this.#active_epoch = undefined;
          },
        },
        onCommit: (progress) => {
          this.#progress = progress;
        },
        onTopologyChange: (changes) => hear.topologyChanged(changes),
      });
      const work = async (): Promise<void> => {
        try {
          await running.task.open();
          running.task.settle(this.#settled);
          [this.#task, this.#source] = [running.task, source];
          hear.running();
          await running.task.run(stop.signal);
        } finally {
          // Whoever runs it next begins as a standby, and is made the owner again.
          [this.#task, this.#source, this.#active_epoch] = [undefined, undefined, undefined];
          await running.close();
        }
      };
      return { ended: work(), stop: () => stop.abort(), status: () => running.status() };
    };
  }

  async activate(epoch: number): Promise<void> {
    const task = this.#task;
    if (task === undefined) {
      throw new MillraceError('task_not_running', `The task ${this.name} does not run now.`, {
        retriable: true,
      });
    }
    await task.activate(epoch);
    if (task === this.#task) this.#active_epoch = epoch;
  }

  standby(): Promise<void> {
    this.#active_epoch = undefined;
    this.#task?.standby();
    return Promise.resolve();
  }

  async release(): Promise<void> {
    const task = this.#task;
    const committed = this.#progress?.sequence ?? 0;
    const goesOn = (): boolean => task === this.#task && this.#active_epoch !== undefined;
    while (task !== undefined && goesOn() && task.settled < committed) {
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
    await this.standby();
  }

  settle(sequence: number): void {
    if (sequence <= this.#settled) return;
    this.#settled = sequence;
    this.#task?.settle(sequence);
  }

  async close(): Promise<void> {
    this.#stop.abort();
    this.#active_epoch = undefined;
    const [host, store] = [this.#host, this.#store];
    [this.#host, this.#store] = [undefined, undefined];
    await host?.close();
    await store?.close();
  }

  status(): HostedTask {
    const { state, error } = this.hosted;
    const lag_ms = this.#lag_ms();
    const isReady = state === 'running' && lag_ms !== null && lag_ms <= READY_WITHIN_MS;
    const position = this.#progress?.sequence;
    const settled = this.#task?.settled;
    return {
      state: state === 'failed' ? 'failed' : isReady ? 'ready' : 'behind',
      active_epoch: this.#active_epoch,
      lag_ms,
      ...(position === undefined ? {} : { position }),
      ...(settled === undefined ? {} : { settled }),
      ...(error === undefined ? {} : { error: error.code }),
    };
  }

  /** How far behind its log it is; null: not known. */
  #lag_ms(): number | null {
    const now_ms = monotonicNow();
    this.#look(now_ms);
    const since_ms = this.#caughtUp_at_ms === undefined ? undefined : now_ms - this.#caughtUp_at_ms;
    if (since_ms !== undefined && since_ms <= READY_WITHIN_MS) return since_ms;
    const { now_ms: read_ms = 0 } = this.#progress?.log ?? {};
    const behind_ms = Math.max(0, systemClock.now() - read_ms);
    if (this.#task !== undefined && read_ms > 0 && behind_ms <= READY_LAG_MS) return behind_ms;
    return since_ms ?? null;
  }

  #look(now_ms: number): void {
    const state = this.#source?.state();
    if (state === undefined || !state.caughtUp || !state.connected) return;
    if ((this.#progress?.sequence ?? 0) >= state.headSequence) {
      this.#caughtUp_at_ms = state.heard_at_ms ?? now_ms;
    }
  }

  /** How it runs. */
  get hosted(): Pick<Supervisor['status'], 'state' | 'error'> {
    return this.#host?.status ?? { state: 'starting', error: undefined };
  }

  get active_epoch(): number | undefined {
    return this.#active_epoch;
  }

  /** What was committed last. */
  get progress(): Progress | undefined {
    return this.#progress;
  }

  /** It has applied everything that its log had so long ago, ms; undefined: that is not known. */
  get staleness_ms(): number | undefined {
    const now_ms = monotonicNow();
    this.#look(now_ms);
    return this.#caughtUp_at_ms === undefined ? undefined : now_ms - this.#caughtUp_at_ms;
  }

  reader(): KvReader | undefined {
    return this.#host?.reader();
  }

  metrics(): readonly MetricSample[] {
    return (this.#host?.metrics ?? []).map((sample) => ({
      ...sample,
      labels: { ...sample.labels, task: this.name },
    }));
  }
}
