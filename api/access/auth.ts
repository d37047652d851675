import {
  ApiError,
  allowsOn,
  DEFAULT_TENANT,
  type Principal,
  type RouteInfo,
  TENANT_PATTERN,
} from '../http/index.ts';
import { invalidCredentials, unauthorized } from './challenge.ts';
import type { KeyRing } from './key-ring.ts';
import type { Roles } from './roles.ts';
import { looksLikeJwt, type TokenVerifier } from './token-verifier.ts';

const BEARER = /^Bearer +(\S+)$/i;

/** The caller of routes that need no key. */
export const ANONYMOUS: Principal = {
  kind: 'anonymous',
  key_id: 'anonymous',
  name: 'anonymous',
  role: 'viewer',
  permissions: [],
  scopes: [],
  rate_limit: null,
  tenant: DEFAULT_TENANT,
  tenants: 'own',
  expires_at_ms: null,
};

/** What bearers are checked against. */
export interface Credentials {
  readonly keys: KeyRing;
  readonly roles: Roles;
  /** Undefined: tokens are not accepted. */
  readonly tokens: TokenVerifier | undefined;
}

/** Who sent the request, by its `Authorization` header; 401 when that is missing or not valid. */
export async function authenticate(
  { keys, roles, tokens }: Credentials,
  request: Request,
): Promise<Principal> {
  const header = request.headers.get('authorization');
  if (header === null) throw unauthorized('The request has no Authorization header.');
  const bearer = BEARER.exec(header.trim())?.[1];
  if (bearer === undefined) {
    throw unauthorized('The Authorization header is not of the form "Bearer <api key or token>".');
  }
  // Keys first, whatever the bearer looks like: a preset key may have the form of a token, and the
  // comparison takes as long for any bearer.
  const holder = keys.match(bearer);
  if (holder !== undefined) {
    return { ...holder, permissions: roles.permissionsOf(holder.tenant, holder.role) };
  }
  if (tokens !== undefined && looksLikeJwt(bearer)) return tokens.verify(bearer);
  throw invalidCredentials('unauthorized', 'The API key is not known.');
}

/**
 * The tenant that a request is for: of the path, else of `X-Tenant-ID`, else the caller's own. A caller
 * that may name only its own tenant gets 403 for another one.
 */
export function tenantOf(principal: Principal, request: Request, path_tenant: string | undefined): string {
  const header_tenant = request.headers.get('x-tenant-id') ?? undefined;
  const allowed = (tenant: string | undefined): boolean =>
    tenant === undefined || tenant === principal.tenant || principal.tenants === '*';
  if (!allowed(path_tenant) || !allowed(header_tenant)) {
    throw new ApiError(
      'tenant_forbidden',
      `This ${principal.kind === 'jwt' ? 'token' : 'key'} belongs to the tenant "${principal.tenant}" and reads no other. Use one of the other tenant.`,
    );
  }
  if (path_tenant !== undefined && header_tenant !== undefined && path_tenant !== header_tenant) {
    throw new ApiError('tenant_mismatch', 'The path and X-Tenant-ID name two tenants. Name one.');
  }
  const tenant = path_tenant ?? header_tenant ?? principal.tenant;
  if (!TENANT_PATTERN.test(tenant)) {
    const message = 'a tenant is 1 to 64 letters, digits, "_" and "-", beginning with a letter or digit';
    throw new ApiError('validation_failed', `The tenant's name is not valid: ${message}.`, {
      errors: [{ path: path_tenant === undefined ? 'X-Tenant-ID' : 'tenantId', message }],
    });
  }
  return tenant;
}

/** 403 unless the caller's role and scopes allow what the route does, to whom it does it. */
export function requirePermission(
  principal: Principal,
  { permission, path, reach }: Pick<RouteInfo, 'permission' | 'path' | 'reach'>,
): void {
  if (permission === 'none' || permission === 'any') return;
  const { role, permissions } = principal;
  if (!permissions.includes(permission)) {
    throw new ApiError(
      'role_forbidden',
      `The role "${role}" does not allow ${permission}. Use a key or token whose role does; GET /roles lists them.`,
    );
  }
  if (!allowsOn(principal, permission, path)) {
    throw new ApiError(
      'scope_forbidden',
      `The scopes of this key do not have ${permission}. Use a key with that scope, or with none.`,
    );
  }
  if (reach === 'installation' && principal.tenants !== '*') {
    throw new ApiError(
      'tenant_forbidden',
      'This is about all tenants of the installation: it takes a key of all tenants (`tenants: "*"`).',
    );
  }
}
