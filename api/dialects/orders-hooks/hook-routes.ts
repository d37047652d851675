import { z } from 'zod';
import type { Definition, KindDefinitions, Outbound, WebhookBody } from '../../../runtime/index.ts';
import { definitionPage, requireDefinition, revisionOf } from '../../definitions/index.ts';
import {
  type Answer,
  type Cursors,
  listQuery,
  type ProblemCode,
  type RawCall,
  type Route,
  route,
} from '../../http/index.ts';
import { deliveryRoutes, nameFor, requireAllowed } from '../../sections/webhooks/index.ts';
import { ORDERS } from './face.ts';
import {
  createdHookSchema,
  EXAMPLE_HOOK,
  EXAMPLE_HOOK_INPUT,
  hookInput,
  hookPatch,
  hookSchema,
  hookView,
  requireHookMembers,
} from './hook-face.ts';

export interface HookRouteParts {
  readonly webhooks: KindDefinitions<WebhookBody>;
  readonly outbound: Pick<Outbound, 'orderWebhooks'>;
  readonly cursors: Cursors;
}

export const HOOKS_TAG = 'Order webhooks';
const PATH = '/order-webhooks';
const DESCRIPTION = `A URL that is posted to when an order changes. The body is
\`{event, payload: {order_id, order_number, old_status, new_status}, timestamp}\`. \`X-Webhook-Signature\` is the
HMAC-SHA256 of the body in hex, its key the secret as it was given; the headers of Standard Webhooks are there too.
Success is 2xx within 15 s; else it is tried again 3 times, 60 s apart, with the same \`webhook-id\`. 410 disables the
webhook at once, 10 deliveries in a row that failed do so too.`;
const TEST_TEXT =
  'Posts `{"event": "webhook.test", "payload", "timestamp"}` now, once, and says what became of it. It is signed like any ' +
  'other, is in the log of deliveries, and disables nothing.';

const COMMON = { tag: HOOKS_TAG, face: ORDERS, permission: 'webhooks:manage' } as const;
const ETAG = { ETag: 'Its revision, in quotes' };
const params = z.object({ id: z.string().max(128) });
const BODY_PROBLEMS = [
  ...(['malformed_json', 'malformed_body', 'json_too_deep', 'unsupported_media_type'] as const),
  ...([
    'unsupported_encoding',
    'body_too_large',
    'target_forbidden',
    'name_taken',
    'kv_unavailable',
  ] as const),
] satisfies readonly ProblemCode[];

/** Order webhooks, their deliveries, and tests of them. */
export function hookRoutes({ webhooks, outbound, cursors }: HookRouteParts): readonly Route[] {
  const parts: Parts = { webhooks, outbound: { webhooks: outbound.orderWebhooks }, cursors };
  const served = { path: PATH, tag: HOOKS_TAG, face: ORDERS, noun: 'OrderWebhook', test_text: TEST_TEXT };
  return [
    createRoute(parts),
    listRoute(parts),
    getRoute(parts),
    patchRoute(parts),
    deleteRoute(parts),
    ...deliveryRoutes({ ...parts, served }),
  ];
}

interface Parts {
  readonly webhooks: KindDefinitions<WebhookBody>;
  readonly outbound: Pick<Outbound, 'webhooks'>;
  readonly cursors: Cursors;
}

function answerOf(status: 200 | 201, webhook: Definition<WebhookBody>, more: object = {}): Answer {
  const headers = { ETag: `"${webhook.revision}"` };
  return { status, headers, json: { ...hookView(webhook), ...more } };
}

function createRoute(parts: Parts): Route {
  const { webhooks, outbound } = parts;
  return route({
    ...COMMON,
    id: 'createOrderWebhook',
    method: 'POST',
    path: PATH,
    summary: 'Have a URL told of what changes orders',
    description: DESCRIPTION,
    body: hookInput,
    body_examples: { orders: { summary: 'New, changed and delivered orders', value: EXAMPLE_HOOK_INPUT } },
    answers: {
      201: {
        description: 'The webhook, with its secret',
        schema: createdHookSchema,
        example: { ...EXAMPLE_HOOK, secret: EXAMPLE_HOOK_INPUT.secret },
        headers: { Location: 'The webhook', ...ETAG },
      },
    },
    problems: [...BODY_PROBLEMS, 'limit_reached'],
    handle: async ({ tenant, principal, base, body: { name, secret, is_active, ...body } }) => {
      await requireAllowed(parts, body.url);
      const made = await webhooks.create(tenant, {
        name: name ?? nameFor(body.url),
        body: { ...body, active: is_active, sealed_secret: outbound.webhooks.sealed(tenant, secret) },
        created_by: principal.key_id,
      });
      const answer = answerOf(201, made, { secret: outbound.webhooks.secretOf(made) });
      return { ...answer, headers: { ...answer.headers, Location: `${base}${PATH}/${made.id}` } };
    },
  });
}

