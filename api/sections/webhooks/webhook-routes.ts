import type { Route } from '../../http/index.ts';
import { OWN_WEBHOOKS } from './delivery-routes.ts';
import {
  createdSchema,
  EXAMPLE_INPUT,
  EXAMPLE_WEBHOOK,
  requireKnown,
  webhookInput,
  webhookPatch,
  webhookSchema,
  webhookView,
} from './webhook-face.ts';
import { type WebhookKindFace, type WebhookKindParts, webhookKindRoutes } from './webhook-kind-routes.ts';

const DESCRIPTION = `A webhook is a URL that is posted to when something happens: \`anomaly.detected\`,
\`report.completed\`, \`export.failed\`, and \`order.*\`, which are the tenant's own events. The body is
\`{id, type, timestamp, data}\`. Each request has \`X-Webhook-Signature\` (the HMAC-SHA256 of the body in hex, its key the
secret as it was given) and the headers of Standard Webhooks. Success is 2xx within 15 s; else it is tried again, with the
same \`webhook-id\`. 410 disables the webhook at once, 10 deliveries in a row that failed do so too.`;

const FACE: WebhookKindFace = {
  served: OWN_WEBHOOKS,
  said: 'a webhook',
  told_of: 'what happens',
  description: DESCRIPTION,
  collection: 'webhooks',
  active: 'active',
  input: webhookInput,
  patch: webhookPatch,
  documented_patch: webhookInput.partial(),
  schema: webhookSchema,
  created: createdSchema,
  view: webhookView,
  stored: (given) => given,
  requireKnown,
  inputs: { anomalies: { summary: 'Anomalies and failed exports', value: EXAMPLE_INPUT } },
  example: EXAMPLE_WEBHOOK,
  example_secret: EXAMPLE_INPUT.secret,
};

/** Section 15: webhooks, their deliveries, and tests of them. */
export function webhookRoutes(parts: WebhookKindParts): readonly Route[] {
  return webhookKindRoutes(parts, FACE);
}
