import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import type { Logger } from 'pino';
import { z } from 'zod';
import type { Clock } from '../../engine/index.ts';
import { type BucketStatus, WatchedBucket } from '../../runtime/index.ts';
import { ApiError, type ApiPorts, DEFAULT_TENANT, type Principal, ROLES, type Role } from '../http/index.ts';
import { invalidCredentials } from './challenge.ts';

/** Keys that a tenant may have; the oldest revoked ones are forgotten to keep it. */
export const MAX_KEYS_PER_TENANT = 1_000;
/** Where keys lie in their bucket: `key.<id>`. */
const PREFIX = 'key.';
/** The id of the key that ADMIN_KEY presets. */
export const PRESET_ID = 'preset';
const TOKEN = /^mr_([0-9a-f]{16})_[0-9a-f]{48}$/;
const MAX_TOKEN_CHARS = 1_024;

const recordSchema = z.object({
  id: z.string(),
  name: z.string(),
  tenant: z.string(),
  role: z.enum(ROLES),
  tenants: z.enum(['own', '*']),
  created_at_ms: z.number(),
  created_by: z.string(),
  expires_at_ms: z.number().nullable(),
  revoked_at_ms: z.number().nullable(),
  salt: z.string(),
  hash: z.string(),
});

/** A key as it is stored: of the secret only a salted HMAC-SHA-256. */
export type KeyRecord = z.infer<typeof recordSchema>;

export interface NewKey {
  readonly name: string;
  readonly tenant: string;
  readonly role: Role;
  readonly tenants: 'own' | '*';
  readonly expires_at_ms: number | null;
  readonly created_by: string;
}

function hashOf(token: string, salt: string): Buffer {
  return createHmac('sha256', salt).update(token).digest();
}

// Verified against when no key has the id, so that an unknown id takes as long as a wrong secret.
const NOBODY = { salt: randomBytes(16).toString('hex'), hash: randomBytes(32) };

/**
 * The API keys, all of them in memory and kept current by a watch, so that checking one asks nobody. A
 * change made by this process counts at once, one made by another when the watch reports it.
 */
export class KeyRing {
  readonly #bucket: WatchedBucket;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #keys = new Map<string, { record: KeyRecord; hash: Buffer; revision: number }>();

  constructor({ keys: store, clock, log }: Pick<ApiPorts, 'keys' | 'clock' | 'log'>) {
    this.#clock = clock;
    this.#log = log;
    const handlers = {
      put: (key: string, value: unknown, revision: number) => this.#take(key, value, revision),
      drop: (key: string) => void this.#keys.delete(key.slice(PREFIX.length)),
    };
    // All of the bucket, so that the secret of cursors comes back with it.
    this.#bucket = new WatchedBucket({ store, clock, log, handlers, what: 'API keys' });
  }

  /** Loads all keys. Must be awaited before any request is checked. */
  async open(): Promise<void> {
    await this.#bucket.open();
  }

  async close(): Promise<void> {
    await this.#bucket.close();
  }

  /** Whether keys can be made and revoked now. */
  get status(): BucketStatus {
    return this.#bucket.status;
  }

