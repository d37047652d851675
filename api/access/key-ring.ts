import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import type { Logger } from 'pino';
import type { Clock, KeyValueWrite, MetricSample } from '../../engine/index.ts';
import { type BucketStatus, type KeyTrust, openSigned, signed, WatchedBucket } from '../../runtime/index.ts';
import { ApiError, type ApiPorts, DEFAULT_TENANT, type Principal } from '../http/index.ts';
import { invalidCredentials } from './challenge.ts';
import {
  holderOf,
  type KeyHolder,
  type KeyRecord,
  type NewKey,
  reaches,
  recordSchema,
  unsignedSchema,
  works,
} from './key-record.ts';

/** Keys of its own that a tenant may have; the oldest revoked ones are forgotten to keep it. */
export const MAX_KEYS_PER_TENANT = 1_000;
/** Where keys lie in their bucket: `key.<id>`. */
const PREFIX = 'key.';
/** The id of the key that ADMIN_KEY presets. */
export const PRESET_ID = 'preset';
const TOKEN = /^mr_([0-9a-f]{16})_[0-9a-f]{48}$/;
const MAX_TOKEN_CHARS = 1_024;
/** The view of the service itself. */
const ALL = { tenants: '*' } as const;

/** Refused records that are logged; all are counted. */
const MAX_LOGGED_REFUSALS = 100;

function hashOf(token: string, salt: string): Buffer {
  return createHmac('sha256', salt).update(token).digest();
}

// Verified against when no key has the id, so that an unknown id takes as long as a wrong secret.
const NOBODY = { salt: randomBytes(16).toString('hex'), hash: randomBytes(32) };

/**
 * The API keys, all of them in memory and kept current by a watch, so that checking one asks nobody. A
 * change made by this process counts at once, one made by another when the watch reports it.
 *
 * Whoever can write the bucket makes no key by that: a record counts if it is signed (`KeyTrust`) and not older
 * than one that was seen. What is refused stays in the bucket until its key is changed.
 */
export class KeyRing {
  readonly #bucket: WatchedBucket;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #trust: KeyTrust;
  /** A revision of 0: the bucket does not have it. */
  readonly #keys = new Map<string, { record: KeyRecord; hash: Buffer; revision: number }>();
  /** Revisions of refused records, by the id they stand for: what the next change of the key replaces. */
  readonly #refused = new Map<string, number>();
  readonly #unsigned = new Map<string, { readonly value: unknown; readonly revision: number }>();
  readonly #preset: string | undefined;
  #refusals = 0;

