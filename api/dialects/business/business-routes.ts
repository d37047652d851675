import { z } from 'zod';
import { BODY_PROBLEMS, HEAD_PROBLEMS } from '../../answers/index.ts';
import { type ProblemCode, type Route, route } from '../../http/index.ts';
import { answerMetaSchema, type Inquiries } from '../asking/index.ts';
import { BUSINESS } from './face.ts';
import { forecastRoute } from './forecast-route.ts';
import { anomaliesRoute, dashboardsRoute } from './list-routes.ts';
import { reportFile } from './report-file.ts';
import { REPORTS, type ReportType } from './reports.ts';
import { COMMON_MEMBERS, type CommonParams, spanOf } from './span.ts';

/** What the answers of the first API may be refused with. */
const ASKED_PROBLEMS: readonly ProblemCode[] = [
  ...new Set<ProblemCode>([...HEAD_PROBLEMS, 'currency_required', 'fx_rate_missing', 'not_supported']),
].filter((code) => !(BODY_PROBLEMS as readonly ProblemCode[]).includes(code));

const TEXTS: Readonly<Record<ReportType, readonly [summary: string, description: string]>> = {
  revenue: [
    'Revenue over time, its growth, and recurring revenue',
    '`revenueGrowth` is against the span of the same length before, a fraction. `mrr` is that of the subscriptions which ' +
      'run at the end, normalised to a month; `arr` is twelve times that.',
  ],
  sales: [
    'Leads by the stages that they reached',
    'Leads that were created in the span, each in every stage that it ever reached. `avgCycledays` is from creation to won.',
  ],
  products: ['What sells', 'The 50 products with the most revenue.'],
  customers: [
    'Customers who came and went, their worth and their cost',
    'Churned are subscriptions that ended, where the tenant has any, else customers of the span before who did not order ' +
      'in this one (`churnedBy`). `cac` is the spend on campaigns a new customer.',
  ],
  inventory: [
    'What there is of products',
    'From the newest `inventory.level` of each at the end of the span.',
  ],
  hr: [
    'Headcount, joins, leaves, turnover and attendance',
    '`attendanceRate` is of the days on which anybody attended.',
  ],
  support: [
    'Tickets, their times and the share answered within what was promised',
    'Times in minutes, by nearest rank. What is promised is the `sla_minutes` of a ticket, else 24 hours.',
  ],
  marketing: [
    'Campaigns: spend, messages, attributed revenue',
    'Revenue by linear attribution, as `/marketing/roi`.',
  ],
};

/** An endpoint for each report, the others beside them. */
export function businessRoutes(inquiries: Inquiries): readonly Route[] {
  return [
    ...(Object.keys(REPORTS) as ReportType[]).map((type) => reportRoute(inquiries, type)),
    forecastRoute(inquiries, ASKED_PROBLEMS),
    anomaliesRoute(inquiries),
    dashboardsRoute(inquiries),
    exportRoute(inquiries),
  ];
}

/** Members of answers differ by the report; docs/dialects.md names them. */
const answer = z.looseObject({ meta: answerMetaSchema });

function reportRoute(inquiries: Inquiries, type: ReportType): Route {
  const [summary, description] = TEXTS[type];
  return route({
    id: `business${type.charAt(0).toUpperCase()}${type.slice(1)}`,
    method: 'GET',
    path: `/${type}`,
    tag: 'Business',
    face: BUSINESS,
    ...{ summary, description, permission: 'kpis:read' as const },
    query: z.strictObject(COMMON_MEMBERS),
    query_example: { from: '2025-08-01', to: '2025-08-31', groupBy: 'month' },
    answers: { 200: { description: summary, schema: answer } },
    problems: ASKED_PROBLEMS,
    handle: async (call) => {
      const span = spanOf(inquiries, call, call.query as CommonParams);
      const { answer: report, meta } = await inquiries.answered((asking) =>
        REPORTS[type]({ asking, call, span }),
      );
      return { status: 200, json: { ...report.json, meta } };
    },
  });
}

const EXPORT = {
  reportType: 'revenue',
  from: '2025-08-01',
  to: '2025-08-31',
  format: 'xlsx',
  groupBy: 'month',
};

function exportRoute(inquiries: Inquiries): Route {
  return route({
    id: 'businessExportReport',
    method: 'POST',
    path: '/reports/export',
    tag: 'Business',
    face: BUSINESS,
    summary: 'A report as a file',
    description: 'The list of the report: a row for each period, stage, product, channel, campaign.',
    permission: 'kpis:read',
    audited: 'export',
    body: z.strictObject({
      ...COMMON_MEMBERS,
      reportType: z.enum(Object.keys(REPORTS) as [ReportType, ...ReportType[]]),
      format: z.enum(['xlsx', 'csv']).default('xlsx'),
    }),
    body_examples: { revenue: { summary: 'Revenue by month', value: EXPORT } },
    answers: {
      200: {
        description: 'The file',
        content: {
          'text/csv': { schema: z.string() },
          'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet': { schema: z.string() },
        },
        headers: { 'X-Meta': 'How fresh and complete it is, as the `meta` of the report: JSON' },
      },
    },
    problems: [...new Set([...BODY_PROBLEMS, ...ASKED_PROBLEMS])],
    handle: async (call) => {
      const { reportType, format } = call.body;
      const span = spanOf(inquiries, call, call.body as CommonParams);
      const { answer: report, meta } = await inquiries.answered((asking) =>
        REPORTS[reportType]({ asking, call, span }),
      );
      const { media_type, stream } = await reportFile(report.rows, format);
      const name = `report_${reportType}_${span.query.start.slice(0, 10)}.${format}`;
      return {
        status: 200,
        headers: {
          ...{ 'Content-Type': media_type, 'Content-Disposition': `attachment; filename="${name}"` },
          // A table has no room for what it says of itself.
          'X-Meta': headerText(meta),
        },
        stream,
      };
    },
  });
}

/** JSON as a header takes it: ASCII. */
const headerText = (value: unknown): string =>
  JSON.stringify(value).replace(
    /[^\x20-\x7e]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
