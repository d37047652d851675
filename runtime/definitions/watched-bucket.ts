import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import {
  asMillraceError,
  type Clock,
  type KeyValueDelete,
  type KeyValueStore,
  type KeyValueWrite,
} from '../../engine/index.ts';

/** How often it is looked whether the bucket is still there, ms. */
const CHECK_INTERVAL_MS = 1_000;
/** Values written back at once into a bucket that was made again. */
const RESTORE_AT_ONCE = 64;
/** Deleted keys that are remembered until the watch has told of them. */
const MAX_TOMBSTONES = 10_000;

/** Whether what lies in a bucket can be read and written now. */
export type BucketStatus =
  | { readonly state: 'ok' }
  | {
      readonly state: 'unavailable';
      readonly code: string;
      readonly message: string;
      readonly since_ms: number;
    };

export interface BucketHandlers {
  /** A value that is newer than the one before, made here or elsewhere. */
  put(key: string, value: unknown, revision: number): void;
  drop(key: string): void;
}

interface BucketParts {
  readonly store: KeyValueStore;
  readonly clock: Clock;
  readonly log: Logger;
  /** Keys that begin otherwise are left alone; default: none is. */
  readonly prefix?: string;
  /** For the log: `definitions`. */
  readonly what: string;
  readonly handlers: BucketHandlers;
}

/**
 * The values of a bucket, all in memory and kept by one watch. Own writes count at once.
 *
 * A bucket that was deleted is made again, with what is in memory: every process that watches it writes
 * back what it knows, unless the new one has another value of the key. So nothing is lost that a running
 * process had seen. Until then writes are `kv_unavailable`, reads go on, and `status` says so.
 */
export class WatchedBucket {
  readonly #parts: BucketParts;
  readonly #values = new Map<string, { readonly value: unknown; readonly revision: number }>();
  /** The last revision of keys deleted here: what the watch still has to tell of them is old. */
  readonly #tombstones = new Map<string, number>();
  readonly #stopping = new AbortController();
  #status: BucketStatus = { state: 'ok' };
  #revision = 0;
  /** Which bucket of the name the values are of. */
  #incarnation: string | undefined;
  #restoring: Promise<void> | undefined;
  /** What was known could not be written back yet. */
  #owes = false;
  #stopWatch: (() => Promise<void>) | undefined;
  #checking: Promise<void> | undefined;

  constructor(parts: BucketParts) {
    this.#parts = parts;
  }

  get status(): BucketStatus {
    return this.#status;
  }

