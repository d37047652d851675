import { z } from 'zod';
import type { KeyValueStore, KeyValueWrite } from '../../engine/index.ts';
import { ERROR_REASON_MAX_CHARS, ERRORS_MAX_BYTES, ERRORS_MAX_ITEMS } from './job-limits.ts';
import type { JobItemError, JobRecord } from './job-record.ts';

const listSchema = z.object({
  attempt: z.int(),
  items: z.array(z.object({ line: z.int().nullable(), event_id: z.string().nullable(), reason: z.string() })),
});

/**
 * The offending items of a job, in a bucket of their own: they are read when somebody asks. The job's record says how
 * many of them count, so that what was written after its last checkpoint does not come twice.
 */
export class ErrorList {
  readonly #store: KeyValueStore;
  readonly #job: Pick<JobRecord, 'job_id' | 'attempt'>;
  #items: JobItemError[];
  #revision: number;
  #size_bytes = 0;
  #isDirty = false;
  #count: number;

  private constructor(
    store: KeyValueStore,
    { job_id, attempt, errors }: JobRecord,
    items: JobItemError[],
    revision: number,
  ) {
    this.#store = store;
    this.#job = { job_id, attempt };
    this.#items = items;
    this.#revision = revision;
    this.#count = errors.count;
    for (const item of items) this.#size_bytes += sizeOf(item);
  }

  /** The list as of the record's last checkpoint, to go on with. */
  static async open(store: KeyValueStore, record: JobRecord): Promise<ErrorList> {
    const stored = await store.get(record.job_id);
    return new ErrorList(store, record, itemsOf(stored?.value, record), stored?.revision ?? 0);
  }

  static async read(store: KeyValueStore, record: JobRecord): Promise<readonly JobItemError[]> {
    if (record.errors.listed === 0) return [];
    return itemsOf((await store.get(record.job_id))?.value, record);
  }

  get counts(): JobRecord['errors'] {
    return { count: this.#count, listed: this.#items.length };
  }

  add(errors: readonly JobItemError[]): void {
    this.#count += errors.length;
    for (const { line, event_id, reason } of errors) {
      if (this.#items.length >= ERRORS_MAX_ITEMS || this.#size_bytes >= ERRORS_MAX_BYTES) return;
      const item = { line, event_id, reason: reason.slice(0, ERROR_REASON_MAX_CHARS) };
      this.#items.push(item);
      this.#size_bytes += sizeOf(item);
      this.#isDirty = true;
    }
  }

  /** Writes what is new. False: a later attempt has written, this one is over. */
  async flush(): Promise<boolean> {
    while (this.#isDirty) {
      const { job_id, attempt } = this.#job;
      const list = { attempt, items: this.#items };
      this.#isDirty = false;
      const written = await this.#write(job_id, list);
      if (written.ok) {
        this.#revision = written.revision;
        continue;
      }
      this.#isDirty = true;
      const other = listSchema.safeParse(written.current?.value);
      if (other.success && other.data.attempt > attempt) return false;
      this.#revision = written.current?.revision ?? 0;
    }
    return true;
  }

  async #write(job_id: string, list: unknown): Promise<KeyValueWrite> {
    try {
      return await (this.#revision === 0
        ? this.#store.create(job_id, list)
        : this.#store.update(job_id, list, this.#revision));
    } catch (error) {
      this.#isDirty = true;
      throw error;
    }
  }
}

function itemsOf(value: unknown, { errors }: JobRecord): JobItemError[] {
  const parsed = listSchema.safeParse(value);
  return parsed.success ? parsed.data.items.slice(0, errors.listed) : [];
}

const sizeOf = (item: JobItemError): number => Buffer.byteLength(JSON.stringify(item));
