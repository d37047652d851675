import { z } from 'zod';
import { asMillraceError } from '../../../engine/index.ts';
import {
  type Definition,
  type KindDefinitions,
  type Outbound,
  type WebhookBody,
  webhookMembers,
} from '../../../runtime/index.ts';
import { definitionPage, requireDefinition, revisionOf } from '../../definitions/index.ts';
import {
  type Answer,
  ApiError,
  type Cursors,
  type Example,
  listQuery,
  type ProblemCode,
  type Route,
  route,
} from '../../http/index.ts';
import { commonOf, deliveryRoutes, type ServedWebhooks } from './delivery-routes.ts';
import { nameFor } from './webhook-face.ts';

/** What callers say of a webhook, of any API: at the least this. */
interface GivenWebhook {
  readonly name?: string | undefined;
  readonly url: string;
  readonly secret?: string | undefined;
}

/** How the webhooks of an API are shown and said. */
export interface WebhookKindFace {
  readonly served: ServedWebhooks;
  /** With its article: `a webhook`. */
  readonly said: string;
  /** What a URL is told of: "Have a URL told of …". */
  readonly told_of: string;
  readonly description: string;
  /** Member of the list's answer. */
  readonly collection: string;
  /** The member that enables a webhook. */
  readonly active: string;
  readonly input: z.ZodType<GivenWebhook>;
  readonly patch: z.ZodType<Readonly<Record<string, unknown>> & { readonly secret?: string | undefined }>;
  /** What a patch may have, for the documentation. */
  readonly documented_patch: z.ZodType;
  readonly schema: z.ZodType;
  /** As the answer to its creation has it. */
  readonly created: z.ZodType;
  readonly view: (webhook: Definition<WebhookBody>) => Readonly<Record<string, unknown>>;
  /** Members of a body as they are stored, of those that callers give. */
  readonly stored: (given: Readonly<Record<string, unknown>>) => Readonly<Record<string, unknown>>;
  /** Throws 422 for members of a patch that callers do not set. */
  readonly requireKnown: (patch: Readonly<Record<string, unknown>>) => void;
  readonly inputs: Readonly<Record<string, Example>>;
  readonly example: Readonly<Record<string, unknown>>;
  readonly example_secret: string;
}

export interface WebhookKindParts {
  readonly webhooks: KindDefinitions<WebhookBody>;
  readonly outbound: Pick<Outbound, 'webhooks'>;
  readonly cursors: Cursors;
}

interface Parts extends WebhookKindParts {
  readonly face: WebhookKindFace;
}

const ETAG = { ETag: 'Its revision, in quotes' };
const params = z.object({ id: z.string().max(128) });
const BODY_PROBLEMS = [
  ...['malformed_json', 'malformed_body', 'json_too_deep', 'unsupported_media_type'],
  ...['unsupported_encoding', 'body_too_large', 'target_forbidden', 'name_taken', 'kv_unavailable'],
] as const satisfies readonly ProblemCode[];

/** The webhooks of an API, their deliveries, and tests of them. */
export function webhookKindRoutes(parts: WebhookKindParts, face: WebhookKindFace): readonly Route[] {
  const own: Parts = { ...parts, face };
  return [
    createRoute(own),
    listRoute(own),
    getRoute(own),
    patchRoute(own),
    deleteRoute(own),
    ...deliveryRoutes({ ...parts, served: face.served }),
  ];
}

function answerOf({ view }: WebhookKindFace, status: 200 | 201, webhook: Definition<WebhookBody>): Answer {
  return { status, headers: { ETag: `"${webhook.revision}"` }, json: view(webhook) };
}

/** 422 for a URL that a request to would be refused. */
async function requireAllowed({ outbound }: Parts, url: string): Promise<void> {
  try {
    await outbound.webhooks.check(url);
  } catch (error) {
    const { message } = asMillraceError(error);
    throw new ApiError('target_forbidden', message, { errors: [{ path: 'url', message }], cause: error });
  }
}

