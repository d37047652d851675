import { z } from 'zod';
import type { MarkBody, RuleBody } from '../../../analytics/index.ts';
import { type KindDefinitions, type Outbound, shownChannel } from '../../../runtime/index.ts';
import type { AnswerParts } from '../../answers/index.ts';
import { type DefinitionRoutesSpec, definitionRoutes, requireDefinition } from '../../definitions/index.ts';
import { type Cursors, listQuery, pageOf, type Route, route, timestamp, timeText } from '../../http/index.ts';
import type { Tenants } from '../../tenants/index.ts';
import type { AlertBody } from './alert-kind.ts';
import type { AlertLog, AlertLogEntry } from './alert-log.ts';

/** What the routes of alerts share. */
export interface AlertParts {
  readonly answers: AnswerParts;
  readonly tenants: Pick<Tenants, 'metricsOf' | 'settingsOf'>;
  readonly alerts: KindDefinitions<AlertBody>;
  readonly rules: KindDefinitions<RuleBody>;
  readonly marks: KindDefinitions<MarkBody>;
  readonly outbound: Pick<Outbound, 'notify'>;
  readonly log: AlertLog;
  readonly cursors: Cursors;
}

const DESCRIPTION = `An alert tells channels of anomalies that rules find, or of a metric beyond a threshold: once it has
lasted for \`for_windows\`, once for each group, not in a silence or a cool-down, and again when it is over. Thresholds
are judged as rules are: as windows close by the watermark, late events included, and not while events are missing.`;

export const ALERT_EXAMPLE = {
  name: 'few orders in a country',
  condition: { threshold: { metric: 'orders_count', group_by: ['country'], window: '1h', below: 5 } },
  for_windows: 2,
  cooldown_seconds: 3_600,
  channels: [{ type: 'slack', url: 'https://hooks.slack.com/services/T000/B000/XXXX' }],
};

const COMMON = { tag: 'Alerts', permission: 'webhooks:manage' } as const;
const params = z.object({ id: z.string().max(128) });

export const noticeSchema = z.object({
  id: z.string().describe('A function of tenant, alert, group, time and phase'),
  incident: z.string().describe('The id of the notice that it began with'),
  phase: z.enum(['firing', 'recovered']),
  alert_id: z.string(),
  alert: z.string().describe('Its name'),
  group: z.record(z.string(), z.string().nullable()),
  time: timestamp('Of events: the end of the window that it follows from'),
  severity: z.enum(['low', 'medium', 'high']),
  title: z.string(),
  text: z.string(),
  anomalies: z
    .array(z.object({ id: z.string(), metric: z.string(), text: z.string() }))
    .describe('At most 20'),
  anomaly_count: z.int(),
  reason: z
    .enum(['disabled', 'deleted'])
    .optional()
    .describe('Of `recovered`: the alert was disabled or deleted while it was firing'),
});

const told = noticeSchema.extend({ told_at: timestamp('When it was handed to the channels') });

const NOTICE_EXAMPLE = {
  id: 'notice_mdsihc00_9f86d081884c7d659a2f',
  ...{ incident: 'notice_mdsihc00_9f86d081884c7d659a2f', phase: 'firing' },
  ...{ alert_id: 'alert_01J4ZQ8W6N3V5T7R9P1M3K5H7F', alert: 'few orders in a country' },
  ...{ group: { country: 'GB' }, time: '2025-08-01T12:00:00Z', severity: 'high' },
  title: 'Alert: few orders in a country (country GB)',
  text: 'Orders (country GB) 60 % below its threshold from 2025-08-01T10:00:00Z to 2025-08-01T11:00:00Z',
  anomalies: [],
  ...{ anomaly_count: 1, told_at: '2025-08-01T12:00:01.000Z' },
};

export function alertRoutes(parts: AlertParts): readonly Route[] {
  const { alerts, cursors } = parts;
  return [...definitionRoutes(alerts, cursors, specOf(parts)), testRoute(parts), historyRoute(parts)];
}

