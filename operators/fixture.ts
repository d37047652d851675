import {
  defineOperator,
  ManualClock,
  MemoryDisk,
  type OutMessage,
  type Progress,
  type Source,
  type SourceRecord,
  type SourceState,
  type Stream,
  stateDigest,
  Task,
  type Topology,
  topology,
} from '../engine/index.ts';

/** A source whose records carry the number of a batch of items. */
class BatchSource implements Source {
  readonly partition = '0';
  #due: SourceRecord[] = [];

  facts() {
    return Promise.resolve({ stream: 'S', incarnation: 'i', firstSequence: 1, lastSequence: 1_000_000 });
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

/**
 * Runs operators in a real task, so that a test of one needs items only. `push` is one batch, `commit` one
 * barrier, `restart` a new process on the same disk.
 */
export class Pipeline<A, B> {
  readonly out: B[] = [];
  readonly watermarks: number[] = [];
  readonly sent: OutMessage[] = [];
  readonly clock: ManualClock;
  readonly disk: MemoryDisk;
  progress: Progress | undefined;
  readonly #build: (input: Stream<A>) => Stream<B>;
  readonly #source = new BatchSource();
  readonly #topology: Topology;
  readonly #task: Task;
  #items: readonly A[] = [];
  #sequence: number;

  private constructor(
    build: (input: Stream<A>) => Stream<B>,
    disk: MemoryDisk,
    clock: ManualClock,
    sequence: number,
  ) {
    this.#build = build;
    this.disk = disk;
    this.clock = clock;
    this.#sequence = sequence;
    const feed = defineOperator<SourceRecord, A>({
      kind: 'feed',
      summary: 'Items of the test',
      start: ({ emit }) => ({ onBatch: () => emit(this.#items) }),
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
      build(t.source('source').pipe(feed('feed', undefined))).pipe(collect('collect', undefined));
    });
    this.#task = new Task({
      topology: this.#topology,
      source: this.#source,
      store: disk.open(),
      publisher: { publish: (message) => Promise.resolve(void this.sent.push(message)) },
      clock,
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
    build: (input: Stream<A>) => Stream<B>,
    disk = new MemoryDisk(),
  ): Promise<Pipeline<A, B>> {
    const pipeline = new Pipeline(build, disk, new ManualClock(1_750_000_000_000), 0);
    await pipeline.#task.open();
    return pipeline;
  }

  async push(...items: A[]): Promise<void> {
    this.#items = items;
    this.#source.push(++this.#sequence);
    await this.#task.step(0);
  }

  /** A step that finds nothing. */
  async idle(): Promise<void> {
    await this.#task.step(0);
  }

  commit(): void {
    this.#task.commit();
  }

  /** What is not committed is lost. */
  async restart(): Promise<Pipeline<A, B>> {
    this.#task.close();
    const pipeline = new Pipeline(this.#build, this.disk, this.clock, this.#sequence);
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
