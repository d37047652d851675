import { z } from 'zod';
import { parseEventTime } from '../../../analytics/index.ts';
import type { Clock } from '../../../engine/index.ts';
import type { KeyRecord, KeyRing } from '../../access/index.ts';
import {
  ApiError,
  type Cursors,
  listQuery,
  PERMISSIONS,
  pageOf,
  ROLE_RULES,
  ROLES,
  type Route,
  route,
  timestamp,
  timeText,
  timeTextOrNull,
} from '../../http/index.ts';

const keySchema = z.object({
  id: z.string(),
  name: z.string(),
  tenant: z.string(),
  role: z.enum(ROLES),
  tenants: z.enum(['own', '*']).describe('`*`: may name any tenant'),
  status: z.enum(['active', 'expired', 'revoked']),
  created_at: timestamp('When it was made'),
  created_by: z.string().describe('The `key_id` of who made it'),
  expires_at: z.string().nullable(),
  revoked_at: z.string().nullable(),
});

const newKeySchema = z.strictObject({
  name: z.string().min(1).max(128).describe('What it is for'),
  role: z.enum(ROLES),
  expires_at: z.string().max(64).optional().describe('RFC 3339 with offset; never without it'),
  tenants: z.enum(['own', '*']).default('own').describe('`*` only with a key that has it itself'),
});

const KEY = {
  id: '9f2c4be07a51d3e8',
  name: 'checkout service',
  tenant: 'default',
  role: 'ingest',
  tenants: 'own',
  status: 'active',
  created_at: '2025-08-01T12:00:00.000Z',
  created_by: 'preset',
  expires_at: null,
  revoked_at: null,
};

/** A key as callers see it: nothing of the secret. */
function keyView(record: KeyRecord, now_ms: number): z.input<typeof keySchema> {
  const { id, name, tenant, role, tenants, created_by, expires_at_ms, revoked_at_ms } = record;
  const expired = expires_at_ms !== null && expires_at_ms <= now_ms;
  return {
    id,
    name,
    tenant,
    role,
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

/** Section 14: keys, roles and what the caller may do. */
export function keyRoutes(keys: KeyRing, cursors: Cursors, clock: Clock): readonly Route[] {
  return [
    route({
      id: 'listKeys',
      method: 'GET',
      path: '/keys',
      tag: 'Access',
      summary: 'List the API keys of the tenant, oldest first',
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
      handle: ({ tenant, query }) => {
        const sortKey = (key: KeyRecord): readonly [number, string] => [key.created_at_ms, key.id];
        const filter = { list: 'keys', tenant };
        const { items, next_cursor } = pageOf(cursors, keys.list(tenant), sortKey, filter, query);
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
        'unsupported_media_type',
        'body_too_large',
        'too_many_keys',
        'kv_unavailable',
      ],
      handle: async ({ tenant, principal, body, base }) => {
        const { name, role, tenants } = body;
        if (tenants === '*' && principal.tenants !== '*') {
          throw new ApiError('tenant_forbidden', 'Only a key for all tenants can make another one.');
        }
        const now_ms = clock.now();
        const expires_at_ms = expiryOf(body.expires_at, now_ms);
        const created_by = principal.key_id;
        const made = await keys.create({ name, tenant, role, tenants, expires_at_ms, created_by });
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
      description: 'Takes effect at once. Revoking a key twice changes nothing.',
      permission: 'keys:manage',
      params: z.object({ id: z.string().max(64) }),
      answers: { 204: { description: 'Revoked' } },
      problems: ['not_found', 'kv_unavailable'],
      handle: async ({ tenant, params }) => {
        await keys.revoke(tenant, params.id);
        return { status: 204 };
      },
    }),
    route({
      id: 'listRoles',
      method: 'GET',
      path: '/roles',
      tag: 'Access',
      summary: 'What each role allows',
      permission: 'any',
      answers: {
        200: {
          description: 'The roles',
          schema: z.object({
            roles: z.array(
              z.object({
                role: z.enum(ROLES),
                summary: z.string(),
                permissions: z.array(z.enum(PERMISSIONS)),
              }),
            ),
          }),
        },
      },
      problems: [],
      handle: () => ({
        status: 200,
        json: { roles: ROLES.map((role) => ({ role, ...ROLE_RULES[role] })) },
      }),
    }),
    route({
      id: 'myPermissions',
      method: 'GET',
      path: '/permissions/me',
      tag: 'Access',
      summary: 'Who the caller is and what it may do',
      permission: 'any',
      answers: {
        200: {
          description: 'The caller',
          schema: z.object({
            kind: z.enum(['api_key', 'jwt']).describe('What the caller showed'),
            key_id: z
              .string()
              .describe('Of an API key its id, of a token `jwt:<issuer>|<subject>`: limits go by it'),
            name: z.string().describe('Of an API key its name, of a token its subject'),
            tenant: z.string().describe('The tenant of this request'),
            tenants: z.enum(['own', '*']),
            role: z.enum(ROLES),
            permissions: z.array(z.enum(PERMISSIONS)),
            expires_at: z.string().nullable().describe('When the key or token ends; null: never'),
          }),
        },
      },
      problems: [],
      handle: ({ principal, tenant }) => {
        const { kind, key_id, name, tenants, role, expires_at_ms } = principal;
        const { permissions } = ROLE_RULES[role];
        const expires_at = timeTextOrNull(expires_at_ms);
        return {
          status: 200,
          json: { kind, key_id, name, tenant, tenants, role, permissions, expires_at },
        };
      },
    }),
  ];
}
