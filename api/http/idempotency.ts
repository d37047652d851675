import { createHash } from 'node:crypto';
import { gunzipSync, gzipSync } from 'node:zlib';
import { z } from 'zod';
import type { Clock, KeyValueStore } from '../../engine/index.ts';
import { IDEMPOTENCY_TTL_MS } from './ports.ts';
import { ApiError } from './problem.ts';

/** An answer that can be given again. */
export interface StoredAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** JSON text. */
  readonly body: string;
}

const MAX_KEY_CHARS = 255;
/** Answers kept in memory; the bucket has them too, where they are small. */
const MAX_MEMORY_ANSWERS = 10_000;
const MAX_MEMORY_BYTES = 64 * 1_048_576;
/** Packed answers over this stay in memory only: a NATS message has to carry them. */
const MAX_STORED_BYTES = 512 * 1_024;
/** A claim older than this was left by a process that died, and may be taken over. */
const CLAIM_MS = 120_000;

const claimSchema = z.object({ fingerprint: z.string(), claimed_at_ms: z.number() });
const answerSchema = z.object({ fingerprint: z.string(), answered_at_ms: z.number(), packed: z.string() });
const recordSchema = z.union([answerSchema, claimSchema]);
const storedSchema = z.object({
  status: z.int(),
  headers: z.record(z.string(), z.string()),
  body: z.string(),
});

interface Remembered {
  readonly fingerprint: string;
  readonly answer: StoredAnswer;
  readonly answered_at_ms: number;
}

/** The `Idempotency-Key` of a request; undefined without one, 422 when it is malformed. */
export function idempotencyKeyOf(request: Request): string | undefined {
  const key = request.headers.get('idempotency-key');
  if (key === null) return undefined;
  if (key.length === 0 || key.length > MAX_KEY_CHARS || !/^[\x21-\x7e]+$/.test(key)) {
    const message = `must be 1 to ${MAX_KEY_CHARS} printable ASCII characters without spaces`;
    throw new ApiError('validation_failed', `The header Idempotency-Key ${message}.`, {
      errors: [{ path: 'Idempotency-Key', message }],
    });
  }
  return key;
}

/**
 * Gives the first answer again to a repeated request. A success is kept for 24 h: in the bucket, so
 * that it outlives the process and counts for all processes, and in memory. A failed request releases
 * its key, for nothing was done under it.
 */
export class Idempotency {
  readonly #store: KeyValueStore;
  readonly #clock: Clock;
  readonly #answers = new Map<string, Remembered>();
  readonly #running = new Map<string, string>();
  #memory_bytes = 0;

  constructor(store: KeyValueStore, clock: Clock) {
    this.#store = store;
    this.#clock = clock;
  }

  /**
   * Runs `work` unless it has been run under this key. `scope` is the tenant and the route;
   * `fingerprint` identifies the body. Throws 422 `idempotency_key_reused` for another body and 409
   * `idempotency_in_flight` while the first is running.
   */
  async once(
    scope: readonly [tenant: string, route: string],
    key: string,
    fingerprint: string,
    work: () => Promise<StoredAnswer>,
  ): Promise<{ readonly answer: StoredAnswer; readonly replayed: boolean }> {
    const id = createHash('sha256')
      .update(JSON.stringify([...scope, key]))
      .digest('hex');
    const remembered = this.#recall(id);
    if (remembered !== undefined) return { answer: match(remembered, fingerprint).answer, replayed: true };
    const running = this.#running.get(id);
    if (running !== undefined) {
      match({ fingerprint: running }, fingerprint);
      throw inFlight();
    }
    // Synchronous up to here, so two requests at once cannot both get past.
    this.#running.set(id, fingerprint);
    try {
      const claim = await this.#claim(id, fingerprint);
      if (typeof claim !== 'number') return { answer: claim, replayed: true };
      return { answer: await this.#run(id, fingerprint, claim, work), replayed: false };
    } finally {
      this.#running.delete(id);
    }
  }

  /** The revision of a new claim, or the answer that is there already. */
  async #claim(id: string, fingerprint: string): Promise<number | StoredAnswer> {
    const claim = { fingerprint, claimed_at_ms: this.#clock.now() };
    let written = await this.#store.create(id, claim);
    while (!written.ok) {
      const { current } = written;
      // Written by something else is as good as absent.
      const held = recordSchema.safeParse(current?.value).data;
      if (held !== undefined && this.#lives(held)) {
        match(held, fingerprint);
        if (!('packed' in held)) throw inFlight();
        const answer = unpack(held.packed);
        this.#remember(id, { fingerprint, answer, answered_at_ms: held.answered_at_ms });
        return answer;
      }
      written =
        current === undefined
          ? await this.#store.create(id, claim)
          : await this.#store.update(id, claim, current.revision);
    }
    return written.revision;
  }

  #lives(held: Held): boolean {
    const now_ms = this.#clock.now();
    return 'packed' in held
      ? now_ms - held.answered_at_ms < IDEMPOTENCY_TTL_MS
      : now_ms - held.claimed_at_ms < CLAIM_MS;
  }

  async #run(
    id: string,
    fingerprint: string,
    claim: number,
    work: () => Promise<StoredAnswer>,
  ): Promise<StoredAnswer> {
    let answer: StoredAnswer;
    try {
      answer = await work();
    } catch (error) {
      // The failure is the answer; a claim that cannot be released ages away by itself.
      await this.#store.delete(id, claim).catch(() => undefined);
      throw error;
    }
    const answered_at_ms = this.#clock.now();
    this.#remember(id, { fingerprint, answer, answered_at_ms });
    const packed = gzipSync(JSON.stringify(answer)).toString('base64');
    if (packed.length <= MAX_STORED_BYTES) {
      // The work is done: failing the request now would invite a repeat of it.
      await this.#store.update(id, { fingerprint, answered_at_ms, packed }, claim).catch(() => undefined);
    }
    return answer;
  }

  #recall(id: string): Remembered | undefined {
    const known = this.#answers.get(id);
    if (known === undefined) return undefined;
    if (this.#clock.now() - known.answered_at_ms < IDEMPOTENCY_TTL_MS) return known;
    this.#forget(id, known);
    return undefined;
  }

  #remember(id: string, entry: Remembered): void {
    this.#answers.set(id, entry);
    this.#memory_bytes += entry.answer.body.length;
    for (const [oldest, known] of this.#answers) {
      if (this.#answers.size <= MAX_MEMORY_ANSWERS && this.#memory_bytes <= MAX_MEMORY_BYTES) break;
      this.#forget(oldest, known);
    }
  }

  #forget(id: string, known: Remembered): void {
    this.#answers.delete(id);
    this.#memory_bytes -= known.answer.body.length;
  }
}

function match<T extends { readonly fingerprint: string }>(held: T, fingerprint: string): T {
  if (held.fingerprint === fingerprint) return held;
  throw new ApiError(
    'idempotency_key_reused',
    'This Idempotency-Key was used with another body. Take a new key for a new request.',
  );
}

function inFlight(): ApiError {
  return new ApiError(
    'idempotency_in_flight',
    'The first request with this Idempotency-Key is still running. Repeat this one in a moment.',
    { retryAfter_s: 1 },
  );
}

type Held = z.infer<typeof recordSchema>;

function unpack(packed: string): StoredAnswer {
  return storedSchema.parse(JSON.parse(gunzipSync(Buffer.from(packed, 'base64')).toString('utf8')));
}
