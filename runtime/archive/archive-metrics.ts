import type { BlobStore } from '../../connectors/index.ts';
import { type Counter, type MetricSample, Metrics } from '../../engine/index.ts';
import type { ArchiveReport } from './archive-run.ts';

/** Where the archive ends, as far as this process knows. */
export interface ArchiveEnd {
  /** Everything up to this sequence is archived; 0: nothing. */
  readonly position: number;
  /** When the stream stored the last message that is archived, ms; undefined: nothing is. */
  readonly stored_ms: number | undefined;
}

const MS_PER_SECOND = 1_000;

/** What a process writes to the archive and reads of it. */
export class ArchiveMetrics {
  readonly #metrics = new Metrics();
  readonly #files: Counter;
  readonly #written: Counter;
  readonly #reads: Counter;
  readonly #read: Counter;
  readonly #errors: Counter;
  readonly #messages: Counter;
  readonly #rows: Counter;
  #end: ArchiveEnd = { position: 0, stored_ms: undefined };

  constructor(now: () => number) {
    const metrics = this.#metrics;
    const counter = (name: string, help: string): Counter =>
      metrics.counter(`millrace.archive.${name}`, help);
    this.#files = counter('files_written', 'Files and manifests that this process wrote');
    this.#written = counter('written', 'Bytes of these');
    this.#messages = counter('messages', 'Messages that this process archived');
    this.#rows = counter('rows', 'Events, and parts of messages that are none, among these');
    this.#reads = counter('reads', 'Files and manifests that this process read back');
    this.#read = counter('read', 'Bytes of these');
    this.#errors = counter('errors', 'Requests to the folder or bucket that failed');
    const end = (): ArchiveEnd => this.#end;
    metrics.gauge(
      'millrace.archive.position',
      'Everything up to this sequence is archived',
      () => end().position,
    );
    metrics.gauge(
      'millrace.archive.age',
      'Since the last archived message was stored; 0: nothing is archived',
      () => Math.max(0, (now() - (end().stored_ms ?? now())) / MS_PER_SECOND),
    );
  }

  /** The same folder, whose requests are counted. */
  watch(folder: BlobStore): BlobStore {
    const counted = async <T>(work: Promise<T>, count: (done: T) => void): Promise<T> => {
      try {
        const done = await work;
        count(done);
        return done;
      } catch (error) {
        this.#errors.add();
        throw error;
      }
    };
    return {
      url: folder.url,
      put: (name, bytes) =>
        counted(folder.put(name, bytes), () => {
          this.#files.add();
          this.#written.add(bytes.length);
        }),
      get: (name) =>
        counted(folder.get(name), (bytes) => {
          if (bytes === undefined) return;
          this.#reads.add();
          this.#read.add(bytes.length);
        }),
      list: (prefix) => counted(folder.list(prefix), () => undefined),
      remove: (name) => counted(folder.remove(name), () => undefined),
      close: () => folder.close(),
    };
  }

  /** What one more segment of a run has brought. */
  wrote(before: ArchiveReport | undefined, after: ArchiveReport): void {
    this.#messages.add(after.messages - (before?.messages ?? 0));
    this.#rows.add(after.rows - (before?.rows ?? 0));
  }

  endsAt(end: ArchiveEnd): void {
    this.#end = end;
  }

  samples(): readonly MetricSample[] {
    return this.#metrics.samples();
  }
}