  #take(key: string, value: unknown, revision: number): void {
    if (!key.startsWith(PREFIX)) return;
    const parsed = recordSchema.safeParse(value);
    if (!parsed.success || PREFIX + parsed.data.id !== key) {
      // What is there now is no key, whatever was there before.
      this.#keys.delete(key.slice(PREFIX.length));
      this.#log.error({ key, err: parsed.error }, 'an API key record cannot be read and is ignored');
      return;
    }
    const record = parsed.data;
    this.#keys.set(record.id, { record, hash: Buffer.from(record.hash, 'hex'), revision });
  }

  /** Whose key this is; undefined when it is no key. Throws 401 for one that works no longer. */
  match(token: string): Principal | undefined {
    const id = TOKEN.exec(token)?.[1];
    const entry = (id === undefined ? undefined : this.#keys.get(id)) ?? this.#keys.get(PRESET_ID);
    const { salt } = entry?.record ?? NOBODY;
    const given = hashOf(token.slice(0, MAX_TOKEN_CHARS), salt);
    const matches = timingSafeEqual(given, entry?.hash ?? NOBODY.hash) && token.length <= MAX_TOKEN_CHARS;
    if (!matches || entry === undefined) return undefined;
    const { record } = entry;
    if (record.revoked_at_ms !== null) {
      throw invalidCredentials('key_revoked', 'This API key was revoked. Use another one.');
    }
    if (record.expires_at_ms !== null && record.expires_at_ms <= this.#clock.now()) {
      throw invalidCredentials('key_expired', 'This API key has expired. Use another one.');
    }
    const { id: key_id, name, role, tenant, tenants, expires_at_ms } = record;
    return { kind: 'api_key', key_id, name, role, tenant, tenants, expires_at_ms };
  }

  /** Makes a key; `token` is told only here. */
  async create(key: NewKey): Promise<{ readonly record: KeyRecord; readonly token: string }> {
    await this.#makeRoom(key.tenant);
    const id = randomBytes(8).toString('hex');
    const token = `mr_${id}_${randomBytes(24).toString('hex')}`;
    const record = this.#recordOf(id, key, token);
    const written = await this.#bucket.create(PREFIX + id, record);
    if (!written.ok) throw new ApiError('internal', `Key id ${id} exists already.`);
    return { record, token };
  }

  /** A tenant's oldest revoked key goes when there are too many. */
  async #makeRoom(tenant: string): Promise<void> {
    const keys = this.list(tenant);
    if (keys.length < MAX_KEYS_PER_TENANT) return;
    const oldest = keys.find(({ revoked_at_ms }) => revoked_at_ms !== null);
    if (oldest === undefined) {
      throw new ApiError(
        'too_many_keys',
        `A tenant may have ${MAX_KEYS_PER_TENANT} keys. Revoke some first.`,
        {
          retryAfter_s: 3_600,
        },
      );
    }
    const revision = this.#keys.get(oldest.id)?.revision;
    if (revision !== undefined) await this.#bucket.delete(PREFIX + oldest.id, revision);
  }

  #recordOf(id: string, key: NewKey, token: string): KeyRecord {
    const salt = randomBytes(16).toString('hex');
    const hash = hashOf(token, salt).toString('hex');
    return { ...key, id, created_at_ms: this.#clock.now(), revoked_at_ms: null, salt, hash };
  }

  /** The keys of a tenant, oldest first. */
  list(tenant: string): KeyRecord[] {
    return [...this.#keys.values()]
      .map(({ record }) => record)
      .filter((record) => record.tenant === tenant)
      .sort((a, b) => a.created_at_ms - b.created_at_ms || (a.id < b.id ? -1 : 1));
  }

  /** Revokes a key of the tenant; doing so twice changes nothing. 404 when there is none. */
  async revoke(tenant: string, id: string): Promise<KeyRecord> {
    for (;;) {
      const entry = this.#keys.get(id);
      if (entry === undefined || entry.record.tenant !== tenant) {
        throw new ApiError('not_found', `There is no key with this id.`);
      }
      if (entry.record.revoked_at_ms !== null) return entry.record;
      const record: KeyRecord = { ...entry.record, revoked_at_ms: this.#clock.now() };
      // One that lost has learnt what is there now.
      const written = await this.#bucket.update(PREFIX + id, record, entry.revision);
      if (written.ok) return record;
    }
  }

  /**
   * Makes the preset key be `token`. The same token again changes nothing, so that a revoked key stays
   * revoked across restarts.
   */
  async preset(token: string): Promise<boolean> {
    for (;;) {
      const known = this.#keys.get(PRESET_ID);
      if (known !== undefined && timingSafeEqual(known.hash, hashOf(token, known.record.salt))) return false;
      const record = this.#recordOf(PRESET_ID, { ...ADMIN, name: 'ADMIN_KEY' }, token);
      const key = PREFIX + PRESET_ID;
      const written =
        known === undefined
          ? await this.#bucket.create(key, record)
          : await this.#bucket.update(key, record, known.revision);
      if (written.ok) return true;
    }
  }

  /** Whether anybody can administer the default tenant. */
  hasAdmin(): boolean {
    const now_ms = this.#clock.now();
    return this.list(DEFAULT_TENANT).some(
      ({ role, tenants, revoked_at_ms, expires_at_ms }) =>
        role === 'admin' &&
        tenants === '*' &&
        revoked_at_ms === null &&
        (expires_at_ms === null || expires_at_ms > now_ms),
    );
  }
}

const ADMIN: NewKey = {
  name: 'first admin key',
  tenant: DEFAULT_TENANT,
  role: 'admin',
  tenants: '*',
  expires_at_ms: null,
  created_by: 'bootstrap',
};

/**
 * Makes sure that the tenant `default` has an admin key: the one that ADMIN_KEY presets, else a
 * generated one when there is none that works. A generated `key` is returned to be shown once.
 */
export async function bootstrapAdminKey(
  ports: Pick<ApiPorts, 'keys' | 'clock' | 'log' | 'settings'>,
): Promise<{ readonly created: boolean; readonly key?: string }> {
  const ring = new KeyRing(ports);
  await ring.open();
  try {
    const { adminKey } = ports.settings;
    if (adminKey !== undefined) {
      if (adminKey.length < 16) ports.log.warn('ADMIN_KEY is short: anybody may guess it');
      const created = await ring.preset(adminKey);
      if (!ring.hasAdmin()) {
        ports.log.warn('the key that ADMIN_KEY names was revoked: set another one to have an admin key');
      }
      return { created };
    }
    if (ring.hasAdmin()) return { created: false };
    const { token } = await ring.create(ADMIN);
    return { created: true, key: token };
  } finally {
    await ring.close();
  }
}
