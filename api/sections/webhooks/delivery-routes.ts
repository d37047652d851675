import { z } from 'zod';
import type {
  Definition,
  DeliveryView,
  KindDefinitions,
  Outbound,
  WebhookBody,
} from '../../../runtime/index.ts';
import { requireDefinition } from '../../definitions/index.ts';
import {
  ApiError,
  type Cursors,
  type Face,
  listQuery,
  type ProblemCode,
  pageOf,
  parseJson,
  type Route,
  readWithin,
  requireMediaType,
  route,
} from '../../http/index.ts';
import { deliverySchema, deliveryView, EXAMPLE_DELIVERY, EXAMPLE_ID } from './webhook-face.ts';

export interface DeliveryRouteParts {
  readonly webhooks: KindDefinitions<WebhookBody>;
  readonly outbound: Pick<Outbound, 'webhooks'>;
  readonly cursors: Cursors;
  readonly served: ServedWebhooks;
}

/** Where the webhooks of an API are. */
export interface ServedWebhooks {
  readonly path: string;
  readonly tag: string;
  readonly face?: Face;
  /** Part of the operations' ids. */
  readonly noun: string;
  readonly test_text: string;
}

/** Webhooks that are tested at once. */
const TESTED_MAX = 20;
const TEST_MAX_BYTES = 4_096;

const params = z.object({ id: z.string().max(128) });
const tested = z.object({ webhook_id: z.string(), delivery: deliverySchema });
const testBody = z.strictObject({
  webhook_id: z.string().max(128).optional().describe('Default: all webhooks of the tenant'),
});
const EXAMPLE_TEST = {
  ...EXAMPLE_DELIVERY,
  type: 'webhook.test',
};

/** What was sent to webhooks, again, and as a test. */
export function deliveryRoutes(parts: DeliveryRouteParts): readonly Route[] {
  const single = [testRoute(parts), deliveriesRoute(parts), redeliverRoute(parts)];
  return parts.served === OWN_WEBHOOKS ? [testAllRoute(parts), ...single] : single;
}

const TEST_TEXT =
  'Posts `{"id", "type": "webhook.test", "timestamp", "data"}` now, once, and says what became of it. It is signed like ' +
  'any other, is in the log of deliveries, and disables nothing.';

/** Those of the first API. */
export const OWN_WEBHOOKS: ServedWebhooks = {
  ...{ path: '/webhooks', tag: 'Webhooks', noun: 'Webhook', test_text: TEST_TEXT },
};

/** What the routes of the webhooks of an API have in common. */
export function commonOf({ tag, face }: ServedWebhooks) {
  return { tag, permission: 'webhooks:manage', ...(face === undefined ? {} : { face }) } as const;
}

function testRoute({ webhooks, outbound, served }: DeliveryRouteParts): Route {
  return route({
    ...commonOf(served),
    id: `test${served.noun}`,
    method: 'POST',
    path: `${served.path}/{id}/test`,
    summary: 'Send a test to a webhook',
    description: served.test_text,
    params,
    answers: { 200: { description: 'What became of it', schema: deliverySchema, example: EXAMPLE_TEST } },
    problems: ['not_found', 'queue_unavailable'],
    handle: async (call) => {
      const webhook = requireDefinition(webhooks, call, call.params.id);
      const delivery = await outbound.webhooks.test(webhook, call.request.signal);
      return { status: 200, json: deliveryView(delivery) };
    },
  });
}