  /** `preset`: the ADMIN_KEY of this process; the log says when another process takes its place. */
  constructor(
    { keys: store, keyTrust, clock, log }: Pick<ApiPorts, 'keys' | 'keyTrust' | 'clock' | 'log'>,
    preset?: string,
  ) {
    this.#preset = preset;
    this.#trust = keyTrust;
    this.#clock = clock;
    this.#log = log;
    this.#bucket = new WatchedBucket({
      ...{ store, clock, log, prefix: PREFIX, what: 'API keys' },
      handlers: {
        put: (key, value, revision) => this.#read(key.slice(PREFIX.length), value, revision),
        drop: (key) => {
          const id = key.slice(PREFIX.length);
          this.#keys.delete(id);
          this.#refused.delete(id);
        },
      },
    });
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

  /** Records in the bucket that were ignored because nobody who may has written them. */
  get refusals(): number {
    return this.#refusals;
  }

  samples(): readonly MetricSample[] {
    return [
      {
        name: 'millrace.keys.refused',
        kind: 'counter',
        help: 'Records in the bucket of the API keys that are ignored',
        labels: {},
        value: this.#refusals,
      },
    ];
  }

  /** Takes in what the bucket has. */
  #read(id: string, value: unknown, revision: number): void {
    const opened = openSigned(this.#trust.secret, PREFIX + id, value);
    const parsed = recordSchema.safeParse(opened.kind === 'signed' ? opened.record : undefined);
    if (opened.kind === 'signed' && parsed.success && parsed.data.id === id) {
      if (parsed.data.version >= (this.#trust.known.get(PREFIX + id)?.version ?? 1)) {
        this.#take(parsed.data, revision);
        return;
      }
      this.#refuse(id, revision, 'it is an older version of the key, put back');
      return;
    }
    if (opened.kind === 'unsigned' && this.#trust.adoptUnsigned) this.#unsigned.set(id, { value, revision });
    this.#refuse(
      id,
      revision,
      opened.kind === 'unsigned' ? 'it has no signature' : 'its signature does not hold',
    );
  }

  #refuse(id: string, revision: number, why: string): void {
    this.#refused.set(id, revision);
    this.#refusals += 1;
    if (this.#refusals > MAX_LOGGED_REFUSALS) return;
    this.#log.error(
      { id, why },
      'a record in the bucket of the API keys is ignored: this installation did not write it. See who can write ' +
        'to the bucket millrace-keys; if it was another process of yours, give both the same KEY_SIGNING_SECRET',
    );
  }

  #take(record: KeyRecord, revision: number): void {
    const { id, version } = record;
    this.#refused.delete(id);
    this.#unsigned.delete(id);
    this.#trust.known.raise(PREFIX + id, { version, ...(id === PRESET_ID ? { record } : {}) });
    const before = this.#keys.get(id)?.hash;
    const hash = Buffer.from(record.hash, 'hex');
    this.#keys.set(id, { record, hash, revision });
    const replaced = id === PRESET_ID && this.#preset !== undefined && before?.equals(hash) !== true;
    if (replaced && !hash.equals(hashOf(this.#preset ?? '', record.salt))) {
      this.#log.error(
        'the ADMIN_KEY of this service works no longer: another process on this NATS has preset another one. ' +
          'Give all the same ADMIN_KEY and start them again',
      );
    }
  }

  /**
   * Signs what a version wrote that did not sign. Called once, on a bucket of such a version: what is in it
   * then was obeyed until now.
   */
  async adopt(): Promise<void> {
    for (const [id, { value, revision }] of [...this.#unsigned]) {
      const parsed = unsignedSchema.safeParse(value);
      if (!parsed.success || parsed.data.id !== id) continue;
      const record = { ...parsed.data, version: 1 };
      const written = await this.#write(record, revision);
      if (written.ok) this.#log.warn({ id, name: record.name, role: record.role }, 'an API key was signed');
    }
  }

  /** Writes a record over a revision of its key; 0: over none. */
  async #write(record: KeyRecord, revision: number): Promise<KeyValueWrite> {
    const key = PREFIX + record.id;
    const value = signed(this.#trust.secret, key, record);
    // A refused record is in the place of the known one.
    const over = this.#refused.get(record.id) ?? revision;
    // What is there afterwards, this record or another one, has been read when it returns.
    return over === 0 ? await this.#bucket.create(key, value) : await this.#bucket.update(key, value, over);
  }

  /** Whose key this is; undefined when it is no key. Throws 401 for one that works no longer. */
  match(token: string): KeyHolder | undefined {
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
    return holderOf(record);
  }

  /** Makes a key; `token` is told only here. */
  async create(key: NewKey): Promise<{ readonly record: KeyRecord; readonly token: string }> {
    await this.#makeRoom(key);
    const id = randomBytes(8).toString('hex');
    const token = `mr_${id}_${randomBytes(24).toString('hex')}`;
    const record = this.#recordOf(id, key, token, 1);
    const written = await this.#write(record, 0);
    if (!written.ok) throw new ApiError('internal', `Key id ${id} exists already.`);
    return { record, token };
  }

  /** A tenant's oldest revoked key goes when there are too many; those of all tenants count for themselves. */
  async #makeRoom({ tenant, tenants }: NewKey): Promise<void> {
    const keys = this.list(tenant, ALL).filter((key) => key.tenants === tenants && key.id !== PRESET_ID);
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
    const revision = this.#refused.get(oldest.id) ?? this.#keys.get(oldest.id)?.revision ?? 0;
    await this.#bucket.delete(PREFIX + oldest.id, revision);
    this.#keys.delete(oldest.id);
  }

  #recordOf(id: string, key: NewKey, token: string, version: number): KeyRecord {
    const salt = randomBytes(16).toString('hex');
    const hash = hashOf(token, salt).toString('hex');
    const { scopes = null, rate_limit = null } = key;
    const more = { scopes: scopes === null ? null : [...scopes], rate_limit };
    return {
      ...key,
      ...more,
      id,
      created_at_ms: this.#clock.now(),
      revoked_at_ms: null,
      salt,
      hash,
      version,
    };
  }

  /** The keys of a tenant that the caller may know of, oldest first. */
  list(tenant: string, caller: Pick<Principal, 'tenants'>): KeyRecord[] {
    return [...this.#keys.values()]
      .map(({ record }) => record)
      .filter((record) => record.tenant === tenant && reaches(caller, record))
      .sort((a, b) => a.created_at_ms - b.created_at_ms || (a.id < b.id ? -1 : 1));
  }

  /** Whether a key that works has a role. */
  hasRole(tenant: string, role: string): boolean {
    const now_ms = this.#clock.now();
    return this.list(tenant, ALL).some((key) => key.role === role && works(key, now_ms));
  }

  /**
   * Revokes a key of the tenant; doing so twice changes nothing. 404 when there is none, or none that the caller
   * may know of.
   */
  async revoke(tenant: string, id: string, caller: Pick<Principal, 'tenants'>): Promise<KeyRecord> {
    for (;;) {
      const entry = this.#keys.get(id);
      if (entry === undefined || entry.record.tenant !== tenant || !reaches(caller, entry.record)) {
        throw new ApiError('not_found', `There is no key with this id.`);
      }
      if (entry.record.revoked_at_ms !== null) return entry.record;
      const { record: before, revision } = entry;
      const record = { ...before, revoked_at_ms: this.#clock.now(), version: before.version + 1 };
      if ((await this.#write(record, revision)).ok) return record;
    }
  }

  /**
   * Makes the preset key be `token`. The same token again changes nothing, so that a revoked key stays
   * revoked across restarts.
   */
  async preset(
    token: string,
    key: NewKey,
  ): Promise<{ readonly written: boolean; readonly before: KeyRecord | undefined; readonly now: KeyRecord }> {
    for (;;) {
      const known = this.#keys.get(PRESET_ID) ?? this.#remembered(PRESET_ID);
      const before = known?.record;
      if (known !== undefined && timingSafeEqual(known.hash, hashOf(token, known.record.salt))) {
        return { written: false, before, now: known.record };
      }
      const version = (known?.record.version ?? 0) + 1;
      const record = this.#recordOf(PRESET_ID, key, token, version);
      if ((await this.#write(record, known?.revision ?? 0)).ok) return { written: true, before, now: record };
    }
  }

  /** A changed key as it was last seen, though the bucket has lost it: what was revoked stays revoked. */
  #remembered(id: string): { readonly record: KeyRecord; hash: Buffer; revision: number } | undefined {
    const parsed = recordSchema.safeParse(this.#trust.known.get(PREFIX + id)?.record);
    if (!parsed.success) return undefined;
    return { record: parsed.data, hash: Buffer.from(parsed.data.hash, 'hex'), revision: 0 };
  }

  /** Whether anybody can administer the default tenant. */
  hasAdmin(): boolean {
    const now_ms = this.#clock.now();
    return this.list(DEFAULT_TENANT, ALL).some(
      (key) => key.role === 'admin' && key.scopes === null && key.tenants === '*' && works(key, now_ms),
    );
  }
}
