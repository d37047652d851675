/** What a key or token may do. A route needs one of these. */
export const PERMISSIONS = [
  'events:write',
  'events:read',
  'kpis:read',
  'exports:create',
  'definitions:read',
  'definitions:write',
  'settings:write',
  'jobs:read',
  'jobs:cancel',
  'backfills:create',
  'keys:manage',
  'metrics:read',
  'diagnostics:read',
] as const;
export type Permission = (typeof PERMISSIONS)[number];

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

/** The one place that says which role allows what. */
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

export function roleAllows(role: Role, permission: Permission): boolean {
  return ROLE_RULES[role].permissions.includes(permission);
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
  readonly role: Role;
  readonly tenant: string;
  /** `*`: may name any tenant. */
  readonly tenants: 'own' | '*';
  /** null: never. */
  readonly expires_at_ms: number | null;
}
