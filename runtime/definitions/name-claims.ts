import { createHash } from 'node:crypto';
import { z } from 'zod';
import type { Clock, KeyValueEntry, KeyValueStore } from '../../engine/index.ts';
import { keyOf, recordSchema } from './definition.ts';
import { DefinitionError } from './definition-error.ts';

/** A claim of this age whose definition does not have the name was left by a process that ended. */
export const CLAIM_LIFE_MS = 10_000;

const claimSchema = z.object({ id: z.string(), claimed_at_ms: z.number() });

export interface NameClaim {
  readonly kind: string;
  readonly tenant: string;
  readonly name: string;
  readonly id: string;
}

/**
 * Names that are unique among all processes: a name is a key of its own, which only one can create. The
 * definition is what counts; a claim only keeps others off its name, before the definition is written.
 */
export class NameClaims {
  readonly #store: KeyValueStore;
  readonly #clock: Clock;

  constructor(store: KeyValueStore, clock: Clock) {
    this.#store = store;
    this.#clock = clock;
  }

  /** Throws `name_taken` when another definition has the name, or is getting it at this moment. */
  async claim(claim: NameClaim): Promise<void> {
    const key = claimKey(claim);
    const value = { id: claim.id, claimed_at_ms: this.#clock.now() };
    const written = await this.#store.create(key, value);
    if (written.ok) return;
    const { current } = written;
    if (current === undefined || holderOf(current)?.id === claim.id) return;
    if (await this.#isHeld(claim, current)) throw nameTaken(claim);
    const taken = await this.#store.update(key, value, current.revision);
    if (!taken.ok) throw nameTaken(claim);
  }

  /** Whether the claim is still the definition's: another process may have taken it for abandoned. */
  async isMine(claim: NameClaim): Promise<boolean> {
    return holderOf(await this.#store.get(claimKey(claim)))?.id === claim.id;
  }

  /** Frees the name, if it is the definition's. */
  async release(claim: NameClaim): Promise<void> {
    const key = claimKey(claim);
    const entry = await this.#store.get(key);
    if (entry !== undefined && holderOf(entry)?.id === claim.id) {
      await this.#store.delete(key, entry.revision);
    }
  }

  async #isHeld({ kind, tenant, name }: NameClaim, entry: KeyValueEntry): Promise<boolean> {
    const holder = holderOf(entry);
    if (holder === undefined) return false;
    if (this.#clock.now() - holder.claimed_at_ms < CLAIM_LIFE_MS) return true;
    const held = recordSchema.safeParse(
      (await this.#store.get(keyOf({ kind, tenant, id: holder.id })))?.value,
    );
    return held.success && held.data.name === name;
  }
}

const claimKey = ({ kind, tenant, name }: NameClaim): string =>
  `name.${kind}.${tenant}.${createHash('sha256').update(name).digest('hex').slice(0, 40)}`;

const holderOf = (entry: KeyValueEntry | undefined): z.infer<typeof claimSchema> | undefined =>
  claimSchema.safeParse(entry?.value).data;

export const nameTaken = ({ name }: Pick<NameClaim, 'name'>): DefinitionError =>
  new DefinitionError(
    'name_taken',
    `There is one of the name "${name}" already. Choose another name, or change that one.`,
    [{ path: 'name', message: 'is taken' }],
  );
