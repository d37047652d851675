import { ManualClock } from '../base/index.ts';
import { type ControlSet, ManualControl } from '../control/index.ts';
import type { OutMessage, Source, SourceRecord, SourceState } from '../edges/index.ts';
import {
  type Builder,
  defineOperator,
  type Operator,
  type Sides,
  type Stream,
  type Topology,
  topology,
} from '../graph/index.ts';
import { MemoryDisk } from '../state/index.ts';
import { type Progress, stateDigest, Task } from '../task/index.ts';

/** A source whose records carry the number of a batch of items. */
class BatchSource implements Source {
  readonly partition = '0';
  #due: SourceRecord[] = [];

  facts() {
    return Promise.resolve({
      stream: 'S',
      incarnation: 'i',
      firstSequence: 1,
      lastSequence: Number.MAX_SAFE_INTEGER,
    });
  }

  start(): Promise<void> {
    return Promise.resolve();
  }

  push(sequence: number): void {
    this.#due = [
      { sequence, subject: 's', data: new Uint8Array(0), hasHeaders: false, header: () => undefined },
    ];
  }

  take(): Promise<readonly SourceRecord[]> {
    return Promise.resolve(this.#due.splice(0));
  }

  state(): SourceState {
    return { headSequence: 0, caughtUp: true, connected: true, skipped: 0 };
  }

  stop(): Promise<void> {
    return Promise.resolve();
  }
}

/** `advanceTo` moves it. The watermark of a commit comes from the task, so it does not own it. */
function movesTime<A, B>(operator: Operator<A, B>): Operator<A, B> {
  return { ...operator, ownsWatermark: true };
}

const START_MS = 1_750_000_000_000;

/** Where a driver begins. Default: an empty state. */
export interface TestDriverOptions {
  /** What the clock says at first, ms since the epoch. */
  readonly start_ms?: number;
  /** State to go on from: a snapshot of another driver. */
  readonly snapshot?: TestSnapshot;
}

/** Committed state with the position that it belongs to. */
export interface TestSnapshot {
  readonly disk: MemoryDisk;
  readonly sequence: number;
  readonly now_ms: number;
  /** The definitions there are; absent: none. */
  readonly control?: ControlSet;
}

/** What is tested: operators behind `input`; `t.merge` puts several outputs together. */
export type Build<A, B> = (input: Stream<A>, t: Builder) => Stream<B, Sides>;

/**
 * Runs operators in a real task on state in memory, without a broker and without waiting: items go in as
 * values. `push` is one batch, `commit` one barrier, `restart` a new process on the same disk.
 */
export class TestDriver<A, B> {
  /** Everything that came out so far. */
  readonly out: B[] = [];
  readonly watermarks: number[] = [];
  readonly sent: OutMessage[] = [];
  readonly clock: ManualClock;
  readonly disk: MemoryDisk;
  /** Definitions as users make them: the next commit applies what is new. */
  readonly control: ManualControl;
  progress: Progress | undefined;
  readonly #build: Build<A, B>;
  readonly #source = new BatchSource();
  readonly #topology: Topology;
  readonly #task: Task;
  #items: readonly A[] = [];
  #moveTo_ms: number | undefined;
  #taken = 0;
  #sequence: number;

  private constructor(
    build: Build<A, B>,
    disk: MemoryDisk,
    clock: ManualClock,
    control: ManualControl,
    sequence: number,
  ) {
    this.#build = build;
    this.control = control;
    this.disk = disk;
    this.clock = clock;
    this.#sequence = sequence;
    const feed = defineOperator<SourceRecord, A>({
      kind: 'feed',
      summary: 'Items of the test',
      start: ({ emit, emitWatermark }) => ({
        onBatch: () => {
          emit(this.#items);
          if (this.#moveTo_ms !== undefined) emitWatermark(this.#moveTo_ms);
        },
      }),
    });
    const collect = defineOperator<B, never>({
      kind: 'collect',
      summary: 'Keeps what comes out',
      start: () => ({
        onBatch: (items) => {
          for (const item of items) this.out.push(item);
        },
        onWatermark: (time_ms) => void this.watermarks.push(time_ms),
      }),
    });
    this.#topology = topology('test', (t) => {
      build(t.source('source').pipe(movesTime(feed('feed', undefined))), t).pipe(
        collect('collect', undefined),
      );
    });
    this.#task = new Task({
      topology: this.#topology,
      source: this.#source,
      store: disk.open(),
      publisher: {
        publish: (message) => Promise.resolve(void this.sent.push(message)),
        // No send fails: all of a commit's can be seen when it returns.
        maxInFlight: () => Number.POSITIVE_INFINITY,
      },
      clock,
      control,
      stateChecks: 'always',
      limits: {
        barrier_interval_ms: Number.POSITIVE_INFINITY,
        idle_barrier_interval_ms: Number.POSITIVE_INFINITY,
      },
      onCommit: (progress) => {
        this.progress = progress;
      },
    });
  }

  static async start<A, B>(
    build: Build<A, B>,
    { start_ms = START_MS, snapshot }: TestDriverOptions = {},
  ): Promise<TestDriver<A, B>> {
    const disk = snapshot?.disk.copy() ?? new MemoryDisk();
    const clock = new ManualClock(snapshot?.now_ms ?? start_ms);
    const control = new ManualControl('test', snapshot?.control);
    const driver = new TestDriver(build, disk, clock, control, snapshot?.sequence ?? 0);
    await driver.#task.open();
    return driver;
  }

  /** One batch. */
  async push(...items: A[]): Promise<void> {
    await this.#step(items, undefined);
  }

  /** Moves event time: everything earlier has come. For operators that are tested without a `watermark` before them. */
  async advanceTo(time_ms: number): Promise<void> {
    await this.#step([], time_ms);
  }

  async #step(items: readonly A[], moveTo_ms: number | undefined): Promise<void> {
    this.#items = items;
    this.#moveTo_ms = moveTo_ms;
    this.#source.push(++this.#sequence);
    await this.#task.step(0);
  }

  /** What came out since the last `take`. */
  take(): B[] {
    const fresh = this.out.slice(this.#taken);
    this.#taken = this.out.length;
    return fresh;
  }

  /** Commits, and gives the state to go on from: `start(build, { snapshot })`. */
  snapshot(): TestSnapshot {
    this.commit();
    const control = this.control.current();
    return { disk: this.disk.copy(), sequence: this.#sequence, now_ms: this.clock.now(), control };
  }

  /** A step that finds nothing. */
  async idle(): Promise<void> {
    await this.#task.step(0);
  }

  commit(): void {
    this.#task.commit();
  }

  /** An operator has more to do, or there are definitions that are not applied yet. */
  get wantsBarrier(): boolean {
    return this.#task.wantsBarrier;
  }

  /** What is not committed is lost. */
  async restart(): Promise<TestDriver<A, B>> {
    this.#task.close();
    const pipeline = new TestDriver(this.#build, this.disk, this.clock, this.control, this.#sequence);
    await pipeline.#task.open();
    return pipeline;
  }

  counter(name: string): number {
    const samples = this.#task.metrics.samples().filter((sample) => sample.name === name);
    return samples.reduce((sum, { value }) => sum + value, 0);
  }

  digest(): string {
    return stateDigest(this.#topology, this.disk.reader()).digest;
  }
}
