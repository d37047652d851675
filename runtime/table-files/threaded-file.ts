import { Worker } from 'node:worker_threads';
import { builtModule, MillraceError } from '../../engine/index.ts';
import { openEncoder } from './encoder.ts';
import type { Cell, Column } from './table.ts';
import type { TableFileWriter, TableSink } from './table-file.ts';
import type { FromTableThread, TableThreadData, ToTableThread } from './thread-messages.ts';

const NAME = import.meta.url.endsWith('.ts') ? './table-thread.ts' : './table-thread.js';
const THREAD = new URL(builtModule(new URL(NAME, import.meta.url).href));
/** A table of no more rows is encoded here, which takes less than the start of a thread. */
const INLINE_MAX_ROWS = 2_000;
/** Rows that go to the thread together. */
const BATCH_ROWS = 500;
/** Characters of these, by their texts. */
const BATCH_MAX_CHARS = 1_048_576;
/** Batches that the thread has and is not done with. */
const BATCHES_MAX = 2;
const THREAD_HEAP_MB = 512;

const MEDIA_TYPES = {
  parquet: 'application/vnd.apache.parquet',
  xlsx: 'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet',
} as const;

/**
 * A table file whose encoding is heavy: a small one is encoded here, a larger one in a thread of its own, so that
 * nothing else in this one waits. Memory does not grow with the rows: two batches are under way at most, and the thread
 * goes on when its bytes are written. The sink is written to while somebody waits for `write` or `finish`, and never
 * else. Throws what the sink throws, and `table_thread_ended`.
 */
export class ThreadedFile implements TableFileWriter {
  readonly media_type: string;
  readonly #format: TableThreadData['format'];
  readonly #columns: readonly Column[];
  readonly #sink: TableSink;
  #batch: (readonly Cell[])[] = [];
  #chars = 0;
  #thread: TableThread | undefined;

  constructor(format: TableThreadData['format'], columns: readonly Column[], sink: TableSink) {
    this.media_type = MEDIA_TYPES[format];
    this.#format = format;
    this.#columns = columns;
    this.#sink = sink;
  }

  async write(cells: readonly Cell[]): Promise<void> {
    this.#batch.push(cells);
    for (const cell of cells)
      if (typeof cell === 'string') this.#chars += cell.length;
      else if (cell !== null && typeof cell === 'object' && 'json' in cell) this.#chars += cell.json.length;
    const isFull = this.#chars >= BATCH_MAX_CHARS;
    if (this.#thread === undefined) {
      if (!isFull && this.#batch.length <= INLINE_MAX_ROWS) return;
      this.#thread = new TableThread(this.#format, this.#columns, this.#sink);
    } else if (!isFull && this.#batch.length < BATCH_ROWS) return;
    await this.#thread.write(this.#taken());
  }

  #taken(): readonly (readonly Cell[])[] {
    const batch = this.#batch;
    this.#batch = [];
    this.#chars = 0;
    return batch;
  }

  async finish(): Promise<void> {
    const rows = this.#taken();
    if (this.#thread !== undefined) return await this.#thread.finish(rows);
    const writer = await openEncoder(this.#format, this.#columns, this.#sink);
    for (const cells of rows) await writer.write(cells);
    await writer.finish();
  }

  async close(): Promise<void> {
    this.#batch = [];
    await this.#thread?.end();
  }
}

/** The thread of one file, from outside. */
class TableThread {
  readonly #worker: Worker;
  readonly #sink: TableSink;
  #bytes: Uint8Array | undefined;
  #underWay = 0;
  #isFinished = false;
  #failure: { readonly error: unknown } | undefined;
  #wake: () => void = () => undefined;

  constructor(format: TableThreadData['format'], columns: readonly Column[], sink: TableSink) {
    this.#sink = sink;
    const data: TableThreadData = { millrace: 'table', format, columns };
    const resourceLimits = { maxOldGenerationSizeMb: THREAD_HEAP_MB };
    this.#worker = new Worker(THREAD, { workerData: data, name: 'table', resourceLimits });
    this.#worker.on('message', (message: FromTableThread) => this.#heard(message));
    this.#worker.once('error', (error) => this.#failed(error));
    this.#worker.once('exit', () => this.#failed(ended()));
  }

  #heard(message: FromTableThread): void {
    if (message.kind === 'bytes') this.#bytes = message.bytes;
    else if (message.kind === 'encoded') this.#underWay -= 1;
    else if (message.kind === 'finished') this.#isFinished = true;
    else this.#failed(new MillraceError(message.code, message.message));
    this.#wake();
  }

  #failed(error: unknown): void {
    this.#failure ??= { error };
    this.#wake();
  }

  #post(message: ToTableThread): void {
    this.#worker.postMessage(message);
  }

  async write(rows: readonly (readonly Cell[])[]): Promise<void> {
    if (rows.length > 0) {
      this.#underWay += 1;
      // As one text: the copy of many small objects takes longer.
      this.#post({ kind: 'rows', rows: JSON.stringify(rows) });
    }
    await this.#until(() => this.#underWay < BATCHES_MAX);
  }

  async finish(rows: readonly (readonly Cell[])[]): Promise<void> {
    await this.write(rows);
    this.#post({ kind: 'finish' });
    await this.#until(() => this.#isFinished);
    await this.end();
  }

  /** Hands on what the thread has encoded, until something holds. */
  async #until(holds: () => boolean): Promise<void> {
    for (;;) {
      const bytes = this.#bytes;
      if (bytes !== undefined) {
        await this.#sink.write(bytes);
        this.#bytes = undefined;
        this.#post({ kind: 'taken' });
        continue;
      }
      if (holds()) return;
      if (this.#failure !== undefined) throw this.#failure.error;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  async end(): Promise<void> {
    await this.#worker.terminate();
  }
}

const ended = (): MillraceError =>
  new MillraceError(
    'table_thread_ended',
    'The thread that wrote the file has ended. Ask for the file again.',
  );
