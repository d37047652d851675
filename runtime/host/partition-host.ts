import {
  type Clock,
  type KvReader,
  META_TABLE,
  type MetricSample,
  type MillraceError,
  openLmdbReader,
  type Progress,
  positionOf,
  readProgress,
  type SupervisedState,
  Supervisor,
  systemClock,
  type TopologyChange,
} from '../../engine/index.ts';
import type { TaskStatus } from './partition-task.ts';
import { notCaughtUp } from './position-errors.ts';
import { hasState, hostHere } from './state-folder.ts';
import type { HostedRun, TaskPlace } from './task-place.ts';

const POLL_MS = 20;

export interface PartitionHostOptions {
  readonly partition: string;
  readonly generation: number;
  /** The folder of the partition's state, of that generation. */
  readonly statePath: string;
  readonly place: TaskPlace;
  readonly clock?: Clock;
  readonly onChange?: (state: SupervisedState, error: MillraceError | undefined) => void;
  readonly onTopologyChange?: (changes: readonly TopologyChange[]) => void;
  readonly onDefinitionsUnread?: (message: string) => void;
}

/** The end of a stream, and when the server last said so. */
export interface SeenHead {
  readonly sequence: number;
  /** Of the machine's monotonic clock (`monotonicNow`). */
  readonly heard_at_ms: number;
}

/**
 * Hosts one partition of one generation of a topology: keeps its task running in its place of execution, knows how
 * it stands, and reads what it has committed. A process may have several.
 */
export class PartitionHost {
  readonly partition: string;
  readonly generation: number;
  readonly statePath: string;
  readonly #clock: Clock;
  readonly #options: PartitionHostOptions;
  #supervisor: Supervisor;
  #run: HostedRun | undefined;
  /** Of a run that has ended, while the next has nothing to say. */
  #last: TaskStatus | undefined;
  readonly #heads = new Map<string, SeenHead>();
  #reader: KvReader | undefined;
  #isStopped = false;
  #isClosed = false;

  constructor(options: PartitionHostOptions) {
    const { partition, generation, statePath, clock = systemClock } = options;
    this.partition = partition;
    this.generation = generation;
    this.statePath = statePath;
    this.#options = options;
    this.#clock = clock;
    this.#supervisor = this.#newSupervisor();
  }

  #newSupervisor(): Supervisor {
    const { place, onChange } = this.#options;
    return new Supervisor({
      spawn: (running) => {
        this.#last = this.#status();
        this.#run = place({
          running,
          topologyChanged: (changes) => this.#options.onTopologyChange?.(changes),
          definitionsUnread: (message) => this.#options.onDefinitionsUnread?.(message),
        });
        return this.#run;
      },
      clock: this.#clock,
      ...(onChange === undefined ? {} : { onChange }),
    });
  }

  /** Starts the task, also again after `stop`. */
  start(): void {
    hostHere(this.statePath);
    if (this.#isStopped) this.#supervisor = this.#newSupervisor();
    this.#isStopped = false;
    this.#supervisor.start();
  }

  get status(): Supervisor['status'] {
    return this.#supervisor.status;
  }

  #status(): TaskStatus | undefined {
    return this.#run?.status() ?? this.#last;
  }

  /** The counters and gauges of the task that runs now; a restart begins new ones. */
  get metrics(): readonly MetricSample[] {
    return this.#status()?.metrics ?? [];
  }

  /** Whether the sources read from their streams; true before anything is known. */
  get connected(): boolean {
    return this.#status()?.connected ?? true;
  }

  /** The newest known end of the stream of a source; undefined before it was seen. */
  head(node: string): SeenHead | undefined {
    const word = this.#status()?.heads[node];
    const known = this.#heads.get(node);
    // While a run has heard nothing yet, the last word to the one before it stands.
    if (word?.heard_at_ms !== undefined && word.heard_at_ms > (known?.heard_at_ms ?? 0)) {
      this.#heads.set(node, { sequence: word.sequence, heard_at_ms: word.heard_at_ms });
    }
    return this.#heads.get(node);
  }

  /** What was committed; undefined before there is a state, and once `close` has let go of it. */
  reader(): KvReader | undefined {
    if (this.#reader === undefined && !this.#isClosed && hasState(this.statePath)) {
      this.#reader = openLmdbReader(this.statePath, { sharedWithWriter: true });
    }
    return this.#reader;
  }

  /** How far it has committed; undefined before the first commit. */
  progress(): Progress | undefined {
    return this.reader()?.snapshot((table) => readProgress(table(META_TABLE)));
  }

  /**
   * Resolves when each of these streams is committed up to its sequence. Rejects with what has ended the task for
   * good, and after `timeout_ms` (`not_caught_up`), which is a part of `told_ms` where the caller waits in parts.
   */
  async committed(
    wanted: readonly (readonly [stream: string, sequence: number])[],
    timeout_ms: number,
    told_ms = timeout_ms,
  ): Promise<void> {
    const until_ms = this.#clock.now() + timeout_ms;
    for (;;) {
      const progress = this.progress();
      const position = progress === undefined ? {} : positionOf(progress);
      const reached = (stream: string): number => position[stream]?.[this.partition] ?? 0;
      const behind = wanted.find(([stream, sequence]) => reached(stream) < sequence);
      if (behind === undefined) return;
      const { state, error } = this.status;
      if (state === 'failed' && error !== undefined) throw error;
      const [stream, sequence] = behind;
      if (this.#clock.now() >= until_ms) throw notCaughtUp(stream, reached(stream), sequence, told_ms);
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
  }

  /** Lets the task commit what it has taken, and ends it. What was committed can be read on. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#supervisor.stop();
  }

  /** Stops, and lets go of the state. */
  async close(): Promise<void> {
    await this.stop();
    this.#isClosed = true;
    const reader = this.#reader;
    this.#reader = undefined;
    await reader?.close();
  }
}
