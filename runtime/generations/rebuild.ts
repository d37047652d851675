import type { Clock } from '../../engine/index.ts';
import {
  asMillraceError,
  type ControlInput,
  type InputPosition,
  inputPositions,
  type KvReader,
  type KvStore,
  META_TABLE,
  type Progress,
  type Quarantine,
  readProgress,
  readTopology,
  type Source,
  systemClock,
  type Topology,
} from '../../engine/index.ts';
import { type PartitionInput, PartitionTask } from '../host/index.ts';
import { BoundedSource, EndedSource } from './bounded-source.ts';

const PROGRESS_INTERVAL_MS = 1_000;
const STEP_WAIT_MS = 250;
/** Longer than any stream has to be quiet for event time to follow the clock. */
const LONG_MS = 10 * 365 * 86_400_000;
const RECORDS = 'millrace.task.records';

/** Where a state stands, and each source by name. */
export interface Reached {
  readonly progress: Progress;
  readonly positions: ReadonlyMap<string, InputPosition>;
}

/** Last sequences by source node. */
export type Goal = Readonly<Record<string, number>>;

/** How far one stream was read. */
export interface ReadProgress {
  readonly stream: string;
  readonly position: number;
  readonly goal: number;
}

export interface RebuildOptions {
  readonly topology: Topology;
  readonly partition: string;
  readonly inputs: readonly PartitionInput[];
  readonly sourceOf: (input: PartitionInput) => Source;
  /** Of the new state. */
  readonly store: KvStore;
  readonly reader: KvReader;
  /** The definitions that the new state is to be of. */
  readonly control?: ControlInput;
  readonly quarantine?: Quarantine | undefined;
  /** Throws where the work is to be given up. */
  readonly requireGoingOn: () => void;
  /** Called between two pieces of work, to leave the machine to others. */
  readonly rest?: () => Promise<void>;
  readonly onProgress: (inputs: readonly ReadProgress[]) => void;
}

interface Opened {
  readonly running: PartitionTask;
  readonly sources: ReadonlyMap<string, BoundedSource>;
}

/** Runs a topology over its streams into a state of its own, sending nothing, up to given positions. */
export class Rebuild {
  readonly #options: RebuildOptions;
  #appliedBefore = 0;
  #open: Opened | undefined;
  /** Records that the open task has taken. */
  #taken = 0;
  /** In a state that it followed, event time had followed the clock. */
  followedClock = false;

  constructor(options: RebuildOptions) {
    this.#options = options;
  }

  /** The last sequences of all streams. */
  async ends(): Promise<Goal> {
    const { inputs, sourceOf } = this.#options;
    const ends: Record<string, number> = {};
    for (const input of inputs) {
      const source = sourceOf(input);
      ends[input.node] = (await source.facts()).lastSequence;
      await source.stop();
    }
    return ends;
  }

