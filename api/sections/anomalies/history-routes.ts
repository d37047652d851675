import { z } from 'zod';
import {
  type AnomalyRecord,
  MARK_STATUSES,
  type MarkBody,
  OPERATORS,
  readAnomaly,
  scanAnomalies,
} from '../../../analytics/index.ts';
import { definitionAnswer, requireDefinition, revisionOf } from '../../definitions/index.ts';
import {
  type Answer,
  ApiError,
  invalid,
  listQuery,
  type RawCall,
  type Route,
  requireReader,
  route,
} from '../../http/index.ts';
import { ANOMALY_EXAMPLE, anomalySchema, type ShownAnomaly, shownAnomaly } from './anomaly-schemas.ts';
import { idParams } from './rule-kind.ts';
import { type AnomalyParts, isRuleId, looseAnswer, ruleRoutesSpec } from './rule-routes.ts';

const TABLE = `${OPERATORS.anomalies}/anomalies`;
const BODY_PROBLEMS = [
  ...['malformed_json', 'malformed_body', 'json_too_deep', 'unsupported_media_type'],
  ...['unsupported_encoding', 'body_too_large'],
] as const;

const time = z.iso.datetime({ offset: true });
const { limit, cursor } = listQuery;
const historyQuery = z.strictObject({
  start: time.optional().describe('Of the first window, inclusive'),
  end: time.optional().describe('Of the first window, exclusive'),
  metric: z.string().min(1).max(64).optional(),
  rule_id: z.string().min(1).max(128).optional(),
  severity: z.enum(['low', 'medium', 'high']).optional(),
  kind: z.enum(['metric', 'silence']).optional(),
  state: z.enum(['open', 'ended', 'retracted']).optional(),
  status: z.enum(['open', ...MARK_STATUSES]).optional(),
  limit,
  cursor,
});
type HistoryQuery = z.output<typeof historyQuery>;

/** Section 8: what was found, and what users say of it. */
export function historyRoutes(parts: AnomalyParts): readonly Route[] {
  return [
    listRoute(parts, 'listAnomalies', '/anomalies', 'List anomalies, newest first'),
    listRoute(parts, 'listAnomalyHistory', '/anomalies/history', 'The same as GET /anomalies'),
  ];
}

/** Routes whose path takes any second part: to stand behind all others of `/anomalies`. */
export function anomalyRoutes(parts: AnomalyParts): readonly Route[] {
  return [oneRoute(parts), patchRoute(parts), deleteRoute(parts)];
}

function listRoute(parts: AnomalyParts, id: string, path: string, summary: string): Route {
  const { answers, cursors, marks } = parts;
  return route({
    ...{ id, path, summary, method: 'GET' as const, tag: 'Anomalies', permission: 'kpis:read' as const },
    description:
      'Those of live rules, by the start of their first windows. `state` is what the events say, `status` what users ' +
      'say. The newest 100,000 of a tenant are kept.',
    query: historyQuery,
    answers: {
      200: {
        description: 'A page of anomalies',
        schema: z.object({ anomalies: z.array(anomalySchema), next_cursor: z.string().nullable() }),
        example: { anomalies: [ANOMALY_EXAMPLE], next_cursor: null },
      },
    },
    problems: ['invalid_cursor', 'cursor_mismatch', 'state_not_ready'],
    handle: ({ tenant, query }) => {
      const { limit: count, cursor: given, ...filter } = query;
      const key = { list: 'anomalies', tenant, ...filter };
      const after = given === undefined ? undefined : (cursors.decode(key, given) as [number, string]);
      const range = rangeOf(tenant, query, after);
      const found: ShownAnomaly[] = [];
      let last: AnomalyRecord | undefined;
      let more = false;
      requireReader(answers.ports).reader.snapshot((table) => {
        for (const record of scanAnomalies(table(TABLE), range)) {
          if (after !== undefined && record.start_ms === after[0] && record.id >= after[1]) continue;
          const shown = shownAnomaly(record, marks, tenant);
          if (!isAsked(shown, filter)) continue;
          more = found.length === count;
          if (more) break;
          found.push(shown);
          last = record;
        }
      });
      const next_cursor = more && last !== undefined ? cursors.encode(key, [last.start_ms, last.id]) : null;
      return { status: 200, json: { anomalies: found, next_cursor } };
    },
  });
}

function rangeOf(scope: string, { start, end }: HistoryQuery, after: [number, string] | undefined) {
  const end_ms = Math.min(
    end === undefined ? Number.POSITIVE_INFINITY : Date.parse(end),
    after === undefined ? Number.POSITIVE_INFINITY : after[0] + 1,
  );
  return {
    scope,
    reverse: true,
    ...(start === undefined ? {} : { start_ms: Date.parse(start) }),
    ...(Number.isFinite(end_ms) ? { end_ms } : {}),
  };
}

function isAsked(shown: ShownAnomaly, filter: Omit<HistoryQuery, 'limit' | 'cursor'>): boolean {
  const { metric, rule_id, severity, kind, state, status } = filter;
  return (
    (metric ?? shown.metric) === shown.metric &&
    (rule_id ?? shown.rule_id) === shown.rule_id &&
    (severity ?? shown.severity) === shown.severity &&
    (kind ?? shown.kind) === shown.kind &&
    (state ?? shown.state) === shown.state &&
    (status ?? shown.status) === shown.status
  );
}

