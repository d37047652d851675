import type { Logger } from 'pino';
import { z } from 'zod';
import type { KeyValueStore } from '../../engine/index.ts';
import { type KeyTrust, openSigned } from '../../runtime/index.ts';
import { PRESET_ID } from './key-record.ts';
import type { KeyRing } from './key-ring.ts';

const PREFIX = 'key.';
/** Where such a version kept what it signed cursors with. */
const CURSOR_SECRET = 'secret.cursor';
const MAX_LOGGED = 100;

const unsignedSchema = z.object({
  id: z.string(),
  name: z.string(),
  tenant: z.string(),
  role: z.string(),
  scopes: z.array(z.string()).nullable().default(null),
  rate_limit: z.object({ requests_per_s: z.number(), burst: z.number() }).nullable().default(null),
  tenants: z.enum(['own', '*']),
  created_at_ms: z.number(),
  created_by: z.string(),
  expires_at_ms: z.number().nullable(),
  revoked_at_ms: z.number().nullable(),
  salt: z.string(),
  hash: z.string(),
});
const signedSchema = unsignedSchema.extend({ version: z.number().int().min(1) });
type FormerKey = z.output<typeof signedSchema>;

interface Moving {
  readonly store: KeyValueStore | undefined;
  readonly trust: KeyTrust;
  readonly keys: KeyRing;
  readonly log: Logger;
}

/**
 * Moves the keys of the former bucket to the definitions. What counts there counted in its version: signed for its
 * place and not older than what was seen, or unsigned at the first start of a version that signs.
 */
export async function moveFormerKeys({ store, trust, keys, log }: Moving): Promise<void> {
  let moved = 0;
  let ignored = 0;
  for (const { key, value, revision } of (await store?.list()) ?? []) {
    if (!key.startsWith(PREFIX)) continue;
    const former = formerKey(trust, key, value);
    if (former === undefined) {
      if (++ignored <= MAX_LOGGED)
        log.error({ key }, 'a former record of an API key is not trusted and is ignored');
      continue;
    }
    if (await keys.restore(definitionOf(former))) {
      const { id, name, role } = former;
      if (++moved <= MAX_LOGGED)
        log.warn({ id, name, role }, 'an API key was moved to the definitions, and signed');
    }
    // Only the place that it has now says what becomes of it.
    await store?.delete(key, revision);
  }
  // One that the bucket had lost: revoked, it stays so.
  const remembered = signedSchema.safeParse(trust.known.get(PREFIX + PRESET_ID)?.record);
  if (remembered.success && (await keys.restore(definitionOf(remembered.data)))) moved++;
  if (moved > 0) log.warn({ moved }, 'API keys of a former version were moved to the definitions');
  await store?.delete(CURSOR_SECRET);
}

function formerKey(trust: KeyTrust, key: string, value: unknown): FormerKey | undefined {
  const opened = openSigned(trust.secret, key, value);
  const read =
    opened.kind === 'signed'
      ? signedSchema.safeParse(opened.record).data
      : opened.kind === 'unsigned' && trust.adoptUnsigned
        ? withVersion(unsignedSchema.safeParse(opened.value).data)
        : undefined;
  if (read === undefined || PREFIX + read.id !== key) return undefined;
  return read.version >= (trust.known.get(key)?.version ?? 1) ? read : undefined;
}

const withVersion = (read: z.output<typeof unsignedSchema> | undefined): FormerKey | undefined =>
  read === undefined ? undefined : { ...read, version: 1 };

function definitionOf({ version, ...former }: FormerKey): Parameters<KeyRing['restore']>[0] {
  const { id, name, tenant, created_by, created_at_ms, ...body } = former;
  const changed_at_ms = Math.max(created_at_ms + version - 1, body.revoked_at_ms ?? 0);
  return {
    ...{ id, name, tenant, created_by, created_at_ms },
    updated_at_ms: version === 1 ? created_at_ms : changed_at_ms,
    body: { ...body, issued_at_ms: created_at_ms },
  };
}
