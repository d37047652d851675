import { z } from 'zod';
import type { LogUpkeepMode } from '../../../engine/index.ts';
import { JOB_LANES, JOB_STATUSES, type JobItemError, type JobRecord } from '../../../runtime/index.ts';
import { MASK, type PiiMask } from '../../answers/index.ts';
import { ApiError, allows, type Principal, timestamp, timeText, timeTextOrNull } from '../../http/index.ts';

const progressSchema = z
  .looseObject({
    done: z.number(),
    total: z.number().nullable().describe('null: not known beforehand'),
    unit: z.string().describe('What `done` counts, e.g. `bytes`'),
    rate_per_s: z.number().nullable().describe('Of the last half minute'),
    time_left_s: z.number().nullable(),
  })
  .describe('How far it is, with counts of its type, e.g. accepted, rejected');

export const itemErrorSchema = z.object({
  line: z.int().nullable().describe('Of the file, or its item, from 1'),
  event_id: z.string().nullable(),
  reason: z.string().describe('`code: what is wrong`'),
});

const fileSchema = z.object({
  media_type: z.string(),
  size_bytes: z.int(),
  expires_at: timestamp('When it is not served any more'),
});

export const RESUMED =
  'It was begun more than once. What an attempt did in its last second before a crash is in no count, or counts as ' +
  'what was so before: totals of rows and events are right, how many of them it changed is at least what it says';

export const jobSchema = z.object({
  job_id: z.string(),
  type: z.string(),
  lane: z.enum(JOB_LANES).describe('Lanes do not wait for each other'),
  status: z.enum(JOB_STATUSES),
  requested: z
    .enum(['pause', 'cancel'])
    .nullable()
    .describe('What was asked of a running job and is not done yet'),
  progress: progressSchema,
  result: z.unknown().describe('What came out so far; of an upload its position'),
  errors: z
    .object({ count: z.int(), listed: z.int() })
    .describe('Items that could not be taken; GET …/errors lists the first of them'),
  file: fileSchema.nullable().describe('What GET …/result gives'),
  error: z.object({ code: z.string(), message: z.string() }).nullable(),
  resumed: z.boolean().describe(RESUMED),
  created_by: z.string().describe('Id of the key or token'),
  created_at: timestamp('When it was created'),
  started_at: z.string().nullable(),
  finished_at: z.string().nullable(),
});

/** One job: with the first of its offending items. */
export const oneJobSchema = jobSchema.extend({
  error_report: z.array(itemErrorSchema).describe('The first offending items; GET …/errors has more'),
});

export const JOB_EXAMPLE = {
  job_id: 'job_5f0c6a1f0a6b4f0f9b7a2f6f3a1c9d42',
  type: 'bulk_ingest',
  lane: 'ingest',
  status: 'running',
  requested: null,
  progress: {
    done: 52428800,
    total: 104857600,
    unit: 'bytes',
    rate_per_s: 10485760,
    time_left_s: 5,
    done_lines: 209715,
    accepted: 209713,
    rejected: 2,
  },
  result: { position: { EVENTS: { 0: 309713 } } },
  errors: { count: 2, listed: 2 },
  file: null,
  error: null,
  resumed: false,
  created_by: 'k_01',
  created_at: '2025-08-01T12:00:00.000Z',
  started_at: '2025-08-01T12:00:00.100Z',
  finished_at: null,
};

/** Whether an earlier attempt ended before the job did. */
export const isResumed = ({ attempt }: Pick<JobRecord, 'attempt'>): boolean => attempt > 1;

/** A job as callers see it. */
export function jobView(record: JobRecord): z.input<typeof jobSchema> {
  const { job_id, type, lane, status, wanted, progress, counts, result, errors, error, file } = record;
  return {
    job_id,
    type,
    lane,
    status,
    requested: wanted,
    progress: { ...counts, ...progress },
    result,
    errors,
    file: file && {
      media_type: file.media_type,
      size_bytes: file.size_bytes,
      expires_at: timeText(file.expires_at_ms),
    },
    error,
    resumed: isResumed(record),
    created_by: record.created_by,
    created_at: timeText(record.created_at_ms),
    started_at: timeTextOrNull(record.started_at_ms),
    finished_at: timeTextOrNull(record.finished_at_ms),
  };
}

/** As a caller sees it: a reason quotes what was sent, for whoever sent it and who may see everything. */
export function itemView(
  { line, event_id, reason }: JobItemError,
  isMasked: boolean,
): z.input<typeof itemErrorSchema> {
  if (!isMasked) return { line, event_id, reason };
  return { line, event_id, reason: `${reason.split(':', 1)[0]}: ${MASK}` };
}

export function jobLocation(base: string, job_id: string): string {
  return `${base}/jobs/${job_id}`;
}

/** Types of jobs that report about all tenants by name, whichever tenant they lie with. */
const ABOUT_ALL_TENANTS: ReadonlySet<string> = new Set<LogUpkeepMode>(['retention', 'compaction']);

/**
 * A role that reads no numbers, such as one that only writes events, sees the jobs that its key started. What is about
 * all tenants is for keys of all tenants.
 */
export function maySee(
  { permissions, key_id, tenants }: Principal,
  { created_by, type }: Pick<JobRecord, 'created_by' | 'type'>,
): boolean {
  if (tenants !== '*' && ABOUT_ALL_TENANTS.has(type)) return false;
  return permissions.includes('kpis:read') || created_by === key_id;
}

/** Only an admin changes what others have started. */
export function requireOwn(principal: Principal, { created_by, lane }: JobRecord): void {
  if (lane === 'backfill' && principal.tenants !== '*') {
    throw new ApiError(
      'tenant_forbidden',
      'A backfill is of all tenants: only a key of all tenants changes it.',
    );
  }
  if (created_by === principal.key_id || allows(principal, 'jobs:manage')) return;
  throw new ApiError('role_forbidden', 'The job was started with another key: only an admin may change it.');
}

/** What an export or a query has written goes to those who may make one. */
export function requireReader(principal: Principal, { created_by, file }: JobRecord, mask: PiiMask): void {
  if (created_by === principal.key_id) return;
  if (!allows(principal, 'exports:create'))
    throw new ApiError('role_forbidden', 'Files of jobs are for the roles that may make exports.');
  if (file === null || mask.isEmpty) return;
  const { masked = [], dimensions = [] } = file.shows ?? {};
  mask.requireDimensions(dimensions);
  if (masked !== null && !mask.isWithin(masked))
    throw new ApiError('field_masked', 'The file shows what is masked for your role: make one of your own.');
}
