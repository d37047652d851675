/** What a key or token may do. A route needs one of these. */
export const PERMISSIONS = [
  'events:write',
  'events:read',
  'events:unmasked',
  'kpis:read',
  'exports:create',
  'definitions:read',
  'definitions:write',
  'settings:write',
  'webhooks:manage',
  'connectors:manage',
  'jobs:read',
  'jobs:cancel',
  'jobs:manage',
  'backfills:create',
  'customers:erase',
  'keys:manage',
  'roles:manage',
  'audit:manage',
  'metrics:read',
  'diagnostics:read',
] as const;
export type Permission = (typeof PERMISSIONS)[number];

/** Who may give rights to others: of the role `admin` only, so that no role can widen itself. */
export const RESERVED_PERMISSIONS: readonly Permission[] = ['keys:manage', 'roles:manage'];

export const ROLES = ['viewer', 'analyst', 'admin', 'ingest'] as const;
export type Role = (typeof ROLES)[number];

interface RoleRules {
  readonly summary: string;
  readonly permissions: readonly Permission[];
}

const READ = [
  'kpis:read',
  'events:read',
  'definitions:read',
  'jobs:read',
  'metrics:read',
  'diagnostics:read',
] as const;

/** The one place that says what the roles that are always there allow. */
export const ROLE_RULES: Readonly<Record<Role, RoleRules>> = {
  viewer: { summary: 'Reads analytics', permissions: READ },
  analyst: {
    summary: 'Reads analytics, and makes definitions, ad-hoc queries and exports; cancels its own jobs',
    permissions: [...READ, 'definitions:write', 'exports:create', 'jobs:cancel'],
  },
  admin: { summary: 'Everything, keys and jobs too', permissions: PERMISSIONS },
  ingest: {
    summary: 'Writes events only, and follows the jobs that it started',
    permissions: ['events:write', 'jobs:read', 'jobs:cancel'],
  },
};

/** Whether a name is that of a role which every tenant has. */
export const isBuiltInRole = (name: string): name is Role => ROLES.some((role) => role === name);

/** Whether a caller may do something, wherever: its role allows it and its scopes do not leave it out. */
export function allows({ permissions, scopes }: Principal, permission: Permission): boolean {
  return permissions.includes(permission) && (scopes === null || scopes.includes(permission));
}

/** Whether a caller may do it on a path: one of its scopes may be of the path's family only. */
export function allowsOn(principal: Principal, permission: Permission, path: string): boolean {
  if (allows(principal, permission)) return true;
  const { permissions, scopes } = principal;
  return permissions.includes(permission) && (scopes?.includes(familyScope(permission, path)) ?? false);
}

/** `kpis:read` on `/cohorts/{id}` as a scope of that family of paths: `cohorts:read`. */
export function familyScope(permission: Permission, path: string): string {
  const [, family = ''] = path.split('/');
  return `${family}:${permission.slice(permission.indexOf(':') + 1)}`;
}

/** Requests that a caller may send: `burst` at once, `requests_per_s` sustained. */
export interface RateLimit {
  readonly requests_per_s: number;
  readonly burst: number;
}

/** A tenant's name: one token of a NATS subject. */
export const TENANT_PATTERN = /^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/;

export const DEFAULT_TENANT = 'default';

/** Who makes a request. */
export interface Principal {
  readonly kind: 'api_key' | 'jwt' | 'anonymous';
  /** An API key's id, a token's `jwt:<issuer>|<subject>`: limits, jobs and logs go by it. */
  readonly key_id: string;
  readonly name: string;
  /** One of `ROLES` or of the tenant's own. */
  readonly role: string;
  /** What the role allows. */
  readonly permissions: readonly Permission[];
  /** What of it the caller may do: permissions, or such of a family of paths; null: all of it. */
  readonly scopes: readonly string[] | null;
  /** null: that of the installation. */
  readonly rate_limit: RateLimit | null;
  readonly tenant: string;
  /** `*`: may name any tenant. */
  readonly tenants: 'own' | '*';
  /** null: never. */
  readonly expires_at_ms: number | null;
}
