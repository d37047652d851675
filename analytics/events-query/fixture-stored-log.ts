import {
  type Chunk,
  Dictionary,
  type KvStore,
  type LogLimits,
  LogWriter,
  MemoryDisk,
  RowBatch,
  type ScanPlan,
  type ScanRequest,
} from '../../engine/index.ts';
import { rowSchema } from '../rows/index.ts';
import { type FilledLog, type TestEvent, writeCorrection, writeEvent } from './fixture-log.ts';
import { openEvents } from './select-request.ts';

const LIMITS: Partial<LogLimits> = {
  fanout: 3,
  sealed_min_rows: 40,
  segment_max_rows: 80,
  sort_min_rows: 8,
  merge_max_rows: 30,
};

/** The real log on a store in memory, or on another; each commit is a segment, small ones are merged. */
export class StoredLog implements FilledLog {
  readonly schema = rowSchema();
  readonly dictionary = new Dictionary();
  readonly #store: KvStore;
  readonly #writer: LogWriter;
  readonly #batch: RowBatch;
  readonly #commit_rows: number;

  constructor(
    commit_rows = 5,
    limits: Partial<LogLimits> = LIMITS,
    store: KvStore = new MemoryDisk().open(),
  ) {
    this.#commit_rows = commit_rows;
    this.#store = store;
    this.#writer = new LogWriter(this.#tables, this.schema, limits);
    this.#batch = new RowBatch(this.schema, this.dictionary);
  }

  get #tables() {
    return { segments: this.#store.table('log/segments'), chunks: this.#store.table('log/chunks') };
  }

  add(tenant: string, event: TestEvent, sequence: number, part: number, over?: TestEvent): void {
    writeEvent(this.#batch, tenant, event, sequence, part, over);
    if (this.#batch.length >= this.#commit_rows) this.commit();
  }

  correct(sequence: number): void {
    if (this.#batch.length > 0) writeCorrection(this.#batch, sequence);
  }

  commit(): void {
    if (this.#batch.length > 0) this.#writer.append(this.#batch);
    this.#batch.clear();
    this.#store.transaction(() => this.#writer.commit(this.#tables));
  }

  /** Each commit merges what is due. */
  merge(): void {
    for (let round = 0; round < 4; round++) this.commit();
  }

  plan(request: ScanRequest): ScanPlan {
    if (this.#batch.length > 0) this.commit();
    return openEvents(this.#tables, this.schema, this.dictionary).plan(request);
  }

  scan(plan: ScanPlan, visit: (chunk: Chunk) => unknown): void {
    openEvents(this.#tables, this.schema, this.dictionary).scan(plan, visit);
  }
}
