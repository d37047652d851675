import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { type KeyValueEntry, type KeyValueStore, MillraceError } from '../../engine/index.ts';
import type { WriterLease } from './archive-writer.ts';

/** Who owns the archive, for all processes. */
const KEY = 'archive';
/** An owner that is not heard of for so long is taken to be gone, ms. */
const LEASE_MS = 5_000;
/** Between two renewals, and two looks, ms. */
const TICK_MS = 1_000;
/** How long an owner that cannot reach the bucket asks whether it still is the owner, ms. */
const CONFIRM_MS = 60_000;

const ownerSchema = z.object({
  /** null: nobody. */
  owner: z.string().nullable(),
  epoch: z.int(),
  /** Makes each renewal another value. */
  renewal: z.int(),
});
type Owner = z.infer<typeof ownerSchema>;

export interface WriterLockTimes {
  readonly lease_ms: number;
  /** Between two looks of who waits. */
  readonly look_ms: number;
  readonly renewal_ms: number;
}

const TIMES: WriterLockTimes = { lease_ms: LEASE_MS, look_ms: TICK_MS, renewal_ms: TICK_MS };

/**
 * One writer of the archive at a time, of all processes that share the bucket. The owner rewrites a record by
 * compare-and-set each second; one whose record stays as it is for `lease_ms`, by the clock of who waits and while the
 * bucket answers, is followed by the next. Who stood still meanwhile is told by `confirm`, and what it writes before it
 * asks counts for nobody (`ArchiveWriter`).
 */
export class WriterLock {
  readonly #store: KeyValueStore;
  readonly #times: WriterLockTimes;

  constructor(store: KeyValueStore, times: WriterLockTimes = TIMES) {
    this.#store = store;
    this.#times = times;
  }

  /**
   * Waits for the archive, and does some work as its owner. `lastEpoch` is that of the last owner that the archive knows
   * of: the bucket may be younger. Throws the signal's reason while it waits, `kv_unavailable`.
   */
  async hold<T>(
    signal: AbortSignal | undefined,
    lastEpoch: () => Promise<number>,
    work: (lease: WriterLease) => Promise<T>,
  ): Promise<T> {
    const held = await this.#acquired(signal, lastEpoch);
    held.start(this.#times.renewal_ms);
    try {
      return await work(held);
    } finally {
      await held.release();
    }
  }

  async #acquired(signal: AbortSignal | undefined, lastEpoch: () => Promise<number>): Promise<HeldLease> {
    const store = this.#store;
    const { lease_ms, look_ms } = this.#times;
    let seen: { readonly revision: number; readonly since_ms: number } | undefined;
    for (;;) {
      signal?.throwIfAborted();
      const entry = await this.#entry();
      const now_ms = performance.now();
      if (seen?.revision !== entry?.revision) seen = undefined;
      if (entry !== undefined) seen ??= { revision: entry.revision, since_ms: now_ms };
      const known = ownerOf(entry);
      const isFree = known.owner === null || now_ms - (seen?.since_ms ?? now_ms) >= lease_ms;
      if (isFree) {
        const epoch = Math.max(known.epoch, await lastEpoch()) + 1;
        const next: Owner = { owner: randomUUID(), epoch, renewal: 0 };
        const written =
          entry === undefined ? await store.create(KEY, next) : await store.update(KEY, next, entry.revision);
        if (written.ok) return new HeldLease(store, next, written.revision);
      }
      await sleep(look_ms, undefined, { signal }).catch(() => signal?.throwIfAborted());
    }
  }

  async #entry(): Promise<KeyValueEntry | undefined> {
    try {
      return await this.#store.get(KEY);
    } catch (error) {
      // Where the bucket was deleted it is made again, empty.
      if (await this.#store.ensure(0)) return undefined;
      throw error;
    }
  }
}

const NOBODY: Owner = { owner: null, epoch: 0, renewal: 0 };

const ownerOf = (entry: KeyValueEntry | undefined): Owner =>
  ownerSchema.safeParse(entry?.value).data ?? NOBODY;

class HeldLease implements WriterLease {
  readonly epoch: number;
  readonly #store: KeyValueStore;
  #owner: Owner;
  #revision: number;
  #isLost = false;
  /** Renewals come one after the other. */
  #renewing: Promise<unknown> = Promise.resolve();
  #timer: NodeJS.Timeout | undefined;

  constructor(store: KeyValueStore, owner: Owner, revision: number) {
    this.#store = store;
    this.#owner = owner;
    this.#revision = revision;
    this.epoch = owner.epoch;
  }

  start(renewal_ms: number): void {
    // A renewal that fails is made up for by the next, or by whoever asks for a confirmation.
    this.#timer = setInterval(() => void this.#renewed().catch(() => undefined), renewal_ms).unref();
  }

  async confirm(): Promise<void> {
    const end_ms = performance.now() + CONFIRM_MS;
    for (;;) {
      try {
        return await this.#renewed();
      } catch (error) {
        const isPassing = error instanceof MillraceError && error.retriable && !this.#isLost;
        if (!isPassing || performance.now() > end_ms) throw error;
        await sleep(TICK_MS);
      }
    }
  }

  #renewed(): Promise<void> {
    const renewed = this.#renewing.then(() =>
      this.#renew({ ...this.#owner, renewal: this.#owner.renewal + 1 }),
    );
    this.#renewing = renewed.catch(() => undefined);
    return renewed;
  }

  async #renew(next: Owner): Promise<void> {
    if (this.#isLost) throw lost();
    let written = await this.#store.update(KEY, next, this.#revision);
    // A renewal whose outcome was not known may be what is there.
    if (!written.ok && written.current !== undefined && ownerOf(written.current).owner === this.#owner.owner)
      written = await this.#store.update(KEY, next, written.current.revision);
    if (!written.ok) {
      this.#isLost = true;
      throw lost();
    }
    this.#owner = next;
    this.#revision = written.revision;
  }

  /** What fails is made up for by the end of the lease. */
  async release(): Promise<void> {
    clearInterval(this.#timer);
    await this.#renewing;
    if (this.#isLost) return;
    await this.#renew({ ...this.#owner, owner: null }).catch(() => undefined);
  }
}

const lost = (): MillraceError =>
  new MillraceError(
    'archive_has_another_writer',
    'Another process has taken the archive over while this one stood still; what this one was writing does not count.',
    { retriable: true },
  );
