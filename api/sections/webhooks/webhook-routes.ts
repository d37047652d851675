import { z } from 'zod';
import { asMillraceError } from '../../../engine/index.ts';
import type { Definition, KindDefinitions, Outbound, WebhookBody } from '../../../runtime/index.ts';
import { definitionPage, requireDefinition, revisionOf } from '../../definitions/index.ts';
import {
  type Answer,
  ApiError,
  type Cursors,
  listQuery,
  type ProblemCode,
  type RawCall,
  type Route,
  route,
} from '../../http/index.ts';
import { deliveryRoutes } from './delivery-routes.ts';
import {
  createdSchema,
  EXAMPLE_INPUT,
  EXAMPLE_WEBHOOK,
  nameFor,
  requireKnown,
  webhookInput,
  webhookPatch,
  webhookSchema,
  webhookView,
} from './webhook-face.ts';

export interface WebhookRouteParts {
  readonly webhooks: KindDefinitions<WebhookBody>;
  readonly outbound: Pick<Outbound, 'webhooks'>;
  readonly cursors: Cursors;
}

const DESCRIPTION = `A webhook is a URL that is posted to when something happens: \`anomaly.detected\`,
\`report.completed\`, \`export.failed\`, and \`order.*\`, which are the tenant's own events. The body is
\`{id, type, timestamp, data}\`. Each request has \`X-Webhook-Signature\` (the HMAC-SHA256 of the body in hex, its key the
secret as it was given) and the headers of Standard Webhooks. Success is 2xx within 15 s; else it is tried again, with the
same \`webhook-id\`. 410 disables the webhook at once, 10 deliveries in a row that failed do so too.`;

const COMMON = { tag: 'Webhooks', permission: 'webhooks:manage' } as const;
const ETAG = { ETag: 'Its revision, in quotes' };
const params = z.object({ id: z.string().max(128) });
const BODY_PROBLEMS = [
  'malformed_json',
  'malformed_body',
  'json_too_deep',
  'unsupported_media_type',
  'unsupported_encoding',
  'body_too_large',
  'target_forbidden',
  'name_taken',
  'kv_unavailable',
] as const satisfies readonly ProblemCode[];

/** Section 15: webhooks, their deliveries, and tests of them. */
export function webhookRoutes(parts: WebhookRouteParts): readonly Route[] {
  return [
    createRoute(parts),
    listRoute(parts),
    getRoute(parts),
    patchRoute(parts),
    deleteRoute(parts),
    ...deliveryRoutes(parts),
  ];
}

function answerOf(status: 200 | 201, webhook: Definition<WebhookBody>, more: object = {}): Answer {
  const headers = { ETag: `"${webhook.revision}"` };
  return { status, headers, json: { ...webhookView(webhook), ...more } };
}

/** 422 for a URL that a request to would be refused. */
export async function requireAllowed(
  { outbound }: { readonly outbound: { readonly webhooks: Pick<Outbound['webhooks'], 'check'> } },
  url: string,
): Promise<void> {
  try {
    await outbound.webhooks.check(url);
  } catch (error) {
    const { message } = asMillraceError(error);
    throw new ApiError('target_forbidden', message, { errors: [{ path: 'url', message }], cause: error });
  }
}

function createRoute(parts: WebhookRouteParts): Route {
  const { webhooks, outbound } = parts;
  return route({
    ...COMMON,
    id: 'createWebhook',
    method: 'POST',
    path: '/webhooks',
    summary: 'Have a URL told of what happens',
    description: DESCRIPTION,
    body: webhookInput,
    body_examples: { anomalies: { summary: 'Anomalies and failed exports', value: EXAMPLE_INPUT } },
    answers: {
      201: {
        description: 'The webhook, with its secret',
        schema: createdSchema,
        example: { ...EXAMPLE_WEBHOOK, secret: EXAMPLE_INPUT.secret },
        headers: { Location: 'The webhook', ...ETAG },
      },
    },
    problems: [...BODY_PROBLEMS, 'limit_reached'],
    handle: async ({ tenant, principal, base, body: { name, secret, ...body } }) => {
      await requireAllowed(parts, body.url);
      const made = await webhooks.create(tenant, {
        name: name ?? nameFor(body.url),
        body: { ...body, sealed_secret: outbound.webhooks.sealed(tenant, secret) },
        created_by: principal.key_id,
      });
      const answer = answerOf(201, made, { secret: outbound.webhooks.secretOf(made) });
      return { ...answer, headers: { ...answer.headers, Location: `${base}/webhooks/${made.id}` } };
    },
  });
}

