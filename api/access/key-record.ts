import { z } from 'zod';
import type { Definition, DefinitionKind, KeyTrust } from '../../runtime/index.ts';
import type { Principal, RateLimit } from '../http/index.ts';

/** Keys of its own that a tenant may have; the oldest revoked ones are forgotten to keep it. */
export const MAX_KEYS_PER_TENANT = 1_000;
/** The id of the key that ADMIN_KEY presets. */
export const PRESET_ID = 'preset';

/** What a key says; of its secret only a salted HMAC-SHA-256. */
const bodySchema = z.strictObject({
  /** A built-in role or one of the tenant's own. */
  role: z.string(),
  scopes: z.array(z.string()).nullable().default(null),
  rate_limit: z.object({ requests_per_s: z.number(), burst: z.number() }).nullable().default(null),
  tenants: z.enum(['own', '*']),
  expires_at_ms: z.number().nullable().default(null),
  revoked_at_ms: z.number().nullable().default(null),
  /** When its secret was made. */
  issued_at_ms: z.number(),
  salt: z.string(),
  hash: z.string(),
});
export type KeyBody = z.output<typeof bodySchema>;

/**
 * API keys as a kind of definition. Their ids are parts of their tokens, many may have one name, a revoked one
 * stays as the record that says so, and what is written over one by a stranger changes nothing of it.
 */
export const keyKind = (trust: KeyTrust): DefinitionKind<KeyBody> => ({
  ...{ kind: 'api_key', trust, schema: bodySchema },
  name: z.string(),
  hasUniqueNames: false,
  outlastsForgery: true,
  isRemembered: (id) => id === PRESET_ID,
  // Of the tenant, of all tenants, and the preset one.
  limit: 2 * MAX_KEYS_PER_TENANT + 1,
});

/** A key as it is known. */
export interface KeyRecord
  extends Pick<Definition<KeyBody>, 'id' | 'name' | 'tenant' | 'created_by'>,
    Omit<KeyBody, 'issued_at_ms'> {
  readonly created_at_ms: number;
}

export function recordOf({ id, name, tenant, created_by, body }: Definition<KeyBody>): KeyRecord {
  const { issued_at_ms: created_at_ms, ...more } = body;
  return { id, name, tenant, created_by, created_at_ms, ...more };
}

export interface NewKey {
  readonly name: string;
  readonly tenant: string;
  readonly role: string;
  readonly tenants: 'own' | '*';
  readonly scopes?: readonly string[] | null;
  readonly rate_limit?: RateLimit | null;
  readonly expires_at_ms: number | null;
  readonly created_by: string;
}

/** Whose a key is, before anybody has looked up what its role allows. */
export type KeyHolder = Omit<Principal, 'permissions'>;

export function holderOf(record: KeyRecord): KeyHolder {
  const { id: key_id, name, role, scopes, rate_limit, tenant, tenants, expires_at_ms } = record;
  return { kind: 'api_key', key_id, name, role, scopes, rate_limit, tenant, tenants, expires_at_ms };
}

/** Whether a key is neither revoked nor expired. */
export function works({ revoked_at_ms, expires_at_ms }: KeyRecord, now_ms: number): boolean {
  return revoked_at_ms === null && (expires_at_ms === null || expires_at_ms > now_ms);
}

/** Whether a caller may know of a key and change it: one of all tenants takes another one. */
export function reaches({ tenants }: Pick<Principal, 'tenants'>, record: KeyRecord): boolean {
  return record.tenants === 'own' || tenants === '*';
}
