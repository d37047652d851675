import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Logger } from 'pino';
import { z } from 'zod';
import type { KeyValueStore } from '../../engine/index.ts';
import { ERRORS_MAX_ITEMS } from './job-limits.ts';
import { JOB_ID, type JobLane, type JobRecord } from './job-record.ts';
import type { Jobs } from './jobs.ts';

/** A job as earlier versions kept it: a file of the process that ran it. */
const earlierSchema = z.object({
  job_id: z.string().regex(JOB_ID),
  tenant: z.string(),
  type: z.string(),
  status: z.enum(['queued', 'running', 'succeeded', 'failed', 'cancelled']),
  created_by: z.string(),
  created_at_ms: z.number(),
  started_at_ms: z.number().nullable(),
  finished_at_ms: z.number().nullable(),
  progress: z.record(z.string(), z.number()),
  result: z
    .looseObject({
      position: z.unknown(),
      rejected: z
        .array(z.object({ line: z.int(), event_id: z.string().nullable(), reason: z.string() }))
        .default([]),
    })
    .nullable(),
  error: z.object({ code: z.string(), message: z.string() }).nullable(),
});
type Earlier = z.infer<typeof earlierSchema>;

/**
 * Takes the jobs that an earlier version left in a folder into the bucket, where they go on; says in the log which
 * it could not read, and leaves those.
 */
export async function adoptEarlierJobs(
  folder: string,
  jobs: Jobs,
  { errors, lane, log }: { readonly errors: KeyValueStore; readonly lane: JobLane; readonly log: Logger },
): Promise<void> {
  let adopted = 0;
  for (const name of await namesIn(folder)) {
    const path = join(folder, name);
    const parsed = earlierSchema.safeParse(await read(path));
    if (!parsed.success) {
      log.error(
        { err: parsed.error, file: path },
        'a job of an earlier version cannot be read: it is left where it is',
      );
      continue;
    }
    const items = parsed.data.result?.rejected.slice(0, ERRORS_MAX_ITEMS) ?? [];
    // One that is there already has been taken over before, by a start that ended in the middle.
    if (items.length > 0) await errors.create(parsed.data.job_id, { attempt: 0, items });
    await jobs.adopt(recordOf(parsed.data, lane, jobs.files.disk));
    await rm(path);
    adopted++;
  }
  if (adopted > 0) log.info({ jobs: adopted, folder }, 'jobs of an earlier version were taken over');
}

async function namesIn(folder: string): Promise<readonly string[]> {
  try {
    return (await readdir(folder)).filter((name) => name.endsWith('.json')).sort();
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return [];
    throw error;
  }
}

async function read(path: string): Promise<unknown> {
  const text = await readFile(path, 'utf8');
  try {
    return JSON.parse(text) as unknown;
  } catch {
    // What a power cut left: the schema refuses it, by name.
    return undefined;
  }
}

function recordOf(earlier: Earlier, lane: JobLane, disk: string): JobRecord {
  const { progress, result, status, ...rest } = earlier;
  const { done_bytes = 0, total_bytes = 0, ...counts } = progress;
  const isOver = status !== 'queued' && status !== 'running';
  const listed = Math.min(result?.rejected.length ?? 0, ERRORS_MAX_ITEMS);
  return {
    ...rest,
    lane,
    status: isOver ? status : 'queued',
    ...{ wanted: null, owner: null, attempt: 0, stalled_attempts: 0, disk },
    input: isOver ? null : { size_bytes: total_bytes },
    state: isOver ? null : progress,
    progress: { done: done_bytes, total: total_bytes, unit: 'bytes', rate_per_s: null, time_left_s: null },
    counts,
    errors: { count: counts.rejected ?? listed, listed },
    result: result === null ? null : { position: result.position ?? null },
    file: null,
  };
}
