import { z } from 'zod';
import {
  type Answer,
  ApiError,
  type Cursors,
  listQuery,
  type Principal,
  pageOf,
  type Route,
  route,
  timestamp,
  timeText,
  timeTextOrNull,
} from '../../http/index.ts';
import type { JobManager } from './job-manager.ts';
import { JOB_STATUSES, type JobRecord } from './job-store.ts';

export const jobSchema = z.object({
  job_id: z.string(),
  type: z.string(),
  status: z.enum(JOB_STATUSES),
  progress: z
    .record(z.string(), z.number())
    .describe('How far it is, e.g. done_bytes, total_bytes, accepted, rejected'),
  result: z.unknown().describe('What came out so far; of an upload: position, and the first rejected lines'),
  error: z.object({ code: z.string(), message: z.string() }).nullable(),
  created_at: timestamp('When it was created'),
  started_at: z.string().nullable(),
  finished_at: z.string().nullable(),
});

const EXAMPLE = {
  job_id: 'job_5f0c6a1f0a6b4f0f9b7a2f6f3a1c9d42',
  type: 'bulk_ingest',
  status: 'running',
  progress: {
    done_bytes: 52428800,
    total_bytes: 104857600,
    done_lines: 209715,
    accepted: 209713,
    rejected: 2,
    sequence: 309713,
  },
  result: {
    position: { EVENTS: { 0: 309713 } },
    rejected: [{ line: 17, event_id: 'evt-17', reason: 'bad_field: amount: Invalid input' }],
  },
  error: null,
  created_at: '2025-08-01T12:00:00.000Z',
  started_at: '2025-08-01T12:00:00.100Z',
  finished_at: null,
};

/** A job as callers see it. */
export function jobView(record: JobRecord): z.input<typeof jobSchema> {
  const { job_id, type, status, progress, result, error } = record;
  return {
    job_id,
    type,
    status,
    progress,
    result,
    error,
    created_at: timeText(record.created_at_ms),
    started_at: timeTextOrNull(record.started_at_ms),
    finished_at: timeTextOrNull(record.finished_at_ms),
  };
}

export function jobLocation(base: string, job_id: string): string {
  return `${base}/jobs/${job_id}`;
}

/** A key that only writes events sees the jobs that it started, and no others. */
function maySee({ role, key_id }: Principal, { created_by }: JobRecord): boolean {
  return role !== 'ingest' || created_by === key_id;
}

const params = z.object({ jobId: z.string().max(128) });

/** Section 11: asynchronous work. */
export function jobRoutes(jobs: JobManager, cursors: Cursors): readonly Route[] {
  const find = (tenant: string, principal: Principal, job_id: string): JobRecord => {
    const record = jobs.get(tenant, job_id);
    if (maySee(principal, record)) return record;
    throw new ApiError('not_found', 'There is no job with this id.');
  };
  const cancel = async (call: {
    tenant: string;
    principal: Principal;
    params: { jobId: string };
  }): Promise<Answer> => {
    const { job_id } = find(call.tenant, call.principal, call.params.jobId);
    return { status: 200, json: jobView(await jobs.cancel(call.tenant, job_id)) };
  };
  const cancelAnswers = { 200: { description: 'The job, cancelled', schema: jobSchema } };
  return [
    route({
      id: 'listJobs',
      method: 'GET',
      path: '/jobs',
      tag: 'Jobs',
      summary: 'List recent jobs, newest first',
      permission: 'jobs:read',
      query: z.strictObject({
        status: z.enum(JOB_STATUSES).optional(),
        type: z.string().min(1).max(64).optional(),
        ...listQuery,
      }),
      answers: {
        200: {
          description: 'A page of jobs',
          schema: z.object({ jobs: z.array(jobSchema), next_cursor: z.string().nullable() }),
          example: { jobs: [EXAMPLE], next_cursor: null },
        },
      },
      problems: ['invalid_cursor', 'cursor_mismatch'],
      handle: ({ tenant, principal, query }) => {
        const { status, type, ...page } = query;
        const found = jobs
          .list(tenant)
          .filter((job) => maySee(principal, job))
          .filter((job) => (status ?? job.status) === job.status && (type ?? job.type) === job.type);
        const filter = { list: 'jobs', tenant, status, type };
        const sortKey = (job: JobRecord): readonly [number, string] => [-job.created_at_ms, job.job_id];
        const sorted = found.sort(
          (a, b) => b.created_at_ms - a.created_at_ms || (a.job_id < b.job_id ? -1 : 1),
        );
        const { items, next_cursor } = pageOf(cursors, sorted, sortKey, filter, page);
        return { status: 200, json: { jobs: items.map(jobView), next_cursor } };
      },
    }),
    route({
      id: 'getJob',
      method: 'GET',
      path: '/jobs/{jobId}',
      tag: 'Jobs',
      summary: 'Status and errors of a job',
      permission: 'jobs:read',
      params,
      answers: { 200: { description: 'The job', schema: jobSchema, example: EXAMPLE } },
      problems: ['not_found'],
      handle: (call) => ({
        status: 200,
        json: jobView(find(call.tenant, call.principal, call.params.jobId)),
      }),
    }),
    route({
      id: 'deleteJob',
      method: 'DELETE',
      path: '/jobs/{jobId}',
      tag: 'Jobs',
      summary: 'Cancel a job',
      description: 'The same as POST …/cancel. What was published before stays.',
      permission: 'jobs:cancel',
      params,
      answers: cancelAnswers,
      problems: ['not_found', 'wrong_state'],
      handle: cancel,
    }),
    route({
      id: 'cancelJob',
      method: 'POST',
      path: '/jobs/{jobId}/cancel',
      tag: 'Jobs',
      summary: 'Cancel a job',
      description: 'Waits until it has stopped. What was published before stays.',
      permission: 'jobs:cancel',
      params,
      answers: cancelAnswers,
      problems: ['not_found', 'wrong_state'],
      handle: cancel,
    }),
  ];
}
