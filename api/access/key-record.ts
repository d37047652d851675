import { z } from 'zod';
import type { Principal, RateLimit } from '../http/index.ts';

export const recordSchema = z.object({
  id: z.string(),
  name: z.string(),
  tenant: z.string(),
  /** A built-in role or one of the tenant's own. */
  role: z.string(),
  /** Absent in records of earlier versions: no limit of what the role allows. */
  scopes: z.array(z.string()).nullable().default(null),
  rate_limit: z.object({ requests_per_s: z.number(), burst: z.number() }).nullable().default(null),
  tenants: z.enum(['own', '*']),
  created_at_ms: z.number(),
  created_by: z.string(),
  expires_at_ms: z.number().nullable(),
  revoked_at_ms: z.number().nullable(),
  salt: z.string(),
  hash: z.string(),
  /** One more with each change: an older one that is put back is known as such. */
  version: z.number().int().min(1),
});
export const unsignedSchema = recordSchema.omit({ version: true });

/** A key as it is stored, with a signature: of the secret only a salted HMAC-SHA-256. */
export type KeyRecord = z.infer<typeof recordSchema>;

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
