import { z } from 'zod';
import { type JobRecord, type Jobs, newJobId } from '../../../runtime/index.ts';
import { type AnswerParts, analyticsOf, BODY_PROBLEMS } from '../../answers/index.ts';
import { ApiError, type Cursors, type Route, route, timeText } from '../../http/index.ts';
import type { EventSearch } from '../events/index.ts';
import {
  createJob,
  fileAnswer,
  JOB_EXAMPLE,
  type JobMaking,
  jobSchema,
  jobView,
  requireReader,
} from '../jobs/index.ts';
import { askerOf, SAVED_RUN_PROBLEMS } from '../queries/index.ts';
import { EXPORT_JOB } from './export-kind.ts';
import type { ExportMaking } from './export-making.ts';
import { documentedExport, exportBody } from './export-request.ts';

/** A link serves for so long after it was given, and not beyond the file's own time, ms. */
const LINK_MS = 3_600_000;

export interface ExportRouteParts extends JobMaking {
  readonly answers: AnswerParts;
  readonly search: EventSearch;
  readonly cursors: Cursors;
  readonly exporting: ExportMaking;
}

const exportSchema = jobSchema.extend({
  download_url: z.string().nullable().describe('Needs no key; null before the file is there'),
  download_expires_at: z.string().nullable(),
});

const EXAMPLE = {
  query: { query: { field: 'type', eq: 'order.created' }, from: '2025-08-01T00:00:00Z' },
  format: 'csv',
};
const params = z.object({ jobId: z.string().max(128) });

/** Section 10: one-off exports. */
export function exportRoutes(parts: ExportRouteParts): readonly Route[] {
  return [createRoute(parts), oneRoute(parts), fileRoute(parts)];
}

function createRoute(parts: ExportRouteParts): Route {
  const { custom } = analyticsOf(parts.answers.ports.settings);
  return route({
    id: 'createExport',
    method: 'POST',
    path: '/exports',
    tag: 'Exports',
    summary: 'Write events, or the answer of any query, into a file',
    description:
      'A job writes the file; GET /exports/{jobId} has the link to it. Money is in decimals of the major unit, ' +
      'beside its currency. Events are those of one position of the stream; their payloads are as they were sent. ' +
      "CSV is RFC 4180 in UTF-8; a text that a spreadsheet would take for a formula has a `'` before it. Parquet has " +
      'money as DECIMAL and times as timestamps, XLSX typed cells. `destination` sends the file to S3 or by mail.',
    permission: 'exports:create',
    body: exportBody,
    documented_body: documentedExport(custom),
    body_examples: { orders: { summary: 'Orders as CSV', value: EXAMPLE } },
    idempotent: true,
    query: z.strictObject({ dry_run: z.enum(['true', 'false']).optional() }),
    answers: {
      200: { description: 'The plan, for `dry_run`', schema: z.looseObject({}) },
      202: {
        description: 'The job',
        schema: jobSchema,
        headers: { Location: 'The job' },
        example: JOB_EXAMPLE,
      },
    },
    problems: [
      ...BODY_PROBLEMS,
      ...CREATION,
      'unknown_dimension',
      'dimension_backfilling',
      'dimension_failed',
      'query_too_large',
      'invalid_range',
      'aggregation_not_supported',
      'channel_not_configured',
      'role_forbidden',
      ...SAVED_RUN_PROBLEMS,
    ],
    handle: async (call) => {
      const { exporting } = parts;
      const { dry_run, ...body } = call.body;
      const input = await exporting.input(askerOf(call), body, await exporting.savedOf(call.tenant, body));
      // What cannot be answered is refused now, not in a job.
      const plan = await exporting.plan(call, input);
      if (call.query.dry_run === 'true' || dry_run === true) return plan;
      return createJob(parts, call, { type: EXPORT_JOB, input, job_id: newJobId() });
    },
  });
}

