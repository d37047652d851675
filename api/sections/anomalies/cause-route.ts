import { z } from 'zod';
import {
  CAUSE_DIMENSIONS,
  type CauseQuery,
  MAX_CAUSE_DIMENSIONS,
  ROW_DIMENSIONS,
  type RuleBody,
  ruleSchemaOf,
} from '../../../analytics/index.ts';
import { analyticsOf, queryRoute } from '../../answers/index.ts';
import { requireDefinition } from '../../definitions/index.ts';
import { ApiError, type RawCall, type Route } from '../../http/index.ts';
import { findAnomaly } from './history-routes.ts';
import { ruleOf } from './rule-kind.ts';
import type { AnomalyParts } from './rule-routes.ts';

const answerSchema = z.object({
  anomaly_id: z.string().nullable(),
  metric: z.string(),
  window: z.object({ start: z.string(), end: z.string() }),
  actual: z.number().nullable().describe('Of the window; of a ratio, its numerator; null as `expected`'),
  expected: z.number().nullable().describe('null: no earlier window has events'),
  dimensions: z.array(z.string()).describe('Those that causes were looked for in'),
  left_out: z.array(z.string()).describe('Those with too many values'),
  compared_with: z.array(z.string()).describe('Starts of the windows that say how the metric is made up'),
  causes: z.array(
    z.object({
      where: z.record(z.string(), z.string().nullable()),
      actual: z.number(),
      expected: z.number(),
      share: z.number().describe('Of the whole change; above 1 where others offset it'),
      surprise: z.number().describe('How unlike its weight is to the expected one, bits'),
      evidence: z.number().describe('By how much it explains better than chance, nats'),
      leaves: z.int().describe('Combinations of values that it holds'),
    }),
  ),
  unexplained: z.number().nullable().describe('The share of the change that no cause names'),
});

/** Section 15: what an anomaly comes from. */
export function causeRoute(parts: AnomalyParts): Route {
  const { answers, tenants } = parts;
  const { custom, queries } = analyticsOf(answers.ports.settings);
  const names: readonly string[] = [...ROW_DIMENSIONS, ...custom];
  return queryRoute(answers, {
    ...{
      id: 'explainAnomaly',
      path: '/anomalies/root-cause',
      tag: 'Anomalies',
      permission: 'kpis:read' as const,
    },
    summary: 'What an anomaly comes from',
    description:
      'The sets of values of dimensions whose part of the metric changed together, unlike the rest, largest share ' +
      'of the change first. What was expected of each part comes from the same time of the four weeks before, else ' +
      'of the days before, else from the windows before. None is named for a change that is the same everywhere.',
    kind: queries.causes,
    answer: answerSchema,
    body: z.strictObject({
      anomaly_id: z.string().min(1).max(128).optional().describe('Of GET /anomalies'),
      rule: ruleSchemaOf(custom)
        .optional()
        .describe('In place of an anomaly: a metric, all its groups together'),
      start: z.iso.datetime({ offset: true }).optional().describe('With `rule`: a time in the window'),
      currency: z
        .string()
        .regex(/^[A-Z]{3}$/)
        .optional()
        .describe('With `rule`, of a money metric: only this one'),
      dimensions: z
        .array(z.enum(names as readonly [string, ...string[]]))
        .min(1)
        .max(MAX_CAUSE_DIMENSIONS)
        .refine((given) => new Set(given).size === given.length, 'A dimension is repeated')
        .optional()
        .describe(`Default: ${CAUSE_DIMENSIONS.join(', ')}, less those that the rule groups or filters by`),
    }),
    body_examples: {
      window: {
        summary: 'Orders of a day',
        value: { rule: { metric: 'orders_count', window: '1d' }, start: '2025-08-31T00:00:00Z' },
      },
    },
    problems: ['not_found', 'wrong_state', 'currency_required'],
    queryOf: (call, { anomaly_id, rule, start, currency, dimensions }): CauseQuery => {
      const asked =
        anomaly_id === undefined ? windowOf(parts, call, rule, start) : anomalyOf(parts, call, anomaly_id);
      return {
        ...asked,
        ...(anomaly_id === undefined && currency !== undefined ? { only_currency: currency } : {}),
        dimensions: dimensions ?? usual(asked.rule),
        own_metrics: tenants.metricsOf(call.tenant, [asked.rule.metric]),
      };
    },
  });
}

/** The same as the route asks where a caller names nothing but an anomaly. */
export function causeQueryOf(parts: AnomalyParts, tenant: string, anomaly_id: string): CauseQuery {
  const asked = anomalyOf(parts, { tenant }, anomaly_id);
  const own_metrics = parts.tenants.metricsOf(tenant, [asked.rule.metric]);
  return { ...asked, dimensions: usual(asked.rule), own_metrics };
}

type Asked = Omit<CauseQuery, 'dimensions' | 'own_metrics'>;

/** The question of what an anomaly comes from. Throws `not_found`, `wrong_state`. */
function anomalyOf(parts: AnomalyParts, call: Pick<RawCall, 'tenant'>, anomaly_id: string): Asked {
  const record = findAnomaly(parts, call.tenant, anomaly_id);
  if (record.kind === 'silence')
    throw new ApiError('wrong_state', 'An anomaly of kind `silence` is of no metric: events are missing.');
  const { body } = requireDefinition(parts.rules, call, record.rule_id);
  const { rule_id, group, currency, start_ms, end_ms, expected } = record;
  const values = Object.values(group).map((value) => value ?? '');
  return {
    ...{ anomaly_id, start: timeOf(start_ms), end: timeOf(end_ms), rule: body, rule_id, expected },
    group: JSON.stringify(currency === null ? values : [...values, currency]),
  };
}

function windowOf(
  { answers, tenants }: AnomalyParts,
  call: RawCall,
  rule: RuleBody | undefined,
  start: string | undefined,
): Asked {
  if (rule === undefined || start === undefined) {
    const message = 'Either `anomaly_id`, or `rule` and `start` are needed';
    throw new ApiError('validation_failed', `${message}.`, { errors: [{ path: 'anomaly_id', message }] });
  }
  const timezone = rule.timezone ?? tenants.settingsOf(call.tenant)?.timezone ?? 'UTC';
  const whole = { ...rule, timezone, since: start };
  const { custom } = analyticsOf(answers.ports.settings);
  const { grid } = ruleOf(tenants, custom, call.tenant, 'window', whole, []);
  const index = grid.indexOf(Date.parse(start));
  return {
    ...{ anomaly_id: null, rule: whole, rule_id: 'window', group: null },
    ...{ start: timeOf(grid.startOf(index)), end: timeOf(grid.startOf(index + 1)) },
  };
}

function usual({ group_by, filters }: RuleBody): readonly string[] {
  const free = CAUSE_DIMENSIONS.filter((name) => !group_by.includes(name) && !(name in filters));
  if (free.length > 0) return free;
  throw new ApiError('validation_failed', 'Name the dimensions to look at.', {
    errors: [{ path: 'dimensions', message: 'The rule groups or filters by all the usual ones' }],
  });
}

const timeOf = (time_ms: number): string => new Date(time_ms).toISOString();