function createRoute(parts: Parts): Route {
  const { webhooks, outbound, face } = parts;
  const { served, stored, view } = face;
  return route({
    ...commonOf(served),
    id: `create${served.noun}`,
    method: 'POST',
    path: served.path,
    summary: `Have a URL told of ${face.told_of}`,
    description: face.description,
    body: face.input,
    body_examples: face.inputs,
    answers: {
      201: {
        description: 'The webhook, with its secret',
        schema: face.created,
        example: { ...face.example, secret: face.example_secret },
        headers: { Location: 'The webhook', ...ETAG },
      },
    },
    problems: [...BODY_PROBLEMS, 'limit_reached'],
    handle: async ({ tenant, principal, base, body: { name, secret, ...body } }) => {
      await requireAllowed(parts, body.url);
      const made = await webhooks.create(tenant, {
        name: name ?? nameFor(body.url),
        body: { ...stored(body), sealed_secret: outbound.webhooks.sealed(tenant, secret) },
        created_by: principal.key_id,
      });
      const answer = answerOf(face, 201, made);
      return {
        ...answer,
        headers: { ...answer.headers, Location: `${base}${served.path}/${made.id}` },
        json: { ...view(made), secret: outbound.webhooks.secretOf(made) },
      };
    },
  });
}

function listRoute({ webhooks, cursors, face }: Parts): Route {
  const { served, collection, schema, example, view, said } = face;
  return route({
    ...commonOf(served),
    id: `list${served.noun}s`,
    method: 'GET',
    path: served.path,
    summary: `List the ${withoutArticle(said)}s of the tenant, oldest first`,
    query: z.strictObject(listQuery),
    answers: {
      200: {
        description: 'A page of webhooks',
        schema: z.object({ [collection]: z.array(schema), next_cursor: z.string().nullable() }),
        example: { [collection]: [example], next_cursor: null },
      },
    },
    problems: ['invalid_cursor', 'cursor_mismatch'],
    handle: ({ tenant, query }) => {
      const { items, next_cursor } = definitionPage(webhooks, cursors, tenant, query);
      return { status: 200, json: { [collection]: items.map(view), next_cursor } };
    },
  });
}

const withoutArticle = (said: string): string => said.replace(/^an? /, '');

function getRoute({ webhooks, face }: Parts): Route {
  const { served, schema, example, said } = face;
  return route({
    ...commonOf(served),
    id: `get${served.noun}`,
    method: 'GET',
    path: `${served.path}/{id}`,
    summary: `One ${withoutArticle(said)}`,
    params,
    answers: { 200: { description: 'The webhook', schema, example, headers: ETAG } },
    problems: ['not_found'],
    handle: (call) => answerOf(face, 200, requireDefinition(webhooks, call, call.params.id)),
  });
}

function patchRoute(parts: Parts): Route {
  const { webhooks, face } = parts;
  const { served, schema, example, said, active } = face;
  return route({
    ...commonOf(served),
    id: `update${served.noun}`,
    method: 'PATCH',
    path: `${served.path}/{id}`,
    summary: `Change ${said}, or enable it again`,
    description:
      `A JSON merge patch (RFC 7396): null removes a member. \`${active}: true\` enables a webhook that was disabled; ` +
      'what happened since is sent then, as far as it is kept (7 days). `secret` replaces the secret.',
    params,
    conditional: true,
    body_types: ['application/merge-patch+json', 'application/json'],
    body: face.patch,
    documented_body: face.documented_patch,
    body_examples: { enable: { summary: 'Enable it again', value: { [active]: true } } },
    answers: { 200: { description: 'The webhook as it is now', schema, example, headers: ETAG } },
    problems: [...BODY_PROBLEMS, 'not_found', 'revision_conflict'],
    handle: async (call) => {
      const { id } = call.params;
      requireDefinition(webhooks, call, id);
      const patch = await storedPatch(parts, call.tenant, call.body);
      return answerOf(face, 200, await webhooks.patch(call.tenant, id, patch, revisionOf(call.request)));
    },
  });
}

/** A patch of what is stored. Throws 422 for what callers do not set. */
async function storedPatch(
  parts: Parts,
  tenant: string,
  body: z.output<WebhookKindFace['patch']>,
): Promise<object> {
  const { webhooks } = parts.outbound;
  parts.face.requireKnown(body);
  const { secret, ...given } = body;
  const url = webhookMembers.url.safeParse(given.url);
  if (url.success) await requireAllowed(parts, url.data);
  const patch = parts.face.stored(given);
  return {
    ...patch,
    ...(secret === undefined ? {} : { sealed_secret: webhooks.sealed(tenant, secret) }),
    ...(patch.active === true ? webhooks.enabling() : {}),
  };
}

function deleteRoute({ webhooks, outbound, face: { served, said } }: Parts): Route {
  return route({
    ...commonOf(served),
    id: `delete${served.noun}`,
    method: 'DELETE',
    path: `${served.path}/{id}`,
    summary: `Delete ${said}, with the log of its deliveries`,
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
        log.warn({ err: error, id }, `what a deleted ${withoutArticle(said)} had is not freed yet`);
      }
      return { status: 204 };
    },
  });
}
