import { z } from 'zod';
import type { Definition, Jobs, KindDefinitions } from '../../../runtime/index.ts';
import { definitionRoutes } from '../../definitions/index.ts';
import { type Cursors, type ProblemCode, type Route, timeTextOrNull } from '../../http/index.ts';
import { SAVED_RUN_PROBLEMS } from '../queries/index.ts';
import { nextRun, type Report } from './report-kind.ts';
import type { ReportWatch } from './report-watch.ts';
import { runRoutes } from './run-routes.ts';

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

const PROBLEMS = ['channel_not_configured', ...SAVED_RUN_PROBLEMS] as const satisfies readonly ProblemCode[];

/** Section 10: reports, which are exports by a schedule. */
export function reportRoutes({ reports, reporting, jobs, cursors }: ReportRouteParts): readonly Route[] {
  const nextOf = ({ body }: Definition<unknown>): string | null => {
    const report = body as Report;
    return timeTextOrNull((report.enabled ? nextRun(report, reporting.now_ms) : undefined) ?? null);
  };
  return [
    ...runRoutes(
      reports,
      { jobs, cursors },
      {
        ...{ path: '/reports', tag: 'Exports' },
        run: {
          id: 'runReport',
          summary: 'Run a report now',
          description: 'Makes the export job of the report, beside its schedule.',
          problems: PROBLEMS,
          make: (tenant, report) => reporting.run(tenant, report, reporting.now_ms),
        },
        list: { id: 'listReportRuns', summary: 'The runs of a report of the last 30 days, newest first' },
      },
    ),
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
