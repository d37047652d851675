import { Worker } from 'node:worker_threads';
import {
  builtModule,
  MillraceError,
  type Source,
  type SourceRecord,
  type SourceState,
  type StreamFacts,
  StreamGapError,
  type StreamMark,
  type Take,
} from '../../../engine/index.ts';
import type { NatsServer } from '../client/index.ts';
import { newRing, RingReader } from './record-ring.ts';
import type { SourceThreadOrder, SourceThreadReport, SourceThreadRequest } from './source-thread.ts';

/** Which stream a `ThreadedSource` reads, and from which server. */
export interface ThreadedSourceOptions extends NatsServer {
  readonly stream: string;
  /** The partition's name in positions; default `0`. */
  readonly partition?: string;
  /** Reads only what matches one of them; default: all. */
  readonly filter_subjects?: readonly string[];
  /** See `StreamFacts`; default: a gap is an error. */
  readonly gaps?: StreamFacts['gaps'];
}

const STOP_TIMEOUT_MS = 2_500;
/** The thread makes next to no objects: a larger young generation would only hold dead buffers longer. */
const THREAD_LIMITS = { maxYoungGenerationSizeMb: 6 } as const;
const NAME = import.meta.url.endsWith('.ts') ? './source-thread.ts' : './source-thread.js';
const THREAD = new URL(builtModule(new URL(NAME, import.meta.url).href));

/**
 * A JetStreamSource in a thread of its own: receiving runs beside the pipeline. Records come through shared memory,
 * in order, bounded by its size. Same contract and errors as JetStreamSource.
 */
export class ThreadedSource implements Source {
  readonly partition: string;
  readonly isWhole: boolean;
  readonly #ring = newRing();
  readonly #reader = new RingReader(this.#ring);
  readonly #worker: Worker;
  readonly #exited: Promise<void>;
  #failure: MillraceError | undefined;
  #stopped = false;
  #facts: StreamFacts | undefined;
  #marks: ReadonlyMap<number, StreamMark> | undefined;
  #waiting: (() => void)[] = [];
  #started = false;
  #isDegraded = false;

  constructor({ stream, partition = '0', filter_subjects = [], gaps, ...nats }: ThreadedSourceOptions) {
    this.partition = partition;
    this.isWhole = filter_subjects.length === 0 && gaps !== 'normal';
    const order: SourceThreadOrder = { nats, stream, partition, filter_subjects, gaps, ring: this.#ring };
    this.#worker = new Worker(THREAD, { workerData: order, name: 'source', resourceLimits: THREAD_LIMITS });
    this.#worker.on('message', (report: SourceThreadReport) => this.#hear(report));
    this.#worker.on('error', (cause) => {
      this.#fail(
        new MillraceError('source_thread_failed', `The reading thread failed: ${String(cause)}`, {
          cause,
          retriable: true,
        }),
      );
    });
    this.#exited = new Promise((resolve) => {
      this.#worker.once('exit', () => {
        if (!this.#stopped) {
          this.#fail(
            new MillraceError('source_thread_failed', 'The reading thread ended by itself.', {
              retriable: true,
            }),
          );
        }
        resolve();
      });
    });
  }

  #hear(report: SourceThreadReport): void {
    if (report.kind === 'facts') this.#facts = report.facts;
    else if (report.kind === 'marks') this.#marks = report.marks;
    else if (report.kind === 'started') {
      this.#started = true;
      this.#isDegraded = !report.isDirect;
      if (!report.isDirect) warnOnce();
    } else if (report.kind === 'failed') {
      const { code, message, retriable, gap } = report;
      this.#fail(
        gap === undefined
          ? new MillraceError(code, message, { retriable })
          : new StreamGapError(code, message, gap),
      );
    }
    this.#wake();
  }

  #fail(error: MillraceError): void {
    this.#failure ??= error;
    this.#wake();
  }

  #wake(): void {
    for (const wake of this.#waiting.splice(0)) wake();
    this.#reader.wake();
  }

  async #until(done: () => boolean): Promise<void> {
    while (!done() && !this.#stopped) {
      if (this.#failure !== undefined) throw this.#failure;
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  #tell(request: SourceThreadRequest): void {
    this.#worker.postMessage(request);
  }

  async facts(): Promise<StreamFacts> {
    await this.#until(() => this.#facts !== undefined);
    if (this.#facts === undefined) throw new MillraceError('source_stopped', 'The source was stopped.');
    return this.#facts;
  }

  async marksAt(sequences: readonly number[]): Promise<ReadonlyMap<number, StreamMark>> {
    this.#marks = undefined;
    this.#tell({ kind: 'marks', sequences });
    await this.#until(() => this.#marks !== undefined);
    return this.#marks ?? new Map();
  }

  async start(after: number, isFresh = false): Promise<void> {
    this.#tell({ kind: 'start', after, isFresh });
    await this.#until(() => this.#started);
  }

  async take({ max, wait_ms }: Take): Promise<readonly SourceRecord[]> {
    // Also where records are there: the loop's other work (sends, timers, messages) needs its turn.
    if (this.#reader.isEmpty && this.#failure === undefined && !this.#stopped)
      await this.#reader.arrival(wait_ms);
    else await new Promise<void>((resolve) => setImmediate(resolve));
    if (this.#stopped) return [];
    const records = this.#reader.take(max);
    if (records.length === 0 && this.#failure !== undefined) throw this.#failure;
    return records;
  }

  state(): SourceState {
    const state = this.#reader.state();
    return this.#isDegraded ? { ...state, isDegraded: true } : state;
  }

  passed(): number | undefined {
    return this.#reader.passed();
  }

  async stop(): Promise<void> {
    if (!this.#stopped) {
      this.#stopped = true;
      this.#tell({ kind: 'stop' });
      this.#wake();
    }
    const timer = setTimeout(() => void this.#worker.terminate(), STOP_TIMEOUT_MS);
    await this.#exited;
    clearTimeout(timer);
  }
}

let isWarned = false;

/** Of all sources of this thread the same would be said. */
function warnOnce(): void {
  if (isWarned) return;
  isWarned = true;
  process.emitWarning(
    'The installed NATS client is not the version that Millrace knows from inside: messages are read through its ' +
      'public interface, which takes three times the CPU. Install the versions of package-lock.json (npm ci).',
    { code: 'nats_client_unknown' },
  );
}