function listRoute({ webhooks, cursors }: Parts): Route {
  return route({
    ...COMMON,
    id: 'listOrderWebhooks',
    method: 'GET',
    path: PATH,
    summary: 'List the order webhooks of the tenant, oldest first',
    query: z.strictObject(listQuery),
    answers: {
      200: {
        description: 'A page of webhooks',
        schema: z.object({ data: z.array(hookSchema), next_cursor: z.string().nullable() }),
        example: { data: [EXAMPLE_HOOK], next_cursor: null },
      },
    },
    problems: ['invalid_cursor', 'cursor_mismatch'],
    handle: ({ tenant, query }) => {
      const { items, next_cursor } = definitionPage(webhooks, cursors, tenant, query);
      return { status: 200, json: { data: items.map(hookView), next_cursor } };
    },
  });
}

function getRoute({ webhooks }: Parts): Route {
  return route({
    ...COMMON,
    id: 'getOrderWebhook',
    method: 'GET',
    path: `${PATH}/{id}`,
    summary: 'One order webhook',
    params,
    answers: {
      200: { description: 'The webhook', schema: hookSchema, example: EXAMPLE_HOOK, headers: ETAG },
    },
    problems: ['not_found'],
    handle: (call) => answerOf(200, requireDefinition(webhooks, call, call.params.id)),
  });
}

function patchRoute(parts: Parts): Route {
  const { webhooks } = parts;
  return route({
    ...COMMON,
    id: 'updateOrderWebhook',
    method: 'PATCH',
    path: `${PATH}/{id}`,
    summary: 'Change an order webhook, or enable it again',
    description:
      'A JSON merge patch (RFC 7396): null removes a member. `is_active: true` enables a webhook that was disabled; what ' +
      'happened since is sent then, as far as it is kept (7 days). `secret` replaces the secret.',
    params,
    conditional: true,
    body_types: ['application/merge-patch+json', 'application/json'],
    body: hookPatch,
    documented_body: hookInput.partial(),
    body_examples: { enable: { summary: 'Enable it again', value: { is_active: true } } },
    answers: {
      200: {
        description: 'The webhook as it is now',
        schema: hookSchema,
        example: EXAMPLE_HOOK,
        headers: ETAG,
      },
    },
    problems: [...BODY_PROBLEMS, 'not_found', 'revision_conflict'],
    handle: async (call) => {
      const { id } = call.params;
      requireDefinition(webhooks, call, id);
      const patch = await storedPatch(parts, call, call.body);
      return answerOf(200, await webhooks.patch(call.tenant, id, patch, revisionOf(call.request)));
    },
  });
}

/** A patch of what is stored. Throws 422 for what callers do not set. */
async function storedPatch(
  parts: Parts,
  { tenant }: RawCall,
  body: z.output<typeof hookPatch>,
): Promise<object> {
  const { webhooks } = parts.outbound;
  requireHookMembers(body);
  const { secret, is_active, ...patch } = body;
  const url = hookInput.shape.url.safeParse(patch.url);
  if (url.success) await requireAllowed(parts, url.data);
  return {
    ...patch,
    ...(secret === undefined ? {} : { sealed_secret: webhooks.sealed(tenant, secret) }),
    ...(is_active === undefined ? {} : { active: is_active }),
    ...(is_active === true ? webhooks.enabling() : {}),
  };
}

function deleteRoute({ webhooks, outbound }: Parts): Route {
  return route({
    ...COMMON,
    id: 'deleteOrderWebhook',
    method: 'DELETE',
    path: `${PATH}/{id}`,
    summary: 'Delete an order webhook, with the log of its deliveries',
    params,
    conditional: true,
    answers: { 204: { description: 'It is gone' } },
    problems: ['not_found', 'revision_conflict', 'kv_unavailable'],
    handle: async ({ tenant, params: { id }, request, log }) => {
      await webhooks.delete(tenant, id, revisionOf(request));
      try {
        await outbound.webhooks.forget({ tenant, id });
      } catch (error) {
        // The stream forgets it by itself, in some days.
        log.warn({ err: error, id }, 'what a deleted order webhook had is not freed yet');
      }
      return { status: 204 };
    },
  });
}
