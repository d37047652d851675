import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import type { Logger } from 'pino';
import type { Clock, MetricSample } from '../../engine/index.ts';
import {
  type Definition,
  type DefinitionChange,
  DefinitionError,
  Definitions,
  type KindDefinitions,
} from '../../runtime/index.ts';
import { ApiError, type ApiPorts, DEFAULT_TENANT, type Principal } from '../http/index.ts';
import { invalidCredentials } from './challenge.ts';
import {
  holderOf,
  type KeyBody,
  type KeyHolder,
  type KeyRecord,
  keyKind,
  MAX_KEYS_PER_TENANT,
  type NewKey,
  PRESET_ID,
  reaches,
  recordOf,
  works,
} from './key-record.ts';

const TOKEN = /^mr_([0-9a-f]{16})_[0-9a-f]{48}$/;
const MAX_TOKEN_CHARS = 1_024;
/** How often a change is tried again on what another process made of the key. */
const CHANGE_ATTEMPTS = 10;
/** The view of the service itself. */
const ALL = { tenants: '*' } as const;

function hashOf(token: string, salt: string): Buffer {
  return createHmac('sha256', salt).update(token).digest();
}

// Verified against when no key has the id, so that an unknown id takes as long as a wrong secret.
const NOBODY = { salt: randomBytes(16).toString('hex'), hash: randomBytes(32) };

interface KeyEntry {
  readonly record: KeyRecord;
  readonly hash: Buffer;
}

type KeyPorts = Pick<ApiPorts, 'keyTrust' | 'clock' | 'log'>;

/**
 * The API keys: a kind of definition, by the id that is in a token. Checking one asks nobody. A change made by this
 * process counts at once, one made by another when the watch reports it.
 */
export class KeyRing {
  readonly #keys: KindDefinitions<KeyBody>;
  readonly #byId = new Map<string, KeyEntry>();
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #preset: string | undefined;

  /** `preset`: the ADMIN_KEY of this process; the log says when another process takes its place. */
  constructor(definitions: Definitions, { keyTrust, clock, log }: KeyPorts, preset?: string) {
    this.#preset = preset;
    this.#clock = clock;
    this.#log = log;
    this.#keys = definitions.kind(keyKind(keyTrust));
    this.#keys.onChange((change) => this.#learn(change));
  }

  samples(): readonly MetricSample[] {
    return [
      {
        name: 'millrace.keys.refused',
        kind: 'counter',
        help: 'Records of API keys that are ignored: this installation did not write them',
        labels: {},
        value: this.#keys.refusals,
      },
    ];
  }

