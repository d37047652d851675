import { z } from 'zod';
import { isFinished, JOB_LANES, JOB_STATUSES, type JobRecord, type Jobs } from '../../../runtime/index.ts';
import type { PiiMask } from '../../answers/index.ts';
import {
  type Answer,
  ApiError,
  type Cursors,
  type EventStreams,
  listQuery,
  type Principal,
  pageOf,
  type RawCall,
  type Route,
  route,
  type ServerEvent,
} from '../../http/index.ts';
import { fileAnswer } from './job-file.ts';
import {
  itemErrorSchema,
  itemView,
  JOB_EXAMPLE,
  jobSchema,
  jobView,
  maySee,
  oneJobSchema,
  requireOwn,
  requireReader,
} from './job-view.ts';

/** Offending items that the job itself shows. */
const REPORT_MAX_ITEMS = 100;

const params = z.object({ jobId: z.string().max(128) });

export interface JobParts {
  readonly jobs: Jobs;
  readonly cursors: Cursors;
  readonly streams: EventStreams;
  readonly now: () => number;
  /** What a caller may not see of events. */
  readonly maskOf: (call: Pick<RawCall, 'tenant' | 'principal'>) => PiiMask;
}

interface JobCall {
  readonly tenant: string;
  readonly principal: Principal;
  readonly params: { readonly jobId: string };
}

/** Section 11: asynchronous work. */
export function jobRoutes(parts: JobParts): readonly Route[] {
  const { jobs } = parts;
  return [
    listRoute(parts),
    oneRoute(parts),
    changeRoute(parts, {
      id: 'deleteJob',
      method: 'DELETE',
      path: '/jobs/{jobId}',
      summary: 'Cancel a job',
      description: 'The same as POST …/cancel.',
      change: (tenant, id) => jobs.cancel(tenant, id),
    }),
    changeRoute(parts, {
      id: 'cancelJob',
      method: 'POST',
      path: '/jobs/{jobId}/cancel',
      summary: 'Cancel a job',
      description:
        'Waits until it has stopped; 202 where that takes longer than 10 s. What was published before stays.',
      change: (tenant, id) => jobs.cancel(tenant, id),
    }),
    changeRoute(parts, {
      id: 'pauseJob',
      method: 'POST',
      path: '/jobs/{jobId}/pause',
      summary: 'Pause a job',
      description:
        'A job that runs stops at its next step and keeps what it has done; a kind without steps (a query, a ' +
        'backfill) begins anew when it is resumed. A paused job still counts against the lane.',
      change: (tenant, id) => jobs.pause(tenant, id),
    }),
    changeRoute(parts, {
      id: 'resumeJob',
      method: 'POST',
      path: '/jobs/{jobId}/resume',
      summary: 'Queue a paused job again',
      description: 'It goes on from where it was paused.',
      change: (tenant, id) => jobs.resume(tenant, id),
    }),
    eventsRoute(parts),
    errorsRoute(parts),
    resultRoute(parts),
  ];
}

async function find(
  { jobs }: JobParts,
  { tenant, principal, params: { jobId } }: JobCall,
): Promise<JobRecord> {
  const record = await jobs.get(tenant, jobId);
  if (maySee(principal, record)) return record;
  throw new ApiError('not_found', 'There is no job with this id.');
}

function listRoute({ jobs, cursors }: JobParts): Route {
  return route({
    id: 'listJobs',
    method: 'GET',
    path: '/jobs',
    tag: 'Jobs',
    summary: 'List recent jobs, newest first',
    permission: 'jobs:read',
    query: z.strictObject({
      status: z.enum(JOB_STATUSES).optional(),
      type: z.string().min(1).max(64).optional(),
      lane: z.enum(JOB_LANES).optional(),
      ...listQuery,
    }),
    answers: {
      200: {
        description: 'A page of jobs',
        schema: z.object({ jobs: z.array(jobSchema), next_cursor: z.string().nullable() }),
        example: { jobs: [JOB_EXAMPLE], next_cursor: null },
      },
    },
    problems: ['invalid_cursor', 'cursor_mismatch'],
    handle: ({ tenant, principal, query }) => {
      const { status, type, lane, ...page } = query;
      const found = jobs
        .list(tenant)
        .filter((job) => maySee(principal, job))
        .filter((job) => (status ?? job.status) === job.status)
        .filter((job) => (type ?? job.type) === job.type && (lane ?? job.lane) === job.lane);
      const filter = { list: 'jobs', tenant, status, type, lane };
      const sortKey = (job: JobRecord): readonly [number, string] => [-job.created_at_ms, job.job_id];
      const { items, next_cursor } = pageOf(cursors, found, sortKey, filter, page);
      return { status: 200, json: { jobs: items.map(jobView), next_cursor } };
    },
  });
}

function oneRoute(parts: JobParts): Route {
  return route({
    id: 'getJob',
    method: 'GET',
    path: '/jobs/{jobId}',
    tag: 'Jobs',
    summary: 'Status and error report of a job',
    permission: 'jobs:read',
    params,
    answers: {
      200: {
        description: 'The job',
        schema: oneJobSchema,
        example: { ...JOB_EXAMPLE, error_report: [ERROR_EXAMPLE] },
      },
    },
    problems: ['not_found', 'kv_unavailable'],
    handle: async (call) => {
      const record = await find(parts, call);
      const items = await parts.jobs.errorsOf(record);
      const error_report = items
        .slice(0, REPORT_MAX_ITEMS)
        .map((item) => itemView(item, isMasked(parts, call, record)));
      return { status: 200, json: { ...jobView(record), error_report } };
    },
  });
}

const ERROR_EXAMPLE = { line: 17, event_id: 'evt-17', reason: 'bad_field: amount: Invalid input' };