/** The record of an anomaly. Throws `not_found`. */
export function findAnomaly({ answers }: AnomalyParts, tenant: string, id: string): AnomalyRecord {
  const { reader } = requireReader(answers.ports);
  const record = reader.snapshot((table) => readAnomaly(table(TABLE), tenant, id));
  if (record === undefined) throw new ApiError('not_found', 'There is no anomaly and no rule with this id.');
  return record;
}

const EITHER = 'The id of an anomaly, or of a rule: the same as /anomalies/rules/{id}.';

function oneRoute(parts: AnomalyParts): Route {
  return route({
    ...{ id: 'getAnomaly', method: 'GET' as const, path: '/anomalies/{id}', tag: 'Anomalies' },
    summary: 'One anomaly, or one rule',
    description: EITHER,
    permission: 'kpis:read',
    params: idParams,
    answers: {
      200: { description: 'It', schema: z.union([anomalySchema, looseAnswer]), example: ANOMALY_EXAMPLE },
    },
    problems: ['not_found', 'state_not_ready'],
    handle: (call): Answer => {
      const { tenant, params } = call;
      if (isRuleId(params.id)) {
        const rule = requireDefinition(parts.rules, call, params.id);
        return definitionAnswer(200, rule, ruleRoutesSpec(parts).shown);
      }
      return { status: 200, json: shownAnomaly(findAnomaly(parts, tenant, params.id), parts.marks, tenant) };
    },
  });
}

const patchSchema = z.strictObject({
  status: z.enum(['open', ...MARK_STATUSES]),
  note: z.string().max(1_024).nullable().optional(),
});

function patchRoute(parts: AnomalyParts): Route {
  return route({
    ...{ id: 'updateAnomaly', method: 'PATCH' as const, path: '/anomalies/{id}', tag: 'Anomalies' },
    summary: 'Acknowledge or resolve an anomaly, call it a false alarm; or change a rule',
    description:
      `${EITHER} Of an anomaly: \`{"status": "acknowledged" | "resolved" | "false_alarm" | "open", "note": …}\`. ` +
      '`false_alarm` teaches the rule: windows of the group that are no stranger do not alert for 28 days, or 100 ' +
      'windows, and the anomaly itself is taken back.',
    permission: 'definitions:write',
    params: idParams,
    conditional: true,
    body_types: ['application/merge-patch+json', 'application/json'],
    body: z.looseObject({}),
    body_examples: {
      rule: { summary: 'A rule', value: { sensitivity: 0.999 } },
      anomaly: {
        summary: 'An anomaly',
        value: { status: 'acknowledged', note: 'The payment provider was away' },
      },
    },
    answers: {
      200: {
        description: 'It, as it is now',
        schema: z.union([anomalySchema, looseAnswer]),
        example: ANOMALY_EXAMPLE,
      },
    },
    problems: [
      ...BODY_PROBLEMS,
      ...(['not_found', 'name_taken', 'revision_conflict', 'limit_reached', 'state_not_ready'] as const),
      ...(['kv_unavailable', 'unknown_dimension', 'dimension_backfilling', 'dimension_failed'] as const),
    ],
    handle: async (call): Promise<Answer> => {
      const { tenant, params, body, request, principal } = call;
      if (isRuleId(params.id)) {
        const rule = await parts.rules.patch(tenant, params.id, body, revisionOf(request));
        return definitionAnswer(200, rule, ruleRoutesSpec(parts).shown);
      }
      const record = findAnomaly(parts, tenant, params.id);
      const patch = patchSchema.safeParse(body);
      if (!patch.success) throw invalid(patch.error, 'The change');
      await mark(parts, tenant, record, patch.data, principal.key_id);
      return { status: 200, json: shownAnomaly(record, parts.marks, tenant) };
    },
  });
}

async function mark(
  { marks }: AnomalyParts,
  tenant: string,
  record: AnomalyRecord,
  { status, note }: z.output<typeof patchSchema>,
  created_by: string,
): Promise<void> {
  const before = marks.byName(tenant, record.id);
  if (status === 'open') {
    if (before !== undefined) await marks.delete(tenant, before.id);
    return;
  }
  if (before !== undefined) {
    await marks.patch(tenant, before.id, { status, ...(note === undefined ? {} : { note }) });
    return;
  }
  const { rule_id, start_ms, direction, score, group, currency } = record;
  const values = Object.values(group).map((value) => value ?? '');
  const body: MarkBody = {
    ...{ rule_id, start_ms, direction, score, status },
    group: JSON.stringify(currency === null ? values : [...values, currency]),
    ...(typeof note === 'string' ? { note } : {}),
  };
  await marks.create(tenant, { name: record.id, body, created_by });
}

function deleteRoute(parts: AnomalyParts): Route {
  return route({
    ...{ id: 'deleteAnomalyOrRule', method: 'DELETE' as const, path: '/anomalies/{id}', tag: 'Anomalies' },
    summary: 'Delete a rule',
    description: 'The same as DELETE /anomalies/rules/{id}. Anomalies that it found stay in the history.',
    permission: 'definitions:write',
    params: idParams,
    conditional: true,
    answers: { 204: { description: 'It is gone' } },
    problems: ['not_found', 'revision_conflict', 'definition_in_use', 'kv_unavailable'],
    handle: async ({ tenant, params, request }: RawCall & { readonly params: { readonly id: string } }) => {
      await parts.rules.delete(tenant, params.id, revisionOf(request));
      return { status: 204 };
    },
  });
}