  #learn({ type, definition }: DefinitionChange<KeyBody>): void {
    const { id, body } = definition;
    if (type === 'delete') {
      this.#byId.delete(id);
      return;
    }
    const before = this.#byId.get(id)?.hash;
    const hash = Buffer.from(body.hash, 'hex');
    this.#byId.set(id, { record: recordOf(definition), hash });
    if (id !== PRESET_ID || this.#preset === undefined || before?.equals(hash) === true) return;
    if (hash.equals(hashOf(this.#preset, body.salt))) return;
    this.#log.error(
      'the ADMIN_KEY of this service works no longer: another process on this NATS has preset another one. ' +
        'Give all the same ADMIN_KEY and start them again',
    );
  }

  /** Whose key this is; undefined when it is no key. Throws 401 for one that works no longer. */
  match(token: string): KeyHolder | undefined {
    const id = TOKEN.exec(token)?.[1];
    const entry = (id === undefined ? undefined : this.#byId.get(id)) ?? this.#byId.get(PRESET_ID);
    const { salt } = entry?.record ?? NOBODY;
    const given = hashOf(token.slice(0, MAX_TOKEN_CHARS), salt);
    const matches =
      isSame(given, entry?.hash ?? NOBODY.hash) && token.length <= MAX_TOKEN_CHARS && entry !== undefined;
    if (!matches) return undefined;
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
    const { name, tenant, created_by } = key;
    const made = await this.#keys.create(tenant, { id, name, created_by, body: this.#bodyOf(key, token) });
    return { record: recordOf(made), token };
  }

  /** A tenant's oldest revoked key goes when there are too many; those of all tenants count for themselves. */
  async #makeRoom({ tenant, tenants }: NewKey): Promise<void> {
    const keys = this.list(tenant, ALL).filter((key) => key.tenants === tenants && key.id !== PRESET_ID);
    if (keys.length < MAX_KEYS_PER_TENANT) return;
    const oldest = keys.find(({ revoked_at_ms }) => revoked_at_ms !== null);
    if (oldest !== undefined) return await this.#keys.delete(tenant, oldest.id);
    throw new ApiError('too_many_keys', `A tenant may have ${MAX_KEYS_PER_TENANT} keys. Revoke some first.`, {
      retryAfter_s: 3_600,
    });
  }

  #bodyOf(
    { role, tenants, scopes = null, rate_limit = null, expires_at_ms }: NewKey,
    token: string,
  ): KeyBody {
    const salt = randomBytes(16).toString('hex');
    return {
      ...{ role, tenants, rate_limit, expires_at_ms, salt },
      scopes: scopes === null ? null : [...scopes],
      revoked_at_ms: null,
      issued_at_ms: this.#clock.now(),
      hash: hashOf(token, salt).toString('hex'),
    };
  }

  /** The keys of a tenant that the caller may know of, oldest first. */
  list(tenant: string, caller: Pick<Principal, 'tenants'>): KeyRecord[] {
    return this.#keys
      .list(tenant)
      .map(recordOf)
      .filter((record) => reaches(caller, record))
      .sort((a, b) => a.created_at_ms - b.created_at_ms || (a.id < b.id ? -1 : 1));
  }

  /** Whether a key that works has a role. */
  hasRole(tenant: string, role: string): boolean {
    const now_ms = this.#clock.now();
    return this.list(tenant, ALL).some((key) => key.role === role && works(key, now_ms));
  }

  /**
   * Revokes a key of the tenant; doing so twice changes nothing. 404 when there is none, or none that the caller
   * may know of; 409 when others change it all the time.
   */
  async revoke(tenant: string, id: string, caller: Pick<Principal, 'tenants'>): Promise<KeyRecord> {
    return await settled(async () => {
      const known = this.#keys.get(tenant, id);
      const record = known === undefined ? undefined : recordOf(known);
      if (known === undefined || record === undefined || !reaches(caller, record)) {
        throw new ApiError('not_found', `There is no key with this id.`);
      }
      if (record.revoked_at_ms !== null) return record;
      const patch = { revoked_at_ms: this.#clock.now() };
      return recordOf(await this.#keys.patch(tenant, id, patch, known.revision));
    });
  }

  /**
   * Makes the preset key be `token`. The same token again changes nothing, so that a revoked key stays revoked
   * across restarts, though the bucket has lost it.
   */
  async preset(
    token: string,
    key: NewKey,
  ): Promise<{ readonly written: boolean; readonly before: KeyRecord | undefined; readonly now: KeyRecord }> {
    const { name, tenant, created_by } = key;
    return await settled(async () => {
      const stored = this.#keys.get(tenant, PRESET_ID);
      const known = stored ?? this.#keys.remembered(tenant, PRESET_ID);
      const before = known === undefined ? undefined : recordOf(known);
      if (before !== undefined && isSame(Buffer.from(before.hash, 'hex'), hashOf(token, before.salt))) {
        return { written: false, before, now: before };
      }
      const body = this.#bodyOf(key, token);
      const now =
        stored !== undefined
          ? await this.#keys.patch(tenant, PRESET_ID, { name, ...body }, stored.revision)
          : known !== undefined
            ? await this.#again({ ...known, name, body })
            : await this.#keys.create(tenant, { id: PRESET_ID, name, created_by, body });
      return { written: true, before, now: recordOf(now) };
    });
  }

  /** A key that the bucket has lost, as it is now: newer than the one that it lost. */
  async #again({ revision: _, ...lost }: Definition<KeyBody>): Promise<Definition<KeyBody>> {
    const updated_at_ms = Math.max(this.#clock.now(), lost.updated_at_ms + 1);
    const made = await this.#keys.restore({ ...lost, updated_at_ms });
    if (made !== undefined) return made;
    throw new DefinitionError('revision_conflict', 'The key was made by another process meanwhile.');
  }

  /** Takes over a key that was kept elsewhere. False: there is one of the id, or was, and that is newer. */
  async restore(key: Omit<Definition<KeyBody>, 'kind' | 'revision'>): Promise<boolean> {
    return (await this.#keys.restore({ ...key, kind: this.#keys.kind.kind })) !== undefined;
  }

  /** Whether anybody can administer the default tenant. */
  hasAdmin(): boolean {
    const now_ms = this.#clock.now();
    return this.list(DEFAULT_TENANT, ALL).some(
      (key) => key.role === 'admin' && key.scopes === null && key.tenants === '*' && works(key, now_ms),
    );
  }
}

/** The keys alone, with what keeps them: for who needs no other definitions. */
export async function openKeyRing(
  ports: Pick<ApiPorts, 'definitions' | 'keyTrust' | 'clock' | 'log'>,
  preset?: string,
): Promise<{ readonly keys: KeyRing; readonly definitions: Definitions }> {
  const { definitions: store, clock, log } = ports;
  const definitions = new Definitions({ store, clock, log, only: keyKind(ports.keyTrust).kind });
  const keys = new KeyRing(definitions, ports, preset);
  await definitions.open();
  return { keys, definitions };
}

const isSame = (a: Buffer, b: Buffer): boolean => a.length === b.length && timingSafeEqual(a, b);

/** Tries a change again on what another process made of the key meanwhile. */
async function settled<T>(change: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await change();
    } catch (error) {
      const isLost = error instanceof DefinitionError && error.code === 'revision_conflict';
      if (!isLost || attempt === CHANGE_ATTEMPTS) throw error;
    }
  }
}