interface Change {
  readonly id: string;
  readonly method: 'POST' | 'DELETE';
  readonly path: string;
  readonly summary: string;
  readonly description: string;
  change(tenant: string, job_id: string): Promise<JobRecord>;
}

function changeRoute(parts: JobParts, { change, ...info }: Change): Route {
  return route({
    ...info,
    tag: 'Jobs',
    permission: 'jobs:cancel',
    params,
    answers: {
      200: { description: 'The job, as it is now', schema: jobSchema },
      202: { description: 'It is asked for, and not done yet', schema: jobSchema },
    },
    problems: ['not_found', 'wrong_state', 'kv_unavailable'],
    handle: async (call): Promise<Answer> => {
      const record = await find(parts, call);
      requireOwn(call.principal, record);
      const changed = await change(call.tenant, record.job_id);
      return { status: changed.wanted === null ? 200 : 202, json: jobView(changed) };
    },
  });
}

function eventsRoute(parts: JobParts): Route {
  return route({
    id: 'followJob',
    method: 'GET',
    path: '/jobs/{jobId}/events',
    tag: 'Jobs',
    summary: 'Progress of a job as it happens, by server-sent events',
    description:
      'Sends the job as it is and then after each change, as `progress`; its end is an event named as its final ' +
      'status, with which the stream ends. An `id` names each state: a client that comes again with ' +
      '`Last-Event-ID` gets what it has not seen, and 204 when there will be nothing more. Comments are signs of life.',
    permission: 'jobs:read',
    params,
    answers: {
      200: { description: 'The events', content: { 'text/event-stream': { schema: z.string() } } },
      204: { description: 'The client has seen the end' },
    },
    problems: ['not_found', 'too_many_streams', 'kv_unavailable'],
    handle: async (call): Promise<Answer> => {
      const record = await find(parts, call);
      const seen = Number(call.request.headers.get('last-event-id') ?? 0);
      const { jobs, streams } = parts;
      if (isFinished(record) && jobs.revisionOf(record.job_id) <= seen) return { status: 204 };
      const follow = (signal: AbortSignal): AsyncGenerator<ServerEvent> =>
        eventsOf(jobs, record, seen, signal);
      return {
        status: 200,
        headers: { 'Content-Type': 'text/event-stream; charset=utf-8', 'X-Accel-Buffering': 'no' },
        stream: streams.stream(call.principal.key_id, follow),
      };
    },
  });
}

async function* eventsOf(
  jobs: Jobs,
  job: JobRecord,
  seen: number,
  signal: AbortSignal,
): AsyncGenerator<ServerEvent> {
  for await (const { record, revision } of jobs.follow(job, signal)) {
    if (revision <= seen) continue;
    const event = isFinished(record) ? record.status : 'progress';
    yield { event, id: String(revision), data: jobView(record) };
  }
}

/** Something of events is hidden from the caller, who has not sent them. */
function isMasked(parts: JobParts, call: RawCall, { created_by }: Pick<JobRecord, 'created_by'>): boolean {
  return created_by !== call.principal.key_id && !parts.maskOf(call).isEmpty;
}

function errorsRoute(parts: JobParts): Route {
  return route({
    id: 'listJobErrors',
    method: 'GET',
    path: '/jobs/{jobId}/errors',
    tag: 'Jobs',
    summary: 'Items that a job could not take',
    description: 'The first 1,000 or so are listed, in order; all are counted.',
    permission: 'jobs:read',
    params,
    query: z.strictObject(listQuery),
    answers: {
      200: {
        description: 'A page of them',
        schema: z.object({
          count: z.int().describe('All of them'),
          listed: z.int().describe('Those that can be listed'),
          errors: z.array(itemErrorSchema),
          next_cursor: z.string().nullable(),
        }),
        example: { count: 2, listed: 2, errors: [ERROR_EXAMPLE], next_cursor: null },
      },
    },
    problems: ['not_found', 'invalid_cursor', 'cursor_mismatch', 'kv_unavailable'],
    handle: async (call) => {
      const record = await find(parts, call);
      const all = (await parts.jobs.errorsOf(record)).map((item, index) => ({ item, index }));
      const filter = { list: 'job-errors', job: record.job_id };
      const sortKey = ({ index }: { readonly index: number }): readonly [number, string] => [index, ''];
      const { items, next_cursor } = pageOf(parts.cursors, all, sortKey, filter, call.query);
      const errors = items.map(({ item }) => itemView(item, isMasked(parts, call, record)));
      return { status: 200, json: { ...record.errors, errors, next_cursor } };
    },
  });
}

function resultRoute(parts: JobParts): Route {
  return route({
    id: 'getJobResult',
    method: 'GET',
    path: '/jobs/{jobId}/result',
    audited: 'export',
    tag: 'Jobs',
    summary: 'The file that a job has written',
    description:
      'The answer of a query, the rows of an export. It is kept for 24 hours (`file.expires_at`), then it is 410 ' +
      '`expired`. Where several hosts serve, it lies on the one that ran the job.',
    permission: 'jobs:read',
    params,
    answers: {
      200: {
        description: 'The file',
        content: {
          'application/json': { schema: z.looseObject({}) },
          'application/x-ndjson': { schema: z.string() },
          'text/csv': { schema: z.string() },
          'application/gzip': { schema: z.string() },
        },
      },
    },
    problems: ['not_found', 'field_masked', 'wrong_state', 'expired', 'file_elsewhere'],
    handle: async (call) => {
      const record = await find(parts, call);
      requireReader(call.principal, record, parts.maskOf(call));
      return fileAnswer(parts.jobs, record, parts.now());
    },
  });
}