const CREATION = ['too_many_jobs', 'state_not_ready', 'position_unknown', 'kv_unavailable'] as const;

/** 404 for a job that is no export: its own routes have it. */
async function exportOf(jobs: Jobs, tenant: string, job_id: string): Promise<JobRecord> {
  const record = await jobs.get(tenant, job_id);
  if (record.type === EXPORT_JOB) return record;
  throw new ApiError('not_found', 'There is no export with this id. GET /jobs lists all jobs.');
}

function oneRoute({ jobs, cursors, answers, search }: ExportRouteParts): Route {
  return route({
    id: 'getExport',
    method: 'GET',
    path: '/exports/{jobId}',
    tag: 'Exports',
    summary: 'Status of an export, and the link to its file',
    description:
      'The link is signed, needs no key, and serves for an hour; ask again for a new one. The file itself is kept ' +
      'for 24 hours after the job has ended.',
    permission: 'jobs:read',
    params,
    answers: { 200: { description: 'The export', schema: exportSchema } },
    problems: ['not_found', 'field_masked', 'kv_unavailable'],
    handle: async ({ tenant, principal, params: { jobId }, base }) => {
      const record = await exportOf(jobs, tenant, jobId);
      requireReader(principal, record, search.maskOf({ tenant, principal }));
      const now_ms = answers.ports.clock.now();
      const { file } = record;
      const isThere = file !== null && file.expires_at_ms > now_ms;
      const expires_ms = isThere ? Math.min(file.expires_at_ms, now_ms + LINK_MS) : 0;
      const token = cursors.encode(linkTo(jobId), [tenant, expires_ms]);
      return {
        status: 200,
        json: {
          ...jobView(record),
          download_url: isThere ? `${base}/exports/${jobId}/file?token=${token}` : null,
          download_expires_at: isThere ? timeText(expires_ms) : null,
        },
      };
    },
  });
}

/** What a link's signature is bound to. */
const linkTo = (job_id: string): object => ({ link: 'export', job_id });

const placeSchema = z.tuple([z.string(), z.number()]);

function fileRoute({ jobs, cursors, answers }: ExportRouteParts): Route {
  return route({
    id: 'downloadExport',
    method: 'GET',
    path: '/exports/{jobId}/file',
    tag: 'Exports',
    summary: 'The file of an export, by its signed link',
    permission: 'none',
    audited: 'export',
    params,
    query: z.strictObject({
      token: z.string().min(1).max(4_096).describe('As GET /exports/{jobId} gives it'),
    }),
    answers: {
      200: {
        description: 'The file',
        content: {
          'application/x-ndjson': { schema: z.string() },
          'text/csv': { schema: z.string() },
          'application/gzip': { schema: z.string() },
          'application/vnd.apache.parquet': { schema: z.string() },
          'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet': { schema: z.string() },
        },
      },
    },
    problems: ['link_invalid', 'expired', 'not_found', 'wrong_state', 'file_elsewhere', 'kv_unavailable'],
    handle: async ({ params: { jobId }, query: { token }, onBehalf }) => {
      const [tenant, expires_ms] = placeOf(cursors, jobId, token);
      onBehalf?.({ tenant, name: 'signed link' });
      const now_ms = answers.ports.clock.now();
      if (expires_ms <= now_ms) {
        throw new ApiError(
          'expired',
          'The link has expired. GET /exports/{jobId} gives a new one while the file is kept.',
        );
      }
      return fileAnswer(jobs, await exportOf(jobs, tenant, jobId), now_ms);
    },
  });
}

function placeOf(
  cursors: Cursors,
  job_id: string,
  token: string,
): readonly [tenant: string, expires_ms: number] {
  try {
    return placeSchema.parse(cursors.decode(linkTo(job_id), token));
  } catch (cause) {
    throw new ApiError(
      'link_invalid',
      'The link was not given by this service. GET /exports/{jobId} gives one.',
      {
        cause,
      },
    );
  }
}