function testAllRoute({ webhooks, outbound }: DeliveryRouteParts): Route {
  return route({
    ...commonOf(OWN_WEBHOOKS),
    id: 'testWebhooks',
    method: 'POST',
    path: '/webhooks/test',
    summary: `Send a test to all webhooks of the tenant (at most ${TESTED_MAX}), or to one`,
    description: `${TEST_TEXT} The body may be left out.`,
    raw_body: {
      description: 'Which one; nothing: all',
      content: {
        'application/json': { schema: testBody, examples: { all: { summary: 'All of them', value: {} } } },
      },
    },
    answers: {
      200: {
        description: 'What became of them',
        schema: z.object({ results: z.array(tested) }),
        example: { results: [{ webhook_id: EXAMPLE_ID, delivery: EXAMPLE_TEST }] },
      },
    },
    problems: [
      ...(['malformed_json', 'malformed_body', 'json_too_deep', 'unsupported_media_type'] as const),
      ...(['unsupported_encoding', 'body_too_large', 'not_found', 'queue_unavailable'] as const),
    ] satisfies readonly ProblemCode[],
    handle: async (call) => {
      const bytes = await readWithin(call, TEST_MAX_BYTES);
      if (bytes.length > 0) requireMediaType(call.request, ['application/json']);
      const parsed = testBody.safeParse(bytes.length === 0 ? {} : parseJson(bytes));
      if (!parsed.success)
        throw new ApiError('validation_failed', 'The body has a `webhook_id`, or nothing.');
      const { webhook_id } = parsed.data;
      const chosen =
        webhook_id === undefined
          ? webhooks.list(call.tenant).slice(0, TESTED_MAX)
          : [requireDefinition(webhooks, call, webhook_id)];
      const results = await Promise.all(
        chosen.map(async (webhook) => ({
          webhook_id: webhook.id,
          delivery: deliveryView(await outbound.webhooks.test(webhook, call.request.signal)),
        })),
      );
      return { status: 200, json: { results } };
    },
  });
}

function deliveriesRoute({ webhooks, outbound, cursors, served }: DeliveryRouteParts): Route {
  return route({
    ...commonOf(served),
    id: served === OWN_WEBHOOKS ? 'listDeliveries' : `list${served.noun}Deliveries`,
    method: 'GET',
    path: `${served.path}/{id}/deliveries`,
    summary: 'What was sent to a webhook, newest first',
    description: 'The last 1,000 tries of a webhook are kept, for 30 days.',
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
      const { id } = call.params;
      const { status, ...page } = call.query;
      const all = await outbound.webhooks.deliveries(requireDefinition(webhooks, call, id));
      const wanted = all.filter((one) => status === undefined || one.status === status);
      const filter = { list: 'deliveries', tenant: call.tenant, id, status: status ?? null };
      return { status: 200, json: deliveryPage(cursors, wanted, filter, page) };
    },
  });
}

/** A page of deliveries, the newest first. `filter` is what its cursor is bound to. */
export function deliveryPage(
  cursors: Cursors,
  deliveries: readonly DeliveryView[],
  filter: unknown,
  page: Parameters<typeof pageOf>[4],
) {
  const { items, next_cursor } = pageOf(cursors, [...deliveries].sort(byAge), sortKey, filter, page);
  return { deliveries: items.map(deliveryView), next_cursor };
}

const sortKey = ({ created_at_ms, delivery_id }: DeliveryView): readonly [number, string] => [
  -created_at_ms,
  delivery_id,
];

const byAge = (a: DeliveryView, b: DeliveryView): number =>
  b.created_at_ms - a.created_at_ms || (a.delivery_id < b.delivery_id ? -1 : 1);

function redeliverRoute({ webhooks, outbound, served }: DeliveryRouteParts): Route {
  return route({
    ...commonOf(served),
    id: served === OWN_WEBHOOKS ? 'redeliver' : `redeliver${served.noun}`,
    method: 'POST',
    path: `${served.path}/{id}/deliveries/{delivery}/redeliver`,
    summary: 'Send a delivery again, with the ids that it had',
    description: 'What it tells of is kept for 7 days; a test is not.',
    params: params.extend({ delivery: z.string().max(128) }),
    answers: {
      202: {
        description: 'It is sent as soon as may be',
        schema: deliverySchema,
        example: { ...EXAMPLE_DELIVERY, status: 'pending', next_attempt_at: '2025-08-01T12:05:00.000Z' },
      },
    },
    problems: ['not_found', 'wrong_state', 'expired', 'queue_unavailable'],
    handle: async (call) => {
      const webhook = requireDefinition(webhooks, call, call.params.id);
      requireOpen(webhook);
      const again = await outbound.webhooks.redeliver(webhook, call.params.delivery);
      if (again === undefined) throw new ApiError('not_found', 'The webhook has no delivery with this id.');
      if (again !== null) return { status: 202, json: deliveryView(again) };
      throw new ApiError('expired', 'What it told of is not kept any more, or was a test.');
    },
  });
}

function requireOpen({ body: { active, disabled } }: Definition<WebhookBody>): void {
  if (active && disabled === null) return;
  throw new ApiError(
    'wrong_state',
    'Nothing is sent to this webhook: it is not active. PATCH it with {"active": true} first.',
  );
}
