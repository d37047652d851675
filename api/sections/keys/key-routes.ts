import { z } from 'zod';
import { parseEventTime } from '../../../analytics/index.ts';
import type { Clock } from '../../../engine/index.ts';
import type { KeyRecord, KeyRing, Roles } from '../../access/index.ts';
import {
  ApiError,
  type Cursors,
  listQuery,
  type Principal,
  pageOf,
  type RateLimit,
  type Route,
  route,
  TENANT_PATTERN,
  timestamp,
  timeText,
  timeTextOrNull,
} from '../../http/index.ts';

export const rateLimitSchema = z.object({
  requests_per_s: z.number().describe('Requests a second, sustained'),
  burst: z.int().describe('Requests at once'),
});

const keySchema = z.object({
  id: z.string(),
  name: z.string(),
  tenant: z.string(),
  role: z.string().describe('A built-in role or one of the tenant’s own'),
  scopes: z.array(z.string()).nullable().describe('What of the role it may do; null: all of it'),
  rate_limit: rateLimitSchema.nullable().describe('Its own; null: that of the installation'),
  tenants: z.enum(['own', '*']).describe('`*`: may name any tenant'),
  status: z.enum(['active', 'expired', 'revoked']),
  created_at: timestamp('When it was made'),
  created_by: z.string().describe('The `key_id` of who made it'),
  expires_at: z.string().nullable(),
  revoked_at: z.string().nullable(),
});

/** Scopes of one key. */
const MAX_SCOPES = 200;

const newKeySchema = z.strictObject({
  name: z.string().min(1).max(128).describe('What it is for'),
  role: z.string().min(1).max(64).describe('`viewer`, `analyst`, `admin`, `ingest`, or one of your own'),
  scopes: z
    .array(z.string().min(1).max(128))
    .min(1)
    .max(MAX_SCOPES)
    .refine((all) => new Set(all).size === all.length, 'names one twice')
    .optional()
    .describe(
      'What of the role the key may do: permissions such as `kpis:read`, or such of one family of paths, as ' +
        '`cohorts:read` for what needs `kpis:read` below /cohorts. Without it: all of the role',
    ),
  rate_limit: z
    .strictObject({
      requests_per_s: z.number().min(0.001).max(1_000_000).describe('Requests a second, sustained'),
      burst: z.int().min(1).max(1_000_000).optional().describe('Requests at once; default: of two seconds'),
    })
    .optional()
    .describe('A limit of its own; at most that of who makes it, unless that is a key of all tenants'),
  tenant: z
    .string()
    .regex(TENANT_PATTERN, 'is 1 to 64 letters, digits, _ and -, a letter or digit first')
    .optional()
    .describe('The tenant of the key; default: that of the request'),
  expires_at: z.string().max(64).optional().describe('RFC 3339 with offset; never without it'),
  tenants: z.enum(['own', '*']).default('own').describe('`*` only with a key that has it itself'),
});

const KEY = {
  id: '9f2c4be07a51d3e8',
  name: 'checkout service',
  tenant: 'default',
  role: 'ingest',
  scopes: null,
  rate_limit: null,
  tenants: 'own',
  status: 'active',
  created_at: '2025-08-01T12:00:00.000Z',
  created_by: 'preset',
  expires_at: null,
  revoked_at: null,
};

/** A key as callers see it: nothing of the secret. */
function keyView(record: KeyRecord, now_ms: number): z.input<typeof keySchema> {
  const { id, name, tenant, role, scopes, rate_limit, tenants, created_by, expires_at_ms, revoked_at_ms } =
    record;
  const expired = expires_at_ms !== null && expires_at_ms <= now_ms;
  return {
    id,
    name,
    tenant,
    role,
    scopes,
    rate_limit,
    tenants,
    status: revoked_at_ms !== null ? 'revoked' : expired ? 'expired' : 'active',
    created_at: timeText(record.created_at_ms),
    created_by,
    expires_at: timeTextOrNull(expires_at_ms),
    revoked_at: timeTextOrNull(revoked_at_ms),
  };
}

function expiryOf(text: string | undefined, now_ms: number): number | null {
  if (text === undefined) return null;
  const bytes = Buffer.from(text);
  const expires_at_ms = parseEventTime(bytes, 0, bytes.length);
  if (expires_at_ms > now_ms) return expires_at_ms;
  const message = 'must be a time in the future, RFC 3339 with offset, e.g. 2030-01-01T00:00:00Z';
  throw new ApiError('validation_failed', `expires_at ${message}.`, {
    errors: [{ path: 'expires_at', message }],
  });
}

const invalidMember = (path: string, message: string): ApiError =>
  new ApiError('validation_failed', `${path} ${message}.`, { errors: [{ path, message }] });

type NewKeyBody = z.output<typeof newKeySchema>;

/** The tenant that a key is to be of. */
function tenantFor({ tenant: asked }: NewKeyBody, principal: Principal, tenant: string): string {
  if (asked === undefined || asked === tenant || principal.tenants === '*') return asked ?? tenant;
  throw new ApiError('tenant_forbidden', 'Only a key for all tenants can make one of another tenant.');
}

/** What the new key may do, which is no more than what its maker may. */
function scopesFor(
  body: NewKeyBody,
  principal: Principal,
  known: readonly string[],
): readonly string[] | null {
  const { scopes = null } = body;
  const wrong = scopes?.find((scope) => !known.includes(scope));
  if (wrong !== undefined) {
    const some = known.length === 0 ? 'The role has none.' : `It has ${known.join(', ')}.`;
    throw invalidMember('scopes', `has "${wrong}", which the role "${body.role}" does not have. ${some}`);
  }
  const { scopes: own } = principal;
  if (own === null || scopes?.every((scope) => own.includes(scope)) === true) return scopes;
  throw new ApiError(
    'scope_forbidden',
    `A key with scopes makes only keys with some of them as \`scopes\`: ${own.join(', ')}.`,
  );
}

