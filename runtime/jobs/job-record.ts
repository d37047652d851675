import { randomUUID } from 'node:crypto';
import { z } from 'zod';

/** Lanes do not wait for each other; within one, jobs take turns. */
export const JOB_LANES = ['ingest', 'query', 'export', 'backfill', 'training'] as const;
export type JobLane = (typeof JOB_LANES)[number];

export const JOB_STATUSES = ['queued', 'running', 'paused', 'succeeded', 'failed', 'cancelled'] as const;
export type JobStatus = (typeof JOB_STATUSES)[number];

/** Ids are file names: nothing else may come in here. */
export const JOB_ID = /^job_[0-9a-f]{32}$/;

export function newJobId(): string {
  return `job_${randomUUID().replaceAll('-', '')}`;
}

const fileSchema = z.object({
  /** In the folder of job files of `disk`. */
  name: z.string().regex(/^[\w.-]+$/),
  media_type: z.string(),
  /** What it shows: readers that must not see that are refused. Files of an earlier version do not say it. */
  shows: z
    .object({
      /** Members of its events that are masked in it; null: there are no events in it. */
      masked: z.array(z.string()).nullable(),
      /** By which its answer is grouped or filtered. */
      dimensions: z.array(z.string()),
    })
    .optional(),
  size_bytes: z.int(),
  /** Of the data folder that it lies in. */
  disk: z.string(),
  /** From here on it is not served any more. */
  expires_at_ms: z.number(),
});

const progressSchema = z.object({
  done: z.number(),
  /** null: not known. */
  total: z.number().nullable(),
  /** What `done` counts, e.g. `bytes`. */
  unit: z.string(),
  /** Of the last half minute; null before there is one. */
  rate_per_s: z.number().nullable(),
  time_left_s: z.number().nullable(),
});

export const jobRecordSchema = z.object({
  job_id: z.string().regex(JOB_ID),
  tenant: z.string(),
  type: z.string(),
  lane: z.enum(JOB_LANES),
  status: z.enum(JOB_STATUSES),
  /** Id of the key that started it. */
  created_by: z.string(),
  created_at_ms: z.number(),
  started_at_ms: z.number().nullable(),
  finished_at_ms: z.number().nullable(),
  /** What its owner is asked to do with it while it runs. */
  wanted: z.enum(['pause', 'cancel']).nullable(),
  /** The process that runs it, and the disk that this process writes to. */
  owner: z.object({ process: z.string(), disk: z.string() }).nullable(),
  /** Grows with each claim; a process whose attempt is over writes nothing more. */
  attempt: z.int(),
  /** Attempts since it last got on: one that only ever crashes is given up. */
  stalled_attempts: z.int(),
  /** Where its input lies when it lies on one disk only: it runs there and nowhere else. */
  disk: z.string().nullable(),
  /** What the job was asked to do; null once it is over. */
  input: z.unknown(),
  /** The report that it is a run of, and when that was due. */
  report: z.object({ id: z.string(), name: z.string(), due_ms: z.number() }).exactOptional(),
  /** From here it goes on; null once it is over. */
  state: z.unknown(),
  progress: progressSchema,
  /** Numbers of its kind, e.g. accepted. */
  counts: z.record(z.string(), z.number()),
  /** Items that it could not take: all are counted, the first are listed. */
  errors: z.object({ count: z.int(), listed: z.int() }),
  result: z.unknown(),
  error: z.object({ code: z.string(), message: z.string() }).nullable(),
  file: fileSchema.nullable(),
});

/** A job as it is kept in the bucket. */
export type JobRecord = z.infer<typeof jobRecordSchema>;
export type JobFile = z.infer<typeof fileSchema>;
export type JobProgress = z.infer<typeof progressSchema>;

/** An item that a job could not take. */
export interface JobItemError {
  /** Line of a file, or its item, from 1; null where there is none. */
  readonly line: number | null;
  readonly event_id: string | null;
  readonly reason: string;
}

export function isFinished({ status }: Pick<JobRecord, 'status'>): boolean {
  return status === 'succeeded' || status === 'failed' || status === 'cancelled';
}

/** Waits for its turn, or for somebody: it counts against the lane's limit. */
export function isWaiting({ status }: Pick<JobRecord, 'status'>): boolean {
  return status === 'queued' || status === 'paused';
}
