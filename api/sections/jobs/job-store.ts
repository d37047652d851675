import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Logger } from 'pino';
import { z } from 'zod';
import { PRIVATE_FILE_MODE, PRIVATE_FOLDER_MODE } from '../../../engine/index.ts';

export const JOB_STATUSES = ['queued', 'running', 'succeeded', 'failed', 'cancelled'] as const;

/** Ids are file names: nothing else may come in here. */
export const JOB_ID = /^job_[0-9a-f]{32}$/;

const jobSchema = z.object({
  job_id: z.string().regex(JOB_ID),
  tenant: z.string(),
  type: z.string(),
  status: z.enum(JOB_STATUSES),
  /** Id of the key that started it. */
  created_by: z.string(),
  created_at_ms: z.number(),
  started_at_ms: z.number().nullable(),
  finished_at_ms: z.number().nullable(),
  /** What the job was asked to do; not shown. */
  input: z.unknown(),
  progress: z.record(z.string(), z.number()),
  result: z.unknown(),
  error: z.object({ code: z.string(), message: z.string() }).nullable(),
});

/** A job as it is kept on disk. */
export type JobRecord = z.infer<typeof jobSchema>;

export function isFinished({ status }: Pick<JobRecord, 'status'>): boolean {
  return status !== 'queued' && status !== 'running';
}

/** Job records as files, one each, replaced as a whole so that a crash leaves the old one or the new one. */
export class JobStore {
  readonly #folder: string;
  readonly #log: Logger;
  /** The last write of each job: writes of one job follow each other. */
  readonly #writes = new Map<string, Promise<void>>();

  constructor(folder: string, log: Logger) {
    this.#folder = folder;
    this.#log = log;
  }

  /** All records, in order of creation. What cannot be read is reported and left where it is. */
  async load(): Promise<JobRecord[]> {
    await mkdir(this.#folder, { recursive: true, mode: PRIVATE_FOLDER_MODE });
    const records: JobRecord[] = [];
    for (const name of await readdir(this.#folder)) {
      if (!name.endsWith('.json')) continue;
      try {
        records.push(jobSchema.parse(JSON.parse(await readFile(join(this.#folder, name), 'utf8'))));
      } catch (error) {
        this.#log.error({ err: error, file: name }, 'a job record cannot be read and is ignored');
      }
    }
    return records.sort((a, b) => a.created_at_ms - b.created_at_ms || (a.job_id < b.job_id ? -1 : 1));
  }

  /** Writes the record as it is now. */
  save(record: JobRecord): Promise<void> {
    const text = JSON.stringify(record);
    return this.#after(record.job_id, async () => {
      const path = this.#path(record.job_id);
      await writeFile(`${path}.new`, text, { mode: PRIVATE_FILE_MODE });
      await rename(`${path}.new`, path);
    });
  }

  remove(job_id: string): Promise<void> {
    return this.#after(job_id, () => rm(this.#path(job_id), { force: true }));
  }

  #path(job_id: string): string {
    return join(this.#folder, `${job_id}.json`);
  }

  async #after(job_id: string, work: () => Promise<void>): Promise<void> {
    const before = this.#writes.get(job_id) ?? Promise.resolve();
    // The one before has told its own caller of its failure.
    const write = before.catch(() => undefined).then(work);
    this.#writes.set(job_id, write);
    try {
      await write;
    } finally {
      if (this.#writes.get(job_id) === write) this.#writes.delete(job_id);
    }
  }
}
