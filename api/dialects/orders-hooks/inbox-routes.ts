import { z } from 'zod';
import type { PiiMask } from '../../answers/index.ts';
import {
  type Cursors,
  listQuery,
  pageOf,
  type RawCall,
  type Route,
  route,
  timestamp,
  timeText,
} from '../../http/index.ts';
import { ORDERS } from './face.ts';
import { INBOX_MAX, type Inbox, type StoredEntry, shownEntry } from './inbox.ts';
import { RULES_TAG } from './rule-routes.ts';

interface InboxRouteParts {
  readonly inbox: Inbox;
  readonly cursors: Cursors;
  readonly maskOf: (call: RawCall) => PiiMask;
}

const notificationSchema = z.object({
  id: z.string().describe('Of the rule and the event: the same however often it was told'),
  rule_id: z.string(),
  rule_name: z.string(),
  event: z.string(),
  order_id: z.string(),
  text: z.string(),
  time: timestamp('When it happened'),
  test: z.boolean(),
});

const EXAMPLE = {
  id: 'msg_o4y5c6tq2bwvhz7xkdm3na5rle',
  rule_id: 'order_notification_rule_01J4ZQ8W6N3V5T7R9P1M3K5H7F',
  rule_name: 'Order shipped in app',
  event: 'order.shipped',
  order_id: 'o-1001',
  text: 'Hi Alex Example, your order #ORD-20260305-A1B2 has been shipped!',
  time: '2026-03-05T10:30:00.000Z',
  test: false,
};

/** What rules told in the application. */
export function inboxRoute({ inbox, cursors, maskOf }: InboxRouteParts): Route {
  return route({
    tag: RULES_TAG,
    face: ORDERS,
    permission: 'events:read',
    id: 'listOrderNotifications',
    method: 'GET',
    path: '/order-notifications',
    summary: 'What rules told in the application, newest first',
    description: `The last ${INBOX_MAX} of the tenant are kept, for 30 days. What is masked for the caller is masked in the texts.`,
    query: z.strictObject({
      ...listQuery,
      rule_id: z.string().max(128).optional().describe('Only those of a rule'),
    }),
    answers: {
      200: {
        description: 'A page of notifications',
        schema: z.object({ data: z.array(notificationSchema), next_cursor: z.string().nullable() }),
        example: { data: [EXAMPLE], next_cursor: null },
      },
    },
    problems: ['invalid_cursor', 'cursor_mismatch', 'queue_unavailable'],
    handle: async (call) => {
      const { rule_id, ...page } = call.query;
      const all = await inbox.entries(call.tenant);
      const wanted = all.filter((one) => rule_id === undefined || one.rule_id === rule_id);
      const filter = { list: 'order notifications', tenant: call.tenant, rule_id: rule_id ?? null };
      const { items, next_cursor } = pageOf(cursors, wanted, sortKey, filter, page);
      const mask = maskOf(call);
      return { status: 200, json: { data: items.map((entry) => viewOf(entry, mask)), next_cursor } };
    },
  });
}

const sortKey = ({ sequence, id }: StoredEntry): readonly [number, string] => [-sequence, id];

function viewOf(entry: StoredEntry, mask: PiiMask): z.output<typeof notificationSchema> {
  const { id, rule_id, rule_name, event, time_ms, isTest } = entry;
  const { order_id, text } = shownEntry(entry, mask);
  return { id, rule_id, rule_name, event, order_id, text, time: timeText(time_ms), test: isTest };
}
