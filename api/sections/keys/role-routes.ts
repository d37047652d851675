import { z } from 'zod';
import type { KindDefinitions } from '../../../runtime/index.ts';
import type { RoleBody } from '../../access/index.ts';
import {
  type DefinitionRoutesSpec,
  definitionPage,
  definitionRoutes,
  definitionView,
  withMembers,
} from '../../definitions/index.ts';
import {
  allows,
  type Cursors,
  familyScope,
  listQuery,
  PERMISSIONS,
  type RateLimit,
  ROLE_RULES,
  ROLES,
  type Route,
  route,
  timeTextOrNull,
} from '../../http/index.ts';
import { rateLimitSchema } from './key-routes.ts';

const EXAMPLE = {
  name: 'marketing',
  summary: 'Reads numbers and defines metrics, sees no single event',
  permissions: ['kpis:read', 'definitions:read', 'definitions:write'],
};

const SPEC: DefinitionRoutesSpec = {
  path: '/roles',
  noun: 'role',
  tag: 'Access',
  description:
    'A role of the tenant’s own, for its API keys: a name and what it allows. Keys that have it follow a change at ' +
    'once. Managing keys and roles stays with `admin`, so that no role can widen itself.',
  examples: { marketing: { summary: 'Numbers, but no events', value: EXAMPLE } },
  permissions: { read: 'roles:manage', write: 'roles:manage' },
};

const builtInSchema = z.object({
  role: z.enum(ROLES),
  summary: z.string(),
  permissions: z.array(z.enum(PERMISSIONS)),
});

/** Section 14: the roles that there are. */
export function roleRoutes(custom: KindDefinitions<RoleBody>, cursors: Cursors): readonly Route[] {
  const list = route({
    id: 'listRoles',
    method: 'GET',
    path: SPEC.path,
    tag: SPEC.tag,
    summary: 'What each role allows',
    description: '`roles` are those of every tenant, `custom` a page of the tenant’s own, oldest first.',
    permission: 'any',
    query: z.strictObject(listQuery),
    answers: {
      200: {
        description: 'The roles',
        schema: z.object({
          roles: z.array(builtInSchema),
          custom: z.array(withMembers(custom.kind.schema, { id: z.string(), name: z.string() })),
          next_cursor: z.string().nullable(),
        }),
      },
    },
    problems: ['invalid_cursor', 'cursor_mismatch'],
    handle: ({ tenant, query }) => {
      const { items, next_cursor } = definitionPage(custom, cursors, tenant, query);
      const roles = ROLES.map((role) => ({ role, ...ROLE_RULES[role] }));
      return { status: 200, json: { roles, custom: items.map((item) => definitionView(item)), next_cursor } };
    },
  });
  return [...definitionRoutes(custom, cursors, SPEC).filter(({ id }) => id !== list.id), list];
}

const callerSchema = z.object({
  kind: z.enum(['api_key', 'jwt']).describe('What the caller showed'),
  key_id: z.string().describe('Of an API key its id, of a token `jwt:<issuer>|<subject>`: limits go by it'),
  name: z.string().describe('Of an API key its name, of a token its subject'),
  tenant: z.string().describe('The tenant of this request'),
  tenants: z.enum(['own', '*']).describe('`*`: may name any tenant'),
  role: z.string(),
  permissions: z.array(z.enum(PERMISSIONS)).describe('What it may do on every path'),
  scopes: z
    .array(z.string())
    .nullable()
    .describe('What the key was limited to, also on single families of paths; null: to nothing'),
  expires_at: z.string().nullable().describe('When the key or token ends; null: never'),
  rate_limit: rateLimitSchema,
});

/** Section 14: what the caller may do. `limit`: of callers that have none of their own. */
export function callerRoutes(limit: RateLimit): readonly Route[] {
  return [
    route({
      id: 'myPermissions',
      method: 'GET',
      path: '/permissions/me',
      tag: 'Access',
      summary: 'Who the caller is and what it may do',
      permission: 'any',
      answers: { 200: { description: 'The caller', schema: callerSchema } },
      problems: [],
      handle: ({ principal, tenant }) => {
        const { kind, key_id, name, tenants, role, scopes, expires_at_ms, rate_limit } = principal;
        return {
          status: 200,
          json: {
            ...{ kind, key_id, name, tenant, tenants, role, scopes },
            permissions: PERMISSIONS.filter((permission) => allows(principal, permission)),
            expires_at: timeTextOrNull(expires_at_ms),
            rate_limit: rate_limit ?? limit,
          },
        };
      },
    }),
  ];
}

/** The scopes that the routes have of a role's permissions: each of these, and by family of paths. */
export function scopesOf(routes: readonly Route[], permissions: readonly string[]): readonly string[] {
  const families = routes.flatMap(({ permission, path }) =>
    permission !== 'any' && permission !== 'none' && permissions.includes(permission)
      ? [familyScope(permission, path)]
      : [],
  );
  return [...new Set([...permissions, ...families])].sort();
}
