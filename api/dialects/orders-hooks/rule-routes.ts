import { z } from 'zod';
import {
  type Definition,
  type KindDefinitions,
  type Outbound,
  systemRandom,
  toldType,
  ulid,
} from '../../../runtime/index.ts';
import { definitionRoutes, requireDefinition } from '../../definitions/index.ts';
import {
  ApiError,
  type Cursors,
  listQuery,
  type ProblemCode,
  parseJson,
  type RawCall,
  type Route,
  readWithin,
  requireMediaType,
  route,
} from '../../http/index.ts';
import {
  deliveryPage,
  deliverySchema,
  deliveryView,
  EXAMPLE_DELIVERY,
} from '../../sections/webhooks/index.ts';
import { ORDERS } from './face.ts';
import type { Inbox } from './inbox.ts';
import { addressSchema, type RuleBody } from './rule-kind.ts';
import {
  channelsOf,
  entryOf,
  messageOf,
  noticeOf,
  noticeTypeOf,
  type RuleEvent,
  textsOf,
} from './rule-teller.ts';
import { PLACEHOLDERS } from './rule-template.ts';

export interface RuleRouteParts {
  readonly rules: KindDefinitions<RuleBody>;
  readonly outbound: Pick<Outbound, 'tellNow' | 'told'>;
  readonly inbox: Inbox;
  readonly cursors: Cursors;
  readonly now: () => number;
}

const PATH = '/order-notification-rules';
export const RULES_TAG = 'Order notifications';
const COMMON = { tag: RULES_TAG, face: ORDERS, permission: 'webhooks:manage' } as const;
const TEST_MAX_BYTES = 16_384;
const params = z.object({ id: z.string().max(128) });

const DESCRIPTION = `A rule tells people when an order changes: \`sms\` and \`whatsapp\` by the installation's provider, \`email\`
by its mail server, \`in_app\` in \`GET /order-notifications\`. An unknown placeholder of the template is a 422, and so is a
channel that the installation has no settings for (\`channel_not_configured\`). What an event says is text wherever it
stands. Events that were stored more than a day after they happened or before they are read, those of before the rule was
activated, and those that come after what follows from them, tell nobody.`;

const EXAMPLE_RULE = {
  name: 'Order shipped in app',
  event: 'order.fulfilled',
  channel: 'in_app',
  recipient_type: 'customer',
  template: 'Hi {{customer_name}}, your order #{{order_number}} has been shipped! Track: {{tracking_url}}',
  conditions: {},
  is_active: true,
};

/** What a test is filled with, where it does not say. */
const SAMPLE = {
  order_number: 'ORD-20260305-A1B2',
  customer_name: 'Alex Example',
  total: '49.90 EUR',
  status: 'shipped',
  tracking_url: 'https://track.example.com/A1B2',
  return_number: 'RET-20260305-A1B2',
} as const;

/** Notification rules, what they told, and tests of them. */
export function ruleRoutes(parts: RuleRouteParts): readonly Route[] {
  return [
    ...definitionRoutes(parts.rules, parts.cursors, {
      path: PATH,
      noun: 'order notification rule',
      collection: 'data',
      tag: RULES_TAG,
      face: ORDERS,
      description: DESCRIPTION,
      examples: { shipped: { summary: 'Of a shipment', value: EXAMPLE_RULE } },
      permissions: { read: 'webhooks:manage', write: 'webhooks:manage' },
      problems: ['channel_not_configured'],
    }),
    testRoute(parts),
    deliveriesRoute(parts),
  ];
}

const testBody = z.strictObject({
  to: z.string().max(254).optional().describe('Number or address; needed where it tells customers'),
  values: z
    .partialRecord(z.enum(PLACEHOLDERS), z.string().max(1_000))
    .optional()
    .describe('What placeholders stand for; samples where it does not say'),
});

const testedSchema = z.object({
  subject: z.string().nullable().describe('Of a mail'),
  text: z.string(),
  deliveries: z
    .array(deliverySchema)
    .describe('What became of it; none of `in_app`, which is listed at once'),
});

