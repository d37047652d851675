import { z } from 'zod';
import {
  MARK_STATUSES,
  type MarkBody,
  type RuleBody,
  ruleSchemaOf,
  SCAN_MEMBERS,
  type ScanQuery,
} from '../../../analytics/index.ts';
import { analyticsOf, queryRoute } from '../../answers/index.ts';
import { requireDefinition } from '../../definitions/index.ts';
import { ApiError, type RawCall, type Route } from '../../http/index.ts';
import { JOB_EXAMPLE, jobSchema } from '../jobs/index.ts';
import { foundMembers } from './anomaly-schemas.ts';
import { ruleOf } from './rule-kind.ts';
import type { AnomalyParts } from './rule-routes.ts';
import { makeScanJob } from './scan-job.ts';

const DAY_MS = 86_400_000;
const MAX_PREVIEW_DAYS = 366;

const answerSchema = z.object({
  anomalies: z.array(z.object(foundMembers)),
  windows: z
    .array(
      z.object({
        group: z.record(z.string(), z.string().nullable()),
        currency: z.string().nullable(),
        start: z.string(),
        value: z.number().nullable(),
        score: z.number(),
        expected: z.number().nullable(),
        lower: z.number().nullable(),
        upper: z.number().nullable(),
      }),
    )
    .optional()
    .describe('Where `scores` asks for them'),
  groups: z.int(),
  groups_left_out: z.int().describe('Beyond `max_groups` of the rule'),
  learned_from: z.string(),
  judged_until: z.string().describe('Windows behind it are not closed'),
  silent: z.array(z.string()).describe('Windows in which events are missing: no metric was judged'),
});

const JOB_ANSWER = {
  description: 'For `async`: the job; GET /jobs/{jobId}/result has the answer',
  schema: jobSchema,
  headers: { Location: 'The job' },
  example: JOB_EXAMPLE,
};

const RULE = {
  metric: 'orders_count',
  group_by: ['country'],
  window: '1d',
  method: 'zscore',
  sensitivity: 0.99,
};

/** Section 8: rules on history. */
export function scanRoutes(parts: AnomalyParts): readonly Route[] {
  const { answers, tenants } = parts;
  const { ports } = answers;
  const { custom, queries } = analyticsOf(ports.settings);
  const rule = ruleSchemaOf(custom).describe('A rule that is not stored');
  const oneOf = { rule: rule.optional(), rule_id: z.string().max(128).optional() };
  const resolved = (call: RawCall, given: { rule?: RuleBody | undefined; rule_id?: string | undefined }) => {
    if ((given.rule === undefined) === (given.rule_id === undefined)) {
      const message = 'One of `rule` and `rule_id` is needed';
      throw new ApiError('validation_failed', `${message}.`, { errors: [{ path: 'rule', message }] });
    }
    const stored =
      given.rule_id === undefined ? undefined : requireDefinition(parts.rules, call, given.rule_id);
    const body = stored?.body ?? (given.rule as RuleBody);
    return {
      body,
      rule_id: stored?.id ?? 'preview',
      marks: stored === undefined ? [] : marksOf(parts, call, stored.id),
    };
  };
  const queryFor = (
    call: RawCall,
    given: Parameters<typeof resolved>[1],
    range: Omit<ScanQuery, 'rule' | 'rule_id' | 'own_metrics' | 'marks'>,
    since: (body: RuleBody) => string,
  ): ScanQuery => {
    const { body, rule_id, marks } = resolved(call, given);
    const timezone = body.timezone ?? tenants.settingsOf(call.tenant)?.timezone ?? 'UTC';
    const asked = { ...body, timezone, since: since(body) };
    ruleOf(tenants, custom, call.tenant, rule_id, asked, marks);
    return {
      ...range,
      rule: asked,
      rule_id,
      marks,
      own_metrics: tenants.metricsOf(call.tenant, [body.metric]),
    };
  };
  const shared = {
    ...({ tag: 'Anomalies', permission: 'kpis:read' } as const),
    ...{ kind: queries.anomalies, answer: answerSchema },
    problems: ['not_found', 'too_many_points'],
  } as const;
  return [
    queryRoute(answers, {
      ...{ ...shared, id: 'scanAnomalies', path: '/anomalies/scan' },
      asJob: {
        answer: JOB_ANSWER,
        problems: ['role_forbidden', 'too_many_jobs', 'kv_unavailable'],
        make: (call, query) => makeScanJob(parts.making, call, query),
      },
      summary: 'Judge a range of time by a rule',
      description:
        'By a rule that is stored (`rule_id`) or not (`rule`). What it learns from lies before the range. `scores` ' +
        'gives every window with its score and expectation. With `async=true` a job does it.',
      body: z.strictObject({ ...SCAN_MEMBERS, ...oneOf }),
      body_examples: {
        august: {
          summary: 'Daily orders of a month',
          value: { rule: RULE, start: '2025-08-01T00:00:00Z', end: '2025-09-01T00:00:00Z', scores: true },
        },
      },
      queryOf: (call, { rule: given, rule_id, ...range }) =>
        queryFor(call, { rule: given, rule_id }, range as Omit<ScanQuery, 'rule'>, ({ since }) =>
          rule_id !== undefined && since !== undefined && Date.parse(since) <= Date.parse(range.start)
            ? since
            : range.start,
        ),
    }),
    queryRoute(answers, {
      ...{ ...shared, id: 'previewAnomalyRule', path: '/anomalies/preview' },
      summary: 'Try a rule on the last days',
      description:
        'What the rule would have found, had it been made so many days ago: as a live run finds it.',
      body: z.strictObject({
        ...oneOf,
        days: z.int().min(1).max(MAX_PREVIEW_DAYS).default(30),
        scores: SCAN_MEMBERS.scores,
      }),
      body_examples: { month: { summary: 'The last 30 days', value: { rule: RULE, days: 30 } } },
      queryOf: (call, { rule: given, rule_id, days, scores }) => {
        const end_ms = Math.floor(ports.clock.now() / 60_000) * 60_000;
        const [start, end] = [end_ms - days * DAY_MS, end_ms].map((at_ms) => new Date(at_ms).toISOString());
        return queryFor(
          call,
          { rule: given, rule_id },
          { start: start as string, end: end as string, scores },
          () => start as string,
        );
      },
    }),
  ];
}

function marksOf({ marks }: AnomalyParts, { tenant }: RawCall, rule_id: string): readonly MarkBody[] {
  const [, , taught] = MARK_STATUSES;
  return marks
    .list(tenant)
    .map(({ body }) => body)
    .filter((body) => body.rule_id === rule_id && body.status === taught);
}
