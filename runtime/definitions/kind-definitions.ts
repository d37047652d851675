import type { Logger } from 'pino';
import { z } from 'zod';
import { saysKnownMembers } from '../../analytics/index.ts';
import type { Clock, KeyValueEntry } from '../../engine/index.ts';
import {
  type Candidate,
  DEFINITION_MAX_BYTES,
  type Definition,
  type DefinitionChange,
  type DefinitionKind,
  type DefinitionRecord,
  keyOf,
  MAX_DEFINITIONS_PER_KIND,
  nameSchema,
  RESERVED_MEMBERS,
  recordSchema,
} from './definition.ts';
import { DefinitionError, invalidMember } from './definition-error.ts';
import { mergePatch } from './merge-patch.ts';
import { CLAIM_LIFE_MS, type NameClaims, nameTaken } from './name-claims.ts';
import { TrustedRecords } from './trusted-records.ts';
import { type RandomBytes, ulid } from './ulid.ts';
import type { WatchedBucket } from './watched-bucket.ts';

/** Untrusted records of a kind that are logged; all are counted. */
const MAX_LOGGED_REFUSALS = 100;
/** How often a patch without a revision is tried again on what another one made of the definition. */
const PATCH_ATTEMPTS = 10;

export interface NewDefinition {
  /** Of a kind whose ids are chosen; default: `<kind>_<ULID>`. */
  readonly id?: string;
  /** Checked against the kind's schema of names. */
  readonly name: unknown;
  /** Checked against the kind's schema. */
  readonly body: unknown;
  /** Of the key or token that makes it. */
  readonly created_by: string;
}

export interface KindParts {
  readonly bucket: WatchedBucket;
  readonly claims: NameClaims;
  readonly clock: Clock;
  readonly random: RandomBytes;
  readonly log: Logger;
}

interface Unchecked {
  readonly tenant: string;
  readonly id: string | undefined;
  readonly name: unknown;
  readonly body: unknown;
}

type Listener<T> = (change: DefinitionChange<T>) => void;

/** The definitions of one kind: read from memory, written by compare-and-set. */
export class KindDefinitions<T> {
  readonly kind: DefinitionKind<T>;
  readonly #parts: KindParts;
  readonly #trusted: TrustedRecords;
  readonly #tenants = new Map<string, Map<string, Definition<T>>>();
  /** By tenant and name. Should two processes that stood still have made two of a name, the older one has it. */
  readonly #names = new Map<string, Map<string, Definition<T>>>();
  readonly #listeners = new Set<Listener<T>>();
  /** Stored ones that the schema did not take, by key. */
  readonly #refused = new Map<string, Omit<KeyValueEntry, 'key'>>();
  /** Revisions of stored ones that are not trusted, by key: the next change of theirs is written over them. */
  readonly #untrusted = new Map<string, number>();
  #refusals = 0;

  constructor(kind: DefinitionKind<T>, parts: KindParts) {
    this.kind = kind;
    this.#parts = parts;
    this.#trusted = new TrustedRecords(kind);
  }

  /** Records that were ignored, for nobody who may has written them. */
  get refusals(): number {
    return this.#refusals;
  }