  /** Loads all there is. Throws `kv_unavailable`. */
  async open(): Promise<void> {
    this.#incarnation = await this.#parts.store.incarnation();
    this.#stopWatch = await this.#parts.store.watch(
      (change) => {
        if (!change.key.startsWith(this.#parts.prefix ?? '')) return;
        if (change.kind === 'delete' && change.lost === true) this.#restore();
        else if (change.kind === 'delete') this.#drop(change.key);
        else this.#take(change.key, change.value, change.revision);
      },
      (error) => this.#watchFailed(error),
    );
    this.#checking = this.#check();
  }

  async close(): Promise<void> {
    this.#stopping.abort();
    await this.#stopWatch?.();
    await this.#checking;
    await this.#restoring;
  }

  async create(key: string, value: unknown): Promise<KeyValueWrite> {
    return this.#written(key, value, () => this.#parts.store.create(key, value));
  }

  async update(key: string, value: unknown, revision: number): Promise<KeyValueWrite> {
    return this.#written(key, value, () => this.#parts.store.update(key, value, revision));
  }

  async delete(key: string, revision: number): Promise<KeyValueDelete> {
    const deleted = await this.reaching(() => this.#parts.store.delete(key, revision));
    if (!deleted.ok) {
      await this.#learn(key, deleted.current);
      return deleted;
    }
    this.#tombstones.set(key, revision);
    const [oldest] = this.#tombstones.keys();
    if (this.#tombstones.size > MAX_TOMBSTONES && oldest !== undefined) this.#tombstones.delete(oldest);
    this.#forget(key);
    return deleted;
  }

  /** Asks the bucket what a key has now, for what is in memory may be behind another process's write. */
  async refresh(key: string): Promise<void> {
    await this.#learn(key, await this.reaching(() => this.#parts.store.get(key)));
  }

  /** Makes a request of the bucket; when it cannot be reached, `status` says so from then on. */
  async reaching<T>(request: () => Promise<T>): Promise<T> {
    try {
      return await request();
    } catch (error) {
      if (asMillraceError(error).code === 'kv_unavailable') this.#unavailable(error);
      throw error;
    }
  }

  async #written(key: string, value: unknown, write: () => Promise<KeyValueWrite>): Promise<KeyValueWrite> {
    const written = await this.reaching(write);
    if (written.ok) this.#take(key, value, written.revision);
    else await this.#learn(key, written.current);
    return written;
  }

  async #learn(
    key: string,
    current: { readonly value: unknown; readonly revision: number } | undefined,
  ): Promise<void> {
    if (current !== undefined) this.#take(key, current.value, current.revision);
    else if (!this.#values.has(key)) return;
    else if ((await this.reaching(() => this.#parts.store.incarnation())) === this.#incarnation) {
      this.#forget(key);
    } else {
      // A bucket that was made again does not have it yet: nobody has deleted it.
      this.#restore();
      await this.#restoring;
    }
  }

  #take(key: string, value: unknown, revision: number): void {
    const known = this.#values.get(key)?.revision ?? this.#tombstones.get(key) ?? 0;
    if (revision <= known) return;
    this.#values.set(key, { value, revision });
    this.#revision = Math.max(this.#revision, revision);
    this.#parts.handlers.put(key, value, revision);
  }

  /** A deletion that the watch tells of. */
  #drop(key: string): void {
    this.#tombstones.delete(key);
    // While it is written back the bucket is behind the memory.
    if (this.#restoring === undefined) this.#forget(key);
  }

  #forget(key: string): void {
    if (this.#values.delete(key)) this.#parts.handlers.drop(key);
  }

  #watchFailed(error: unknown): void {
    const { code } = asMillraceError(error);
    if (code === 'kv_value_invalid') {
      this.#parts.log.error({ err: error }, `one of the ${this.#parts.what} cannot be read and is ignored`);
      return;
    }
    this.#unavailable(error);
    // Its revisions may begin anew, whoever made it again.
    if (code === 'stream_recreated') this.#restore();
  }

  /** Looks after the bucket until closed: makes it again when it is gone, and says when it is back. */
  async #check(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      try {
        await sleep(CHECK_INTERVAL_MS, undefined, { signal, ref: false });
        if ((await this.#parts.store.ensure(this.#revision)) || this.#owes) this.#restore();
        await this.#restoring;
        if (!this.#owes) this.#available();
      } catch (error) {
        if (!signal.aborted) this.#unavailable(error);
      }
    }
  }

  /** Begins to write back what is in memory. */
  #restore(): void {
    this.#restoring ??= this.#writeBack().finally(() => {
      this.#restoring = undefined;
    });
  }

  async #writeBack(): Promise<void> {
    const { store, log, what } = this.#parts;
    const known = [...this.#values];
    let restored = 0;
    let different = 0;
    const failures: unknown[] = [];
    const began = await store.incarnation().catch((error: unknown) => void failures.push(error));
    if (began !== undefined) this.#incarnation = began;
    // From here on the bucket's revisions are others: whatever it says is newer than what was known.
    for (const [key, { value }] of known) this.#values.set(key, { value, revision: 0 });
    this.#tombstones.clear();
    for (let at = 0; at < known.length; at += RESTORE_AT_ONCE) {
      await Promise.all(
        known.slice(at, at + RESTORE_AT_ONCE).map(async ([key, { value }]) => {
          try {
            const written = await store.create(key, value);
            if (written.ok) restored += 1;
            else if (written.current !== undefined) different += 1;
            if (written.ok) this.#take(key, value, written.revision);
            else if (written.current !== undefined)
              this.#take(key, written.current.value, written.current.revision);
            else failures.push(new Error(`"${key}" was written and deleted by others meanwhile`));
          } catch (error) {
            failures.push(error);
          }
        }),
      );
    }
    log.warn(
      { restored, different, failed: failures.length, err: failures[0] },
      `the bucket of ${what} was made again; what this process knew was written back`,
    );
    this.#owes = failures.length > 0;
    if (this.#owes) this.#unavailable(failures[0]);
  }

  #unavailable(error: unknown): void {
    if (this.#status.state === 'unavailable') return;
    const { code, message } = asMillraceError(error);
    this.#status = { state: 'unavailable', code, message, since_ms: this.#parts.clock.now() };
    const { log, what } = this.#parts;
    log.error({ err: error }, `${what} cannot be written now; those in memory stay in force`);
  }

  #available(): void {
    if (this.#status.state === 'ok') return;
    this.#status = { state: 'ok' };
    this.#parts.log.info(`${this.#parts.what} can be written again`);
  }
}