function limitFor(
  { rate_limit }: NewKeyBody,
  { tenants, rate_limit: own }: Principal,
  usual: RateLimit,
): RateLimit | null {
  if (rate_limit === undefined) return tenants === '*' ? null : own;
  const { requests_per_s } = rate_limit;
  const limit = { requests_per_s, burst: rate_limit.burst ?? Math.max(1, Math.floor(2 * requests_per_s)) };
  const most = own ?? usual;
  const isMore = limit.requests_per_s > most.requests_per_s || limit.burst > most.burst;
  if (!isMore || tenants === '*') return limit;
  throw invalidMember(
    'rate_limit',
    `is at most ${most.requests_per_s} a second and ${most.burst} at once here`,
  );
}

export interface KeyParts {
  readonly keys: KeyRing;
  readonly roles: Roles;
  readonly cursors: Cursors;
  readonly clock: Clock;
  /** Of keys that have no limit of their own. */
  readonly limit: RateLimit;
  /** The scopes that there are of a role's permissions. */
  scopesOf(permissions: readonly string[]): readonly string[];
}

/** Section 14: keys. */
export function keyRoutes(parts: KeyParts): readonly Route[] {
  const { keys, roles, cursors, clock } = parts;
  return [
    route({
      id: 'listKeys',
      method: 'GET',
      path: '/keys',
      tag: 'Access',
      summary: 'List the API keys of the tenant, oldest first',
      description: 'Keys of all tenants are shown to those of all tenants only.',
      permission: 'keys:manage',
      query: z.strictObject(listQuery),
      answers: {
        200: {
          description: 'A page of keys',
          schema: z.object({ keys: z.array(keySchema), next_cursor: z.string().nullable() }),
          example: { keys: [KEY], next_cursor: null },
        },
      },
      problems: ['invalid_cursor', 'cursor_mismatch'],
      handle: ({ tenant, principal, query }) => {
        const sortKey = (key: KeyRecord): readonly [number, string] => [key.created_at_ms, key.id];
        const filter = { list: 'keys', tenant, tenants: principal.tenants };
        const { items, next_cursor } = pageOf(cursors, keys.list(tenant, principal), sortKey, filter, query);
        const now_ms = clock.now();
        return { status: 200, json: { keys: items.map((key) => keyView(key, now_ms)), next_cursor } };
      },
    }),
    route({
      id: 'createKey',
      method: 'POST',
      path: '/keys',
      tag: 'Access',
      summary: 'Make an API key',
      description: '`key` is told only in this answer; only a salted hash of it is kept.',
      permission: 'keys:manage',
      body: newKeySchema,
      body_examples: {
        ingest: { summary: 'A key that writes events', value: { name: 'checkout service', role: 'ingest' } },
        scoped: {
          summary: 'A key of a board, until the end of the decade',
          value: {
            name: 'sales board',
            role: 'viewer',
            scopes: ['kpis:read', 'metrics-catalog:read'],
            rate_limit: { requests_per_s: 5, burst: 20 },
            expires_at: '2029-12-31T00:00:00Z',
          },
        },
      },
      answers: {
        201: {
          description: 'The key',
          schema: keySchema.extend({ key: z.string().describe('The secret: mr_<id>_<secret>') }),
          example: { ...KEY, key: `mr_${KEY.id}_${'0'.repeat(48)}` },
          headers: { Location: 'The key' },
        },
      },
      problems: [
        'malformed_json',
        'malformed_body',
        'json_too_deep',
        'unsupported_encoding',
        'too_busy',
        'unsupported_media_type',
        'body_too_large',
        'too_many_keys',
        'kv_unavailable',
      ],
      handle: async ({ tenant, principal, body, base }) => {
        const { name, role, tenants } = body;
        const owner = tenantFor(body, principal, tenant);
        if (tenants === '*' && principal.tenants !== '*') {
          throw new ApiError('tenant_forbidden', 'Only a key for all tenants can make another one.');
        }
        const now_ms = clock.now();
        const expires_at_ms = expiryOf(body.expires_at, now_ms);
        if (!roles.has(owner, role))
          throw invalidMember('role', 'is none of the tenant: GET /roles lists them');
        const made = await keys.create({
          ...{ name, tenant: owner, role, tenants, expires_at_ms, created_by: principal.key_id },
          scopes: scopesFor(body, principal, parts.scopesOf(roles.permissionsOf(owner, role))),
          rate_limit: limitFor(body, principal, parts.limit),
        });
        return {
          status: 201,
          headers: { Location: `${base}/keys/${made.record.id}` },
          json: { ...keyView(made.record, now_ms), key: made.token },
        };
      },
    }),
    route({
      id: 'revokeKey',
      method: 'DELETE',
      path: '/keys/{id}',
      tag: 'Access',
      summary: 'Revoke an API key',
      description:
        'Takes effect at once. Revoking a key twice changes nothing. A key of all tenants, such as the preset one, is ' +
        'revoked with one of all tenants only; for others there is none such.',
      permission: 'keys:manage',
      params: z.object({ id: z.string().max(64) }),
      answers: { 204: { description: 'Revoked' } },
      problems: ['not_found', 'revision_conflict', 'kv_unavailable'],
      handle: async ({ tenant, principal, params }) => {
        await keys.revoke(tenant, params.id, principal);
        return { status: 204 };
      },
    }),
  ];
}