  /** The definitions of a tenant, oldest first. */
  list(tenant: string): readonly Definition<T>[] {
    return [...(this.#tenants.get(tenant)?.values() ?? [])].sort(oldestFirst);
  }

  /** The tenants that have one. */
  tenants(): readonly string[] {
    return [...this.#tenants.keys()];
  }

  get(tenant: string, id: string): Definition<T> | undefined {
    return this.#tenants.get(tenant)?.get(id);
  }

  byName(tenant: string, name: string): Definition<T> | undefined {
    return this.#names.get(tenant)?.get(name);
  }

  /** Calls the listener with each change from now on, until the returned function is called. */
  onChange(listener: Listener<T>): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Throws `validation_failed`, `limit_reached`, `name_taken`, `kv_unavailable`. */
  async create(tenant: string, made: NewDefinition): Promise<Definition<T>> {
    const candidate = this.#checked({ tenant, id: undefined, name: made.name, body: made.body });
    const limit = this.kind.limit ?? MAX_DEFINITIONS_PER_KIND;
    if ((this.#tenants.get(tenant)?.size ?? 0) >= limit) {
      throw new DefinitionError(
        'limit_reached',
        `A tenant may have ${limit} of the kind "${this.kind.kind}". Delete some first.`,
      );
    }
    if (this.byName(tenant, candidate.name) !== undefined) throw nameTaken(candidate);
    const { clock, random } = this.#parts;
    const now_ms = clock.now();
    const record: DefinitionRecord = {
      id: made.id ?? `${this.kind.kind}_${ulid(now_ms, random)}`,
      kind: this.kind.kind,
      tenant,
      name: candidate.name,
      created_at_ms: now_ms,
      updated_at_ms: now_ms,
      created_by: made.created_by,
      body: candidate.body,
    };
    if (this.kind.hasUniqueNames !== false) return await this.#named(record, () => this.#write(record));
    if (!(await this.#write(record))) throw conflict();
    return this.#mine(record);
  }

  /**
   * Takes over a definition with its id and its times, of a kind without unique names. Undefined: there is one of
   * the id, or was, and that is newer. Throws `validation_failed`, `revision_conflict`, `kv_unavailable`.
   */
  async restore(record: DefinitionRecord): Promise<Definition<T> | undefined> {
    const { tenant, id, name } = record;
    if (this.get(tenant, id) !== undefined || this.#trusted.isOld(record)) return undefined;
    const { body } = this.#checked({ tenant, id, name, body: record.body });
    if (await this.#write({ ...record, body })) return this.#mine(record);
    if (this.get(tenant, id) !== undefined) return undefined;
    throw conflict();
  }

  /** A definition as it was last seen, of those that are remembered, whether the bucket has it or not. */
  remembered(tenant: string, id: string): Definition<T> | undefined {
    const record = recordSchema.safeParse(
      this.#trusted.remembered(keyOf({ kind: this.kind.kind, tenant, id })),
    );
    const body = this.kind.schema.safeParse(record.data?.body);
    return record.success && body.success ? { ...record.data, revision: 0, body: body.data } : undefined;
  }

  /**
   * Changes a definition by a JSON merge patch of its name and the members of its body. With a `revision`
   * it has to be of it, else it is tried on whatever others made of it meanwhile. Throws `not_found`,
   * `revision_conflict`, `validation_failed`, `name_taken`, `kv_unavailable`.
   */
  async patch(tenant: string, id: string, patch: unknown, revision?: number): Promise<Definition<T>> {
    for (let attempt = 0; attempt < PATCH_ATTEMPTS; attempt++) {
      const current = await this.#current(tenant, id, revision);
      const { name, ...body } = mergePatch({ ...current.body, name: current.name }, patch) as Record<
        string,
        unknown
      >;
      const candidate = this.#checked({ tenant, id, name, body });
      const { isEnabled } = this.kind;
      const updated_at_ms = this.#trusted.changedAt(this.#parts.clock.now(), current.updated_at_ms);
      const record: DefinitionRecord = {
        ...recordOf(current),
        ...{ name: candidate.name, body: candidate.body, updated_at_ms },
        ...(isEnabled?.(candidate.body) === true && !isEnabled(current.body)
          ? { enabled_at_ms: updated_at_ms }
          : {}),
      };
      if (
        JSON.stringify({ ...record, updated_at_ms: current.updated_at_ms }) ===
        JSON.stringify(recordOf(current))
      ) {
        return current;
      }
      const write = (): Promise<boolean> => this.#write(record, current.revision);
      if (record.name !== current.name && this.kind.hasUniqueNames !== false) {
        if (this.byName(tenant, record.name) !== undefined) throw nameTaken(record);
        const renamed = await this.#named(record, write).catch(onlyLost);
        if (renamed === undefined) continue;
        await this.#release(recordOf(current));
        return renamed;
      }
      if (await write()) return this.#mine(record);
    }
    throw conflict();
  }

  /** Throws `not_found`, `revision_conflict`, `definition_in_use`, `kv_unavailable`. */
  async delete(tenant: string, id: string, revision?: number): Promise<void> {
    for (let attempt = 0; attempt < PATCH_ATTEMPTS; attempt++) {
      const current = await this.#current(tenant, id, revision);
      this.kind.checkDelete?.(current, this);
      const key = keyOf(current);
      const revision_there = this.#untrusted.get(key) ?? current.revision;
      if ((await this.#parts.bucket.delete(key, revision_there)).ok) {
        this.#trusted.deleted(current);
        if (this.kind.hasUniqueNames !== false) await this.#release(recordOf(current));
        return;
      }
    }
    throw conflict();
  }

  /** Takes in what the bucket has; false when it is none of this kind. */
  take(key: string, { value, revision }: Omit<KeyValueEntry, 'key'>): boolean {
    this.#refused.delete(key);
    this.#untrusted.delete(key);
    const opened = this.#trusted.opened(key, value);
    const record = recordSchema.safeParse('fault' in opened ? undefined : opened.record);
    const isOld = record.success && this.#trusted.isOld(record.data);
    if ('fault' in opened || isOld) {
      if (this.kind.outlastsForgery !== true) this.drop(key);
      this.#untrusted.set(key, revision);
      this.#refuse(key, 'fault' in opened ? opened.fault : 'it is an older version, or was deleted');
      return false;
    }
    const body = this.kind.schema.safeParse(record.data?.body);
    if (!record.success || !body.success || keyOf(record.data) !== key) {
      this.drop(key);
      this.#refused.set(key, { value, revision });
      const err = record.error ?? body.error;
      this.#parts.log.error({ key, err }, 'a stored definition breaks its schema and is ignored');
      return false;
    }
    this.#trusted.seen(record.data);
    const definition: Definition<T> = { ...record.data, revision, body: body.data };
    const { tenant, id } = definition;
    const ofTenant = this.#tenants.get(tenant) ?? new Map<string, Definition<T>>();
    const before = ofTenant.get(id);
    this.#tenants.set(tenant, ofTenant.set(id, definition));
    if (before !== undefined && before.name !== definition.name) this.#nameAgain(tenant, before.name);
    this.#nameAgain(tenant, definition.name);
    this.#tell({ type: 'put', definition, before });
    return true;
  }

  /** The schema may take others now: looks again at those that it did not take; the keys that it takes. */
  takeAgain(): readonly string[] {
    return [...this.#refused].filter(([key, entry]) => this.take(key, entry)).map(([key]) => key);
  }

  /** What the bucket has no more. */
  drop(key: string): void {
    this.#refused.delete(key);
    this.#untrusted.delete(key);
    const [, , tenant = '', id = ''] = key.split('.');
    const ofTenant = this.#tenants.get(tenant);
    const definition = ofTenant?.get(id);
    if (ofTenant === undefined || definition === undefined) return;
    ofTenant.delete(id);
    if (ofTenant.size === 0) this.#tenants.delete(tenant);
    this.#nameAgain(tenant, definition.name);
    this.#tell({ type: 'delete', definition });
  }

  #refuse(key: string, why: string): void {
    this.#refusals++;
    if (this.#refusals > MAX_LOGGED_REFUSALS) return;
    this.#parts.log.error(
      { key, why },
      'a stored definition is not trusted and is ignored: this installation did not write it. See who can write to ' +
        'the bucket millrace-definitions; if it was another process of yours, give both the same KEY_SIGNING_SECRET',
    );
  }

  /** Writes over a revision, or over what is not trusted in its place; else it is new. Whether it is there now. */
  async #write(record: DefinitionRecord, revision?: number): Promise<boolean> {
    const { bucket } = this.#parts;
    const key = keyOf(record);
    const value = this.#trusted.sealed(record);
    const over = this.#untrusted.get(key) ?? revision;
    return (over === undefined ? await bucket.create(key, value) : await bucket.update(key, value, over)).ok;
  }

  #nameAgain(tenant: string, name: string): void {
    if (this.kind.hasUniqueNames === false) return;
    const [oldest] = [...(this.#tenants.get(tenant)?.values() ?? [])]
      .filter((definition) => definition.name === name)
      .sort(oldestFirst);
    const names = this.#names.get(tenant) ?? new Map<string, Definition<T>>();
    if (oldest === undefined) names.delete(name);
    else names.set(name, oldest);
    if (names.size === 0) this.#names.delete(tenant);
    else this.#names.set(tenant, names);
  }

  #tell(change: DefinitionChange<T>): void {
    for (const listener of this.#listeners) {
      try {
        listener(change);
      } catch (error) {
        this.#parts.log.error({ err: error, id: change.definition.id }, 'a listener to definitions failed');
      }
    }
  }

  #checked({ tenant, id, name, body }: Unchecked): Candidate<T> {
    const shape = z.object({ name: this.kind.name ?? nameSchema });
    const named = shape.safeParse({ name });
    const parsed = this.kind.schema.safeParse(body, { error: saysKnownMembers });
    if (!named.success || !parsed.success) {
      const issues = [...(named.error?.issues ?? []), ...(parsed.error?.issues ?? [])];
      const errors = issues.map(({ path, message }) => ({ path: path.join('.'), message }));
      throw new DefinitionError('validation_failed', sentenceOf(errors), errors);
    }
    const reserved = RESERVED_MEMBERS.find((member) => Object.hasOwn(Object(parsed.data), member));
    if (reserved !== undefined) throw invalidMember(reserved, 'is not set by the one who defines');
    const bytes = Buffer.byteLength(JSON.stringify(parsed.data));
    if (bytes > DEFINITION_MAX_BYTES) {
      throw new DefinitionError(
        'validation_failed',
        `A definition may have ${DEFINITION_MAX_BYTES} bytes of JSON, this one has ${bytes}.`,
      );
    }
    const candidate = { tenant, id, name: named.data.name, body: parsed.data };
    this.kind.check?.(candidate, this);
    const { sealed } = this.kind;
    return sealed === undefined ? candidate : { ...candidate, body: sealed(tenant, candidate.body) };
  }

  /** The definition as it is now, of the revision if one is asked for. */
  async #current(tenant: string, id: string, revision: number | undefined): Promise<Definition<T>> {
    const known = this.get(tenant, id);
    if (known !== undefined && (revision === undefined || revision === known.revision)) return known;
    // Another process may have just written it.
    await this.#parts.bucket.refresh(keyOf({ kind: this.kind.kind, tenant, id }));
    const current = this.get(tenant, id);
    if (current === undefined) throw new DefinitionError('not_found', 'There is no definition with this id.');
    if (revision !== undefined && revision !== current.revision) throw conflict();
    return current;
  }

  /** Writes a definition under a new name. */
  async #named(record: DefinitionRecord, write: () => Promise<boolean>): Promise<Definition<T>> {
    const { bucket, claims } = this.#parts;
    const began_ms = performance.now();
    await bucket.reaching(() => claims.claim(record));
    if (!(await write())) {
      await this.#release(record);
      throw conflict();
    }
    const made = this.#mine(record);
    if (performance.now() - began_ms < CLAIM_LIFE_MS / 2 || (await claims.isMine(record))) return made;
    // This process stood still for so long that another one has taken the name.
    await bucket.delete(keyOf(record), made.revision);
    throw nameTaken(record);
  }

  #mine({ tenant, id }: DefinitionRecord): Definition<T> {
    const definition = this.get(tenant, id);
    if (definition === undefined) throw conflict();
    return definition;
  }

  /** A claim that stays is not in the way: it is taken over by who wants the name. */
  async #release(record: DefinitionRecord): Promise<void> {
    try {
      await this.#parts.claims.release(record);
    } catch (error) {
      this.#parts.log.warn({ err: error, name: record.name }, 'the name of a definition was not freed yet');
    }
  }
}

const oldestFirst = <T>(a: Definition<T>, b: Definition<T>): number =>
  a.created_at_ms - b.created_at_ms || (a.id < b.id ? -1 : 1);

const recordOf = <T>({ revision: _, ...record }: Definition<T>): DefinitionRecord => record;

const conflict = (): DefinitionError =>
  new DefinitionError(
    'revision_conflict',
    'The definition was changed meanwhile. Read it again, and send the change with its new revision.',
  );

/** A write that lost gives undefined: it is tried again on what is there now. */
function onlyLost(error: unknown): undefined {
  if (error instanceof DefinitionError && error.code === 'revision_conflict') return undefined;
  throw error;
}

const sentenceOf = (errors: readonly { readonly path: string; readonly message: string }[]): string =>
  `The definition is not valid: ${errors
    .slice(0, 3)
    .map(({ path, message }) => (path === '' ? message : `${path}: ${message}`))
    .join('; ')}.`;