function listRoute({ webhooks, cursors }: WebhookRouteParts): Route {
  return route({
    ...COMMON,
    id: 'listWebhooks',
    method: 'GET',
    path: '/webhooks',
    summary: 'List the webhooks of the tenant, oldest first',
    query: z.strictObject(listQuery),
    answers: {
      200: {
        description: 'A page of webhooks',
        schema: z.object({ webhooks: z.array(webhookSchema), next_cursor: z.string().nullable() }),
        example: { webhooks: [EXAMPLE_WEBHOOK], next_cursor: null },
      },
    },
    problems: ['invalid_cursor', 'cursor_mismatch'],
    handle: ({ tenant, query }) => {
      const { items, next_cursor } = definitionPage(webhooks, cursors, tenant, query);
      return { status: 200, json: { webhooks: items.map(webhookView), next_cursor } };
    },
  });
}

function getRoute({ webhooks }: WebhookRouteParts): Route {
  return route({
    ...COMMON,
    id: 'getWebhook',
    method: 'GET',
    path: '/webhooks/{id}',
    summary: 'One webhook',
    params,
    answers: {
      200: { description: 'The webhook', schema: webhookSchema, example: EXAMPLE_WEBHOOK, headers: ETAG },
    },
    problems: ['not_found'],
    handle: (call) => answerOf(200, requireDefinition(webhooks, call, call.params.id)),
  });
}

function patchRoute(parts: WebhookRouteParts): Route {
  const { webhooks } = parts;
  return route({
    ...COMMON,
    id: 'updateWebhook',
    method: 'PATCH',
    path: '/webhooks/{id}',
    summary: 'Change a webhook, or enable it again',
    description:
      'A JSON merge patch (RFC 7396): null removes a member. `active: true` enables a webhook that was disabled; what ' +
      'happened since is sent then, as far as it is kept (7 days). `secret` replaces the secret.',
    params,
    conditional: true,
    body_types: ['application/merge-patch+json', 'application/json'],
    body: webhookPatch,
    documented_body: webhookInput.partial(),
    body_examples: { enable: { summary: 'Enable it again', value: { active: true } } },
    answers: {
      200: {
        description: 'The webhook as it is now',
        schema: webhookSchema,
        example: EXAMPLE_WEBHOOK,
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
  parts: WebhookRouteParts,
  { tenant }: RawCall,
  body: z.output<typeof webhookPatch>,
): Promise<object> {
  const { webhooks } = parts.outbound;
  requireKnown(body);
  const { secret, ...patch } = body;
  const url = webhookInput.shape.url.safeParse(patch.url);
  if (url.success) await requireAllowed(parts, url.data);
  return {
    ...patch,
    ...(secret === undefined ? {} : { sealed_secret: webhooks.sealed(tenant, secret) }),
    ...(patch.active === true ? webhooks.enabling() : {}),
  };
}

function deleteRoute({ webhooks, outbound }: WebhookRouteParts): Route {
  return route({
    ...COMMON,
    id: 'deleteWebhook',
    method: 'DELETE',
    path: '/webhooks/{id}',
    summary: 'Delete a webhook, with the log of its deliveries',
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
        log.warn({ err: error, id }, 'what a deleted webhook had is not freed yet');
      }
      return { status: 204 };
    },
  });
}
