import { z } from 'zod';
import type { Definition, Jobs, KindDefinitions } from '../../../runtime/index.ts';
import { definitionRoutes, requireDefinition } from '../../definitions/index.ts';
import {
  type Cursors,
  listQuery,
  type ProblemCode,
  pageOf,
  type Route,
  route,
  timeTextOrNull,
} from '../../http/index.ts';
import { JOB_EXAMPLE, jobLocation, jobSchema, jobView } from '../jobs/index.ts';
import { SAVED_RUN_PROBLEMS } from '../queries/index.ts';
import { nextRun, type Report } from './report-kind.ts';
import type { ReportWatch } from './report-watch.ts';

interface ReportRouteParts {
  readonly reports: KindDefinitions<Report>;
  readonly reporting: ReportWatch;
  readonly jobs: Jobs;
  readonly cursors: Cursors;
}

const EXAMPLE = {
  name: 'Weekly sales',
  type: 'kpis',
  query: { metrics: ['orders_count', 'revenue_net'], granularity: '1d', group_by: ['channel'] },
  range: 'previous_week',
  schedule: '0 6 * * 1',
  timezone: 'Europe/Berlin',
  format: 'xlsx',
};

const params = z.object({ id: z.string().max(128) });
const PROBLEMS = ['channel_not_configured', ...SAVED_RUN_PROBLEMS] as const satisfies readonly ProblemCode[];

/** Section 10: reports, which are exports by a schedule. */
export function reportRoutes({ reports, reporting, jobs, cursors }: ReportRouteParts): readonly Route[] {
  const nextOf = ({ body }: Definition<unknown>): string | null => {
    const report = body as Report;
    return timeTextOrNull((report.enabled ? nextRun(report, reporting.now_ms) : undefined) ?? null);
  };
  return [
    route({
      id: 'runReport',
      method: 'POST',
      path: '/reports/{id}/run',
      tag: 'Exports',
      summary: 'Run a report now',
      description: 'Makes the export job of the report, beside its schedule.',
      permission: 'exports:create',
      params,
      answers: {
        202: {
          description: 'The job',
          schema: jobSchema,
          headers: { Location: 'The job' },
          example: JOB_EXAMPLE,
        },
      },
      problems: [...PROBLEMS, 'not_found', 'too_many_jobs', 'kv_unavailable'],
      handle: async (call) => {
        const report = requireDefinition(reports, call, call.params.id);
        const record = await reporting.runNow(call.tenant, report);
        return {
          status: 202,
          json: jobView(record),
          headers: { Location: jobLocation(call.base, record.job_id) },
        };
      },
    }),
    route({
      id: 'listReportRuns',
      method: 'GET',
      path: '/reports/{id}/runs',
      tag: 'Exports',
      summary: 'The runs of a report of the last 30 days, newest first',
      permission: 'jobs:read',
      params,
      query: z.strictObject(listQuery),
      answers: {
        200: {
          description: 'A page of export jobs',
          schema: z.object({
            runs: z.array(jobSchema.extend({ due_at: z.string().describe('When it was due') })),
            next_cursor: z.string().nullable(),
          }),
        },
      },
      problems: ['not_found', 'invalid_cursor', 'cursor_mismatch', 'kv_unavailable'],
      handle: (call) => {
        const { id } = requireDefinition(reports, call, call.params.id);
        const runs = jobs.list(call.tenant).filter(({ report }) => report?.id === id);
        const filter = { list: 'report_runs', tenant: call.tenant, id };
        const sortKey = (job: (typeof runs)[number]): readonly [number, string] => [
          -job.created_at_ms,
          job.job_id,
        ];
        const { items, next_cursor } = pageOf(cursors, runs, sortKey, filter, call.query);
        const views = items.map((job) => ({
          ...jobView(job),
          due_at: timeTextOrNull(job.report?.due_ms ?? null),
        }));
        return { status: 200, json: { runs: views, next_cursor } };
      },
    }),
    ...definitionRoutes(reports, cursors, {
      ...{ path: '/reports', noun: 'report', tag: 'Exports', also: '/reports/schedule' },
      description:
        'An export that is made by a schedule: a query, a format, and where the file goes. Each run is a job of the ' +
        'type `export`, and webhooks are told of it as `report.completed` or `export.failed`. It sees what an ' +
        'analyst of the tenant sees; what is masked for these is masked.',
      examples: { weekly: { summary: 'Last week, each Monday at six', value: EXAMPLE } },
      permissions: { write: 'exports:create' },
      problems: PROBLEMS,
      shown: {
        members: { next_run_at: z.string().nullable().describe('null: it is not enabled') },
        of: (definitions) => definitions.map((definition) => ({ next_run_at: nextOf(definition) })),
        example: { next_run_at: '2025-09-08T04:00:00.000Z' },
      },
    }),
  ];
}
