import type { Logger } from 'pino';
import { invariant, type KeyValueStore } from '../../engine/index.ts';
import { type JobRecord, jobRecordSchema } from './job-record.ts';

/** A job and the revision of the bucket that it was read at. */
export interface JobEntry {
  readonly record: JobRecord;
  readonly revision: number;
}

export type JobWrite =
  | { readonly ok: true; readonly entry: JobEntry }
  | { readonly ok: false; readonly current: JobEntry | undefined };

export type JobListener = (job_id: string, entry: JobEntry | undefined) => void;

const JOB_PREFIX = 'job.';
export const MEMBER_PREFIX = 'member.';
/** A change that loses so often in a row is not contention any more. */
const CHANGE_MAX_TRIES = 50;

const keyOf = ({ tenant, job_id }: Pick<JobRecord, 'tenant' | 'job_id'>): string =>
  `${JOB_PREFIX}${tenant}.${job_id}`;

/** All jobs of the bucket, as this process has heard of them; every change is a compare-and-set. */
export class JobBoard {
  readonly #store: KeyValueStore;
  readonly #log: Logger;
  readonly #onMember: (process: string, value: unknown) => void;
  readonly #entries = new Map<string, JobEntry>();
  readonly #listeners = new Set<JobListener>();
  #unwatch: (() => Promise<void>) | undefined;
  /** The bucket is behind the memory. */
  #isRestoring = false;
  /** It was made again, and does not have all that is in memory. */
  #owes = false;

  /** `onMember` hears of what lies under `member.`; undefined: it is gone. */
  constructor(store: KeyValueStore, log: Logger, onMember: (process: string, value: unknown) => void) {
    this.#store = store;
    this.#log = log;
    this.#onMember = onMember;
  }

  async open(): Promise<void> {
    this.#unwatch = await this.#store.watch(
      (change) => {
        if (change.kind === 'put') this.#heard(change.key, change);
        else if (change.lost !== true || change.key.startsWith(MEMBER_PREFIX))
          this.#heard(change.key, undefined);
        else this.#owes = true;
      },
      (error) => this.#log.error({ err: error }, 'the bucket of jobs cannot be watched'),
    );
  }

  async close(): Promise<void> {
    await this.#unwatch?.();
  }

  /** Makes the bucket again where it was deleted, with what is in memory; what other processes wrote back stays. */
  async repair(): Promise<void> {
    let newest = 0;
    for (const { revision } of this.#entries.values()) newest = Math.max(newest, revision);
    // Whoever made it again: what this process knows and the bucket does not was not deleted.
    if (!(await this.#store.ensure(newest)) && !this.#owes) return;
    this.#owes = true;
    this.#isRestoring = true;
    try {
      const known = [...this.#entries.values()];
      this.#log.warn({ jobs: known.length }, 'the bucket of jobs was deleted: it is made again');
      // The new bucket counts from 1: whatever it says is newer.
      for (const { record } of known) this.#entries.set(record.job_id, { record, revision: 0 });
      for (const { record } of known) await this.create(record);
      this.#owes = false;
    } finally {
      this.#isRestoring = false;
    }
  }

  /** Calls `listener` for every change, this process's own among them, until the returned function is called. */
  onChange(listener: JobListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  entries(): IterableIterator<JobEntry> {
    return this.#entries.values();
  }

  known(job_id: string): JobEntry | undefined {
    return this.#entries.get(job_id);
  }

  /** Asks the bucket for what another process may have made a moment ago. */
  async find(tenant: string, job_id: string): Promise<JobEntry | undefined> {
    const known = this.#entries.get(job_id);
    if (known !== undefined) return known.record.tenant === tenant ? known : undefined;
    const found = await this.#store.get(keyOf({ tenant, job_id }));
    return found === undefined ? undefined : this.#read(found.key, found);
  }

  async create(record: JobRecord): Promise<JobWrite> {
    return this.#written(record, await this.#store.create(keyOf(record), record));
  }

  /** Replaces what was read at `revision`. */
  async update(record: JobRecord, revision: number): Promise<JobWrite> {
    return this.#written(record, await this.#store.update(keyOf(record), record, revision));
  }

  /** Changes a job as it is when the write happens; `change` throws to refuse, returns undefined to leave it. */
  async change(
    entry: JobEntry,
    change: (record: JobRecord) => JobRecord | undefined,
  ): Promise<JobEntry | undefined> {
    let at: JobEntry | undefined = entry;
    for (let tries = 0; at !== undefined; tries++) {
      invariant(tries < CHANGE_MAX_TRIES, 'a change of a job wins at some time');
      const next = change(at.record);
      if (next === undefined) return at;
      const written = await this.update(next, at.revision);
      if (written.ok) return written.entry;
      at = written.current;
    }
    return undefined;
  }

  async remove({ record, revision }: JobEntry): Promise<boolean> {
    const { ok } = await this.#store.delete(keyOf(record), revision);
    if (ok) this.#forget(record.job_id);
    return ok;
  }

  #written(record: JobRecord, written: Awaited<ReturnType<KeyValueStore['update']>>): JobWrite {
    if (written.ok) {
      const entry = { record, revision: written.revision };
      this.#learn(entry);
      return { ok: true, entry };
    }
    const { current } = written;
    return { ok: false, current: current === undefined ? undefined : this.#read(current.key, current) };
  }

  #heard(key: string, found: { readonly value: unknown; readonly revision: number } | undefined): void {
    if (key.startsWith(MEMBER_PREFIX)) this.#onMember(key.slice(MEMBER_PREFIX.length), found?.value);
    else if (found !== undefined) this.#read(key, found);
    else if (!this.#isRestoring) this.#forget(key.slice(key.lastIndexOf('.') + 1));
  }

  #read(
    key: string,
    { value, revision }: { readonly value: unknown; readonly revision: number },
  ): JobEntry | undefined {
    const parsed = jobRecordSchema.safeParse(value);
    if (!parsed.success) {
      this.#log.error({ err: parsed.error, key }, 'a job cannot be read and is ignored');
      return undefined;
    }
    const entry = { record: parsed.data, revision };
    this.#learn(entry);
    return entry;
  }

  #learn(entry: JobEntry): void {
    const { job_id } = entry.record;
    // The watch tells of writes that this process has long seen.
    if ((this.#entries.get(job_id)?.revision ?? 0) >= entry.revision) return;
    this.#entries.set(job_id, entry);
    for (const listener of this.#listeners) listener(job_id, entry);
  }

  #forget(job_id: string): void {
    if (!this.#entries.delete(job_id)) return;
    for (const listener of this.#listeners) listener(job_id, undefined);
  }
}