  /** Where the new state stands; undefined before its first commit. */
  reached(): Reached | undefined {
    return this.reachedIn(this.#options.reader);
  }

  /** Where a state of this topology stands. */
  reachedIn(reader: KvReader): Reached | undefined {
    const nodes = this.#options.inputs.map(({ node }) => node);
    return reader.snapshot((table) => {
      const meta = table(META_TABLE);
      const progress = readProgress(meta);
      if (progress === undefined) return undefined;
      return { progress, positions: inputPositions(progress, readTopology(meta), nodes) };
    });
  }

  /** Reads on to these sequences, and commits exactly there. */
  async readTo(goal: Goal): Promise<void> {
    for (;;) {
      try {
        await this.#readOnce(goal);
        return;
      } catch (error) {
        // The next task knows the record, or comes nearer to it.
        if (asMillraceError(error).code !== 'record_failed') throw error;
      }
    }
  }

  async #readOnce(goal: Goal): Promise<void> {
    const { requireGoingOn, rest } = this.#options;
    const { running, sources } = await this.#opened(goal);
    const all = [...sources.values()];
    const given = (): number => all.reduce((sum, source) => sum + source.given, 0);
    const { task } = running;
    try {
      let told_ms = systemClock.now();
      while (!all.every(({ isAtEnd }) => isAtEnd) || this.#taken < given()) {
        requireGoingOn();
        this.#taken += await task.step(STEP_WAIT_MS);
        await rest?.();
        if (systemClock.now() - told_ms < PROGRESS_INTERVAL_MS) continue;
        told_ms = systemClock.now();
        this.#tellProgress(sources);
      }
      task.commit();
      // Definitions that came meanwhile are built from the log.
      while (task.wantsBarrier) {
        requireGoingOn();
        task.commit();
      }
      this.#tellProgress(sources);
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  /** The task that goes on from the last goal, with its sources raised to the new one, or a new task. */
  async #opened(goal: Goal): Promise<Opened> {
    if (this.#open !== undefined) {
      for (const [node, source] of this.#open.sources) source.last = Math.max(source.last, goal[node] ?? 0);
      return this.#open;
    }
    const { inputs, sourceOf } = this.#options;
    const sources = new Map<string, BoundedSource>();
    const running = this.#task(inputs, systemClock, (input) => {
      const source = new BoundedSource(sourceOf(input), goal[input.node] ?? 0);
      sources.set(input.node, source);
      return source;
    });
    this.#taken = 0;
    this.#open = { running, sources };
    try {
      await running.task.open();
      return this.#open;
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  /** Lets go of task and sources; `readTo` opens them again. */
  async close(): Promise<void> {
    const { running } = this.#open ?? {};
    this.#open = undefined;
    if (running === undefined) return;
    const samples = running.task.metrics.samples().filter(({ name }) => name === RECORDS);
    this.#appliedBefore += samples.reduce((sum, { value }) => sum + value, 0);
    await running.close();
  }

  /** Records that were applied and committed. */
  get applied(): number {
    const samples = this.#open?.running.task.metrics.samples() ?? [];
    return samples
      .filter(({ name }) => name === RECORDS)
      .reduce((sum, { value }) => sum + value, this.#appliedBefore);
  }

  #task(
    inputs: readonly PartitionInput[],
    clock: Clock,
    sourceOf: (input: PartitionInput) => Source,
  ): PartitionTask {
    const { topology, store, control, quarantine } = this.#options;
    return new PartitionTask({
      topology,
      store,
      inputs,
      sourceOf,
      clock,
      // What the streams' first reading owed to the outside was sent then.
      publisher: { publish: () => Promise.resolve() },
      ...(control === undefined ? {} : { control }),
      ...(quarantine === undefined ? {} : { quarantine }),
    });
  }

  #tellProgress(sources: ReadonlyMap<string, BoundedSource>): void {
    const { inputs, onProgress } = this.#options;
    onProgress(
      inputs.map(({ node, stream }) => {
        const { position = 0, last = 0 } = sources.get(node) ?? {};
        return { stream, position, goal: last };
      }),
    );
  }

  /**
   * While streams are quiet event time follows the clock, and windows close by that. Where it did in the
   * other state, it does in the new one, up to the time of the other state's commit.
   */
  async followClock({ progress, positions }: Reached): Promise<void> {
    const rebuilt = this.reached();
    if (rebuilt === undefined || progress.watermark_ms === null) return;
    const { watermark_ms } = rebuilt.progress;
    if (watermark_ms !== null && watermark_ms >= progress.watermark_ms) return;
    this.followedClock = true;
    await this.close();
    const { inputs, partition } = this.#options;
    let now_ms = progress.committed_at_ms - LONG_MS;
    const running = this.#task(
      inputs.map(({ node, stream, filter }) => ({ node, stream, filter })),
      { now: () => now_ms },
      ({ node }) => {
        const { stream, incarnation, sequence } = rebuilt.positions.get(node) ?? rebuilt.progress;
        const live = positions.get(node);
        const facts = { stream, incarnation, firstSequence: sequence + 1, lastSequence: sequence };
        return new EndedSource(partition, facts, live === undefined || live.head <= live.sequence);
      },
    );
    try {
      await running.task.open();
      await running.task.step(0);
      now_ms = progress.committed_at_ms;
      running.task.commit();
    } finally {
      await running.close();
    }
  }
}

/** As far as a state has come; a source that it does not know is read to the end. */
export function goalOf({ positions }: Reached, end: Goal): Goal {
  return Object.fromEntries(
    Object.entries(end).map(([node, last]) => [node, positions.get(node)?.sequence ?? last]),
  );
}
