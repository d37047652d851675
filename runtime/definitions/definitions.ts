import type { Logger } from 'pino';
import { z } from 'zod';
import { type Clock, invariant, type KeyValueStore } from '../../engine/index.ts';
import { DEFINITION_PREFIX, type DefinitionKind, RESERVED_MEMBERS } from './definition.ts';
import { KindDefinitions, type KindParts } from './kind-definitions.ts';
import { NameClaims } from './name-claims.ts';
import { type RandomBytes, systemRandom } from './ulid.ts';
import { type BucketStatus, WatchedBucket } from './watched-bucket.ts';

const KIND = /^[a-z][a-z0-9_]{0,31}$/;
/** Unknown kinds that are logged. */
const MAX_LOGGED_KINDS = 100;

export interface DefinitionsOptions {
  readonly store: KeyValueStore;
  readonly clock: Clock;
  readonly log: Logger;
  readonly random?: RandomBytes;
  /** This kind alone; what is there of others is left alone. */
  readonly only?: string;
}

/** What the bridge from the bucket to a kind needs, whatever its type. */
type Sink = Pick<KindDefinitions<unknown>, 'take' | 'takeAgain' | 'drop'>;

/**
 * All definitions of an installation, in one bucket that its processes share: what one writes the others
 * have within a second. Register the kinds, then open it.
 */
export class Definitions {
  readonly #parts: KindParts;
  readonly #kinds = new Map<string, Sink>();
  /** Keys whose value is ignored: damaged, or of a kind that this process does not know. */
  readonly #ignored = new Set<string>();
  readonly #logged = new Set<string>();
  #isOpen = false;
  #changes = 0;

  constructor({ store, clock, log, random = systemRandom, only }: DefinitionsOptions) {
    const handlers = {
      put: (key: string, value: unknown, revision: number) => this.#put(key, value, revision),
      drop: (key: string) => this.#drop(key),
    };
    const bucket = new WatchedBucket({
      ...{ store, clock, log, handlers },
      ...{
        prefix: only === undefined ? DEFINITION_PREFIX : `${DEFINITION_PREFIX}${only}.`,
        what: 'definitions',
      },
    });
    this.#parts = { bucket, claims: new NameClaims(store, clock), clock, random, log };
  }

  /** Registers a kind. Once each, before it is opened. */
  kind<T>(kind: DefinitionKind<T>): KindDefinitions<T> {
    invariant(!this.#isOpen, 'kinds of definitions are registered before the bucket is opened');
    invariant(
      KIND.test(kind.kind) && !this.#kinds.has(kind.kind),
      `the kind "${kind.kind}" is new and well-formed`,
    );
    const members = kind.schema instanceof z.ZodObject ? Object.keys(kind.schema.shape) : [];
    const reserved = members.filter((member) => RESERVED_MEMBERS.some((name) => name === member));
    invariant(reserved.length === 0, `"${kind.kind}" leaves the members ${reserved.join(', ')} alone`);
    const definitions = new KindDefinitions(kind, this.#parts);
    this.#kinds.set(kind.kind, definitions);
    return definitions;
  }

  /** Loads all definitions. Throws `kv_unavailable`. */
  async open(): Promise<void> {
    this.#isOpen = true;
    await this.#parts.bucket.open();
  }

  async close(): Promise<void> {
    await this.#parts.bucket.close();
  }

  get status(): BucketStatus {
    return this.#parts.bucket.status;
  }

  /** Stored definitions that are ignored: damaged, or of a kind that this process does not know. */
  get ignored(): number {
    return this.#ignored.size;
  }

  /** Grows with every change of any definition that this process makes or learns of. */
  get changes(): number {
    return this.#changes;
  }

  /** Schemas may take other bodies than before: what was ignored is looked at again. */
  readAgain(): void {
    for (const kind of this.#kinds.values()) for (const key of kind.takeAgain()) this.#ignored.delete(key);
  }

  #put(key: string, value: unknown, revision: number): void {
    this.#changes++;
    const sink = this.#kinds.get(kindOf(key));
    if (sink?.take(key, { value, revision }) === true) {
      this.#ignored.delete(key);
      return;
    }
    this.#ignored.add(key);
    if (sink !== undefined || this.#logged.has(kindOf(key)) || this.#logged.size >= MAX_LOGGED_KINDS) return;
    this.#logged.add(kindOf(key));
    this.#parts.log.warn({ key }, 'definitions of a kind that this version does not know are ignored');
  }

  #drop(key: string): void {
    this.#changes++;
    this.#ignored.delete(key);
    this.#kinds.get(kindOf(key))?.drop(key);
  }
}

const kindOf = (key: string): string => key.slice(DEFINITION_PREFIX.length).split('.')[0] ?? '';
