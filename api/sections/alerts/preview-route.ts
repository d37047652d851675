import { z } from 'zod';
import {
  type AlertRules,
  alertNotice,
  alertSchemaOf,
  type FoundView,
  factOf,
  foldAlert,
  type MarkBody,
  RULE_KIND,
  type RuleBody,
  ruleOfAlert,
  type ScanQuery,
} from '../../../analytics/index.ts';
import type { Definition } from '../../../runtime/index.ts';
import { invalidMember } from '../../../runtime/index.ts';
import { analyticsOf, queryRoute } from '../../answers/index.ts';
import { requireDefinition } from '../../definitions/index.ts';
import type { RawCall, Route } from '../../http/index.ts';
import { requireThreshold } from './alert-kind.ts';
import { ALERT_EXAMPLE, type AlertParts, noticeSchema } from './alert-routes.ts';

const DAY_MS = 86_400_000;
const MAX_PREVIEW_DAYS = 366;

interface Given {
  readonly alert?: AlertRules | undefined;
  readonly alert_id?: string | undefined;
  readonly days: number;
}

interface Tried {
  readonly id: string;
  readonly name: string;
  readonly body: AlertRules;
  readonly rule: RuleBody;
  readonly rule_id: string;
}

/** A scan, and the alert that is told by what it finds. */
type PreviewQuery = ScanQuery & { readonly tried: Tried };

/** What an alert would have told. */
export function previewRoute(parts: AlertParts): Route {
  const { answers } = parts;
  const { ports } = answers;
  const { custom, queries } = analyticsOf(ports.settings);
  const rangeOf = (days: number): readonly [string, string] => {
    const end_ms = Math.floor(ports.clock.now() / 60_000) * 60_000;
    return [new Date(end_ms - days * DAY_MS).toISOString(), new Date(end_ms).toISOString()];
  };
  const { channels: _, name: __, ...alert } = ALERT_EXAMPLE;
  return queryRoute(answers, {
    ...({ id: 'previewAlert', path: '/alerts/preview', tag: 'Alerts', permission: 'kpis:read' } as const),
    summary: 'Try an alert on the last days',
    description:
      'What the alert would have told, had it and its rule been made so many days ago: as a live run tells it. ' +
      'Of an alert on anomalies that names no rule, exactly one rule must watch the metric.',
    kind: queries.anomalies,
    body: z.strictObject({
      alert: alertSchemaOf(custom).optional().describe('An alert that is not stored'),
      alert_id: z.string().max(128).optional(),
      days: z.int().min(1).max(MAX_PREVIEW_DAYS).default(30),
    }),
    body_examples: { month: { summary: 'The last 30 days', value: { alert, days: 30 } } },
    answer: z.object({ notices: z.array(noticeSchema), anomalies: z.int(), judged_until: z.string() }),
    problems: ['not_found', 'too_many_points'],
    queryOf: (call, given): PreviewQuery => {
      const [start, end] = rangeOf(given.days);
      const tried = triedOf(parts, call, given, start);
      const { rule, rule_id } = tried;
      const own_metrics = parts.tenants.metricsOf(call.tenant, [rule.metric]);
      const marks = marksOf(parts, call, rule_id);
      return { rule, rule_id, own_metrics, marks, scores: false, start, end, tried };
    },
    bodyOf: ({ tenant }, query, { body }) => {
      // The query is the one that `queryOf` made.
      const { id, name, body: rules } = (query as PreviewQuery).tried;
      const { anomalies, judged_until } = body as { anomalies: readonly FoundView[]; judged_until: string };
      const named = { tenant, id, body: rules };
      const { events } = foldAlert(named, anomalies.map(factOf));
      const notices = events.map((event) => alertNotice(named, name, event));
      return Promise.resolve({ notices, anomalies: anomalies.length, judged_until });
    },
  });
}

/** The alert, and the rule that finds what it is about, as if both were made at the start. */
function triedOf(parts: AlertParts, call: RawCall, given: Given, start: string): Tried {
  const { alerts, tenants, answers } = parts;
  if ((given.alert === undefined) === (given.alert_id === undefined))
    throw invalidMember('alert', 'or `alert_id` is needed, one of them');
  const stored: Definition<AlertRules> | undefined =
    given.alert_id === undefined ? undefined : requireDefinition(alerts, call, given.alert_id);
  const said = stored?.body ?? (given.alert as AlertRules);
  const timezone = said.timezone ?? tenants.settingsOf(call.tenant)?.timezone ?? 'UTC';
  const body = { ...said, timezone, since: start };
  const [id, name] = [stored?.id ?? 'alert_preview', stored?.name ?? 'preview'];
  const { customDimensions } = answers.ports.settings;
  requireThreshold(answers.ports, tenants, call.tenant, id, body);
  const own = ruleOfAlert(body, customDimensions);
  if (own !== undefined) return { id, name, body, rule: own, rule_id: id };
  const found = ruleFor(parts, call, body);
  return { id, name, body, rule: { ...found.body, since: start }, rule_id: found.id };
}

function ruleFor({ rules }: AlertParts, call: RawCall, { condition }: AlertRules): Definition<RuleBody> {
  const { rule_id, metric } = 'anomaly' in condition ? condition.anomaly : {};
  if (rule_id?.startsWith(`${RULE_KIND}_`)) return requireDefinition(rules, call, rule_id);
  const watching = rules.list(call.tenant).filter(({ body }) => (metric ?? body.metric) === body.metric);
  const [only] = watching;
  if (only !== undefined && watching.length === 1) return only;
  const path = 'alert.condition.anomaly.rule_id';
  throw invalidMember(path, `is needed for a preview: ${watching.length} rules find what the alert is about`);
}

function marksOf({ marks }: AlertParts, { tenant }: RawCall, rule_id: string): readonly MarkBody[] {
  return marks
    .list(tenant)
    .map(({ body }) => body)
    .filter((body) => body.rule_id === rule_id && body.status === 'false_alarm');
}
