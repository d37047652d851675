import type { KindDefinitions, Outbound, WebhookBody } from '../../../runtime/index.ts';
import type { Cursors, Route } from '../../http/index.ts';
import { type WebhookKindFace, webhookKindRoutes } from '../../sections/webhooks/index.ts';
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
const DESCRIPTION = `A URL that is posted to when an order changes. The body is
\`{event, payload: {order_id, order_number, old_status, new_status}, timestamp}\`. \`X-Webhook-Signature\` is the
HMAC-SHA256 of the body in hex, its key the secret as it was given; the headers of Standard Webhooks are there too.
Success is 2xx within 15 s; else it is tried again 3 times, 60 s apart, with the same \`webhook-id\`. 410 disables the
webhook at once, 10 deliveries in a row that failed do so too.`;
const TEST_TEXT =
  'Posts `{"event": "webhook.test", "payload", "timestamp"}` now, once, and says what became of it. It is signed like any ' +
  'other, is in the log of deliveries, and disables nothing.';

const FACE: WebhookKindFace = {
  served: {
    ...{ path: '/order-webhooks', tag: HOOKS_TAG, face: ORDERS, noun: 'OrderWebhook', test_text: TEST_TEXT },
  },
  said: 'an order webhook',
  told_of: 'what changes orders',
  description: DESCRIPTION,
  collection: 'data',
  active: 'is_active',
  input: hookInput,
  patch: hookPatch,
  documented_patch: hookInput.partial(),
  schema: hookSchema,
  created: createdHookSchema,
  view: hookView,
  stored: ({ is_active, ...given }) => ({
    ...given,
    ...(is_active === undefined ? {} : { active: is_active }),
  }),
  requireKnown: requireHookMembers,
  inputs: { orders: { summary: 'New, changed and delivered orders', value: EXAMPLE_HOOK_INPUT } },
  example: EXAMPLE_HOOK,
  example_secret: EXAMPLE_HOOK_INPUT.secret,
};

/** Order webhooks, their deliveries, and tests of them. */
export function hookRoutes({ webhooks, outbound, cursors }: HookRouteParts): readonly Route[] {
  return webhookKindRoutes({ webhooks, outbound: { webhooks: outbound.orderWebhooks }, cursors }, FACE);
}