function testRoute(parts: RuleRouteParts): Route {
  return route({
    ...COMMON,
    id: 'testOrderNotificationRule',
    method: 'POST',
    path: `${PATH}/{id}/test`,
    summary: 'Send what a rule says with sample values',
    description: 'Now, once; a rule that is not active too. The body may be left out.',
    params,
    raw_body: {
      description: 'To whom, and with what values',
      content: {
        'application/json': { schema: testBody, examples: { samples: { summary: 'Samples', value: {} } } },
      },
    },
    answers: {
      200: {
        description: 'What was sent, and what became of it',
        schema: testedSchema,
        example: {
          subject: null,
          text: 'Hi Alex Example, your order #ORD-20260305-A1B2 has been shipped!',
          deliveries: [],
        },
      },
    },
    problems: [
      ...(['malformed_json', 'malformed_body', 'json_too_deep', 'unsupported_media_type'] as const),
      ...(['unsupported_encoding', 'body_too_large', 'not_found', 'channel_not_configured'] as const),
      'queue_unavailable',
    ] satisfies readonly ProblemCode[],
    handle: async (call) => {
      const rule = requireDefinition(parts.rules, call, call.params.id);
      const body = await testBodyOf(call);
      return { status: 200, json: await tested(parts, rule, body, call.request.signal) };
    },
  });
}

async function testBodyOf(call: RawCall): Promise<z.output<typeof testBody>> {
  const bytes = await readWithin(call, TEST_MAX_BYTES);
  if (bytes.length === 0) return {};
  requireMediaType(call.request, ['application/json']);
  const parsed = testBody.safeParse(parseJson(bytes));
  if (parsed.success) return parsed.data;
  throw new ApiError('validation_failed', 'The body has `to` and `values`, or nothing.');
}

async function tested(
  { outbound, inbox, now }: RuleRouteParts,
  rule: Definition<RuleBody>,
  { to, values = {} }: z.output<typeof testBody>,
  signal: AbortSignal,
): Promise<z.output<typeof testedSchema>> {
  const { channel } = rule.body;
  const time_ms = now();
  const told: RuleEvent = {
    ...{
      order_id: 'test',
      event_id: `test_${ulid(time_ms, systemRandom)}`,
      type: toldType(rule.body.event),
      time_ms,
    },
    values: Object.fromEntries(
      PLACEHOLDERS.map((name) => [name, { value: values[name] ?? SAMPLE[name], paths: [[name]] }]),
    ),
  };
  const notice = noticeOf(rule, told);
  const message = messageOf(rule, textsOf(told.values), time_ms);
  if (channel === 'in_app') {
    await inbox.add(rule.tenant, entryOf(rule, notice, told, true));
    return { subject: null, text: message.title, deliveries: [] };
  }
  const channels = channelsOf(channel, addressesOf(rule, to));
  const deliveries = await Promise.all(channels.map((one) => outbound.tellNow(notice, one, message, signal)));
  const isMail = channel === 'email';
  return {
    subject: isMail ? message.title : null,
    text: isMail ? message.text : message.title,
    deliveries: deliveries.map(deliveryView),
  };
}

function addressesOf({ body }: Definition<RuleBody>, to: string | undefined): readonly string[] {
  const { channel, recipients = [] } = body;
  if (to === undefined && recipients.length > 0) return recipients;
  const problem = addressSchema(channel).safeParse(to).error?.issues[0]?.message;
  if (to !== undefined && problem === undefined) return [to];
  const message = to === undefined ? 'is needed: the rule tells customers' : (problem ?? 'is no address');
  throw new ApiError('validation_failed', `\`to\` ${message}.`, { errors: [{ path: 'to', message }] });
}

function deliveriesRoute({ rules, outbound, cursors }: RuleRouteParts): Route {
  return route({
    ...COMMON,
    id: 'listOrderNotificationDeliveries',
    method: 'GET',
    path: `${PATH}/{id}/deliveries`,
    summary: 'What a rule sent, newest first',
    description:
      'Of the last 1,000 tries of its channel in the tenant, kept for 30 days. `no_recipient`: no event of the order says ' +
      'how the customer is reached. What is told in the application is in `GET /order-notifications`.',
    params,
    query: z.strictObject({
      ...listQuery,
      status: deliverySchema.shape.status.optional().describe('Only those that stand so'),
    }),
    answers: {
      200: {
        description: 'A page of deliveries',
        schema: z.object({ deliveries: z.array(deliverySchema), next_cursor: z.string().nullable() }),
        example: { deliveries: [EXAMPLE_DELIVERY], next_cursor: null },
      },
    },
    problems: ['not_found', 'invalid_cursor', 'cursor_mismatch', 'queue_unavailable'],
    handle: async (call) => {
      const rule = requireDefinition(rules, call, call.params.id);
      const { status, ...page } = call.query;
      const { channel } = rule.body;
      const all = channel === 'in_app' ? [] : await outbound.told(call.tenant, channel, noticeTypeOf(rule));
      const wanted = all.filter((one) => status === undefined || one.status === status);
      const filter = { list: 'rule deliveries', tenant: call.tenant, id: rule.id, status: status ?? null };
      return { status: 200, json: deliveryPage(cursors, wanted, filter, page) };
    },
  });
}