function specOf({ answers, tenants }: AlertParts): DefinitionRoutesSpec {
  return {
    path: '/alerts',
    noun: 'alert',
    tag: 'Alerts',
    description: DESCRIPTION,
    complete: (tenant, given) => ({
      ...given,
      since: given.since ?? new Date(answers.ports.clock.now()).toISOString(),
      timezone: given.timezone ?? tenants.settingsOf(tenant)?.timezone ?? 'UTC',
    }),
    examples: {
      threshold: { summary: 'Few orders in a country', value: ALERT_EXAMPLE },
      anomaly: {
        summary: 'Anomalies of revenue, one notice for all groups',
        value: {
          name: 'revenue',
          condition: { anomaly: { metric: 'revenue', min_severity: 'medium' } },
          ...{ group_by: [], cooldown_seconds: 3_600, notify_recovery: true },
        },
      },
    },
    shown: {
      members: { channels: z.array(z.looseObject({ type: z.string() })).describe('Without their secrets') },
      of: (found) => found.map(({ body }) => ({ channels: (body as AlertBody).channels.map(shownChannel) })),
      example: { channels: [{ type: 'slack', url: '***' }] },
    },
    problems: ['channel_not_configured'],
    permissions: { read: 'webhooks:manage', write: 'webhooks:manage' },
  };
}

function testRoute({ alerts, outbound, answers }: AlertParts): Route {
  return route({
    ...COMMON,
    ...({ id: 'testAlert', method: 'POST', path: '/alerts/{id}/test' } as const),
    summary: 'Send a test to the channels of an alert',
    description: 'Of the type `alert.test`; it is not in the history.',
    params,
    answers: {
      202: {
        description: 'It is sent as soon as may be',
        schema: z.object({ notice_id: z.string(), channels: z.array(z.string()) }),
        example: { notice_id: 'test_mdsihc00', channels: ['slack'] },
      },
    },
    problems: ['not_found', 'queue_unavailable'],
    handle: async (call) => {
      const alert = requireDefinition(alerts, call, call.params.id);
      const now_ms = answers.ports.clock.now();
      const notice_id = `test_${alert.id}_${now_ms.toString(36)}`;
      const text = 'This is a test: nothing has happened.';
      const payload = { id: notice_id, alert_id: alert.id, alert: alert.name, text };
      await outbound.notify(call.tenant, 'alert.test', notice_id, payload, {
        channels: alert.body.channels,
        message: {
          ...{ title: `Test: ${alert.name}`, text, severity: 'info', about: notice_id },
          ...{ isResolved: false, time_ms: now_ms, details: payload },
        },
      });
      const channels = alert.body.channels.map(({ type }) => type);
      return { status: 202, json: { notice_id, channels } };
    },
  });
}

const sortKey = ({ notice, time_ms }: AlertLogEntry): readonly [number, string] => [-time_ms, notice.id];
const byAge = (a: AlertLogEntry, b: AlertLogEntry): number =>
  b.time_ms - a.time_ms || (a.notice.id < b.notice.id ? -1 : 1);

function historyRoute({ alerts, log, cursors }: AlertParts): Route {
  return route({
    ...COMMON,
    ...({ id: 'listAlertHistory', method: 'GET', path: '/alerts/{id}/history' } as const),
    summary: 'What an alert has told, newest first',
    description: 'The last 1,000 notices of an alert are kept, for 30 days.',
    params,
    query: z.strictObject(listQuery),
    answers: {
      200: {
        description: 'A page of notices',
        schema: z.object({ notices: z.array(told), next_cursor: z.string().nullable() }),
        example: { notices: [NOTICE_EXAMPLE], next_cursor: null },
      },
    },
    problems: ['not_found', 'invalid_cursor', 'cursor_mismatch', 'queue_unavailable'],
    handle: async (call) => {
      const { id } = requireDefinition(alerts, call, call.params.id);
      const all = [...(await log.entries(call.tenant, id))].sort(byAge);
      const filter = { list: 'alert-history', tenant: call.tenant, id };
      const { items, next_cursor } = pageOf(cursors, all, sortKey, filter, call.query);
      const notices = items.map(({ notice, told_at_ms }) => ({ ...notice, told_at: timeText(told_at_ms) }));
      return { status: 200, json: { notices, next_cursor } };
    },
  });
}
