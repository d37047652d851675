import { type CryptoKey, createRemoteJWKSet, customFetch, errors, type JWTVerifyGetKey } from 'jose';
import type { Logger } from 'pino';
import type { Clock } from '../../engine/index.ts';
import { ApiError, bodyChunks } from '../http/index.ts';

const TIMEOUT_MS = 5_000;
const MAX_BYTES = 262_144;
const MIN_RSA_BITS = 2_048;
/** Keys are read again after this, so that one that the issuer withdrew stops working. */
export const KEYS_MAX_AGE_MS = 10 * 60_000;
/** Known keys go on working for this long when they cannot be read again. */
export const KEYS_MAX_STALE_MS = 24 * 60 * 60_000;
/** An unknown key id makes the keys be read again, but no more often than this. */
export const UNKNOWN_KEY_COOLDOWN_MS = 10_000;
/** After a failure nobody asks again for this long. */
export const FAILURE_PAUSE_MS = 5_000;

/**
 * The public keys of a token issuer, fetched from its JWKS and kept. When to fetch is decided here and
 * not by jose, whose own cache forgets all keys when they are old and the issuer is away, and which asks
 * an issuer that is away once for every request.
 */
export class RemoteKeys {
  readonly #set: ReturnType<typeof createRemoteJWKSet>;
  readonly #clock: Clock;
  readonly #log: Logger;
  #loaded_at_ms: number | undefined;
  /** When the last attempt failed; undefined after a success. */
  #failed_at_ms: number | undefined;
  #pending: Promise<boolean> | undefined;

  constructor(url: string, { clock, log }: { readonly clock: Clock; readonly log: Logger }) {
    this.#clock = clock;
    this.#log = log;
    this.#set = createRemoteJWKSet(new URL(url), {
      timeoutDuration: TIMEOUT_MS,
      cooldownDuration: Number.POSITIVE_INFINITY,
      cacheMaxAge: Number.POSITIVE_INFINITY,
      [customFetch]: fetchKeys,
    });
  }

  /** Fetches the keys for the first time, so that the log tells a wrong URL at the start. */
  warm(): void {
    void this.#refresh();
  }

  /**
   * The key that a token's header names. Throws jose's `JWKSNoMatchingKey` when the issuer has none such,
   * 503 `jwks_unavailable` when that cannot be found out.
   */
  readonly find: JWTVerifyGetKey = async (header, token) => {
    await this.#ensure();
    try {
      return await this.#lookup(header, token);
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey)) throw error;
      if (this.#age() < UNKNOWN_KEY_COOLDOWN_MS) throw error;
      // The issuer may have a new key.
      if (!(await this.#refresh())) throw unavailable('The key that signed the token is not known yet.');
      return await this.#lookup(header, token);
    }
  };

  /** Makes sure that there are keys that may be used. */
  async #ensure(): Promise<void> {
    if (this.#age() < KEYS_MAX_AGE_MS) return;
    const failing = this.#failed_at_ms !== undefined;
    const attempt = this.#refresh();
    // While the issuer is away, requests with known keys do not wait for the next attempt.
    if (failing && this.#age() < KEYS_MAX_STALE_MS) return;
    if ((await attempt) || this.#age() < KEYS_MAX_STALE_MS) return;
    throw unavailable('The keys of the token issuer cannot be read.');
  }

  async #lookup(...[header, token]: Parameters<JWTVerifyGetKey>): Promise<CryptoKey> {
    let key: CryptoKey;
    try {
      key = await this.#set(header, token);
    } catch (error) {
      if (error instanceof errors.JWKSNoMatchingKey || error instanceof errors.JWKSMultipleMatchingKeys) {
        throw error;
      }
      throw this.#unusable(error);
    }
    const { algorithm } = key;
    const bits = 'modulusLength' in algorithm ? algorithm.modulusLength : undefined;
    if (typeof bits !== 'number' || bits >= MIN_RSA_BITS) return key;
    throw this.#unusable(new Error(`The RSA key has ${bits} bits; ${MIN_RSA_BITS} are the least.`));
  }

  /** A key of the issuer that is no good is not the client's fault. */
  #unusable(error: unknown): ApiError {
    this.#log.warn({ err: error }, 'a key of the token issuer cannot be used');
    return unavailable('The key that signed the token cannot be used.');
  }

  /** How old the keys are; infinite before there are any. */
  #age(): number {
    return this.#since(this.#loaded_at_ms);
  }

  // A clock that is set back must not make the keys young for ever, hence the absolute value.
  #since(at_ms: number | undefined): number {
    return at_ms === undefined ? Number.POSITIVE_INFINITY : Math.abs(this.#clock.now() - at_ms);
  }

  /** Fetches the keys, once for all who ask at the same time; false when that fails or failed just now. */
  #refresh(): Promise<boolean> {
    if (this.#pending === undefined && this.#since(this.#failed_at_ms) < FAILURE_PAUSE_MS) {
      return Promise.resolve(false);
    }
    this.#pending ??= this.#load().finally(() => {
      this.#pending = undefined;
    });
    return this.#pending;
  }

  async #load(): Promise<boolean> {
    try {
      await this.#set.reload();
      this.#loaded_at_ms = this.#clock.now();
      this.#failed_at_ms = undefined;
      return true;
    } catch (error) {
      this.#failed_at_ms = this.#clock.now();
      this.#log.warn({ err: error }, 'the keys at JWT_JWKS_URL cannot be read');
      return false;
    }
  }
}

function unavailable(what: string): ApiError {
  return new ApiError(
    'jwks_unavailable',
    `${what} Try again shortly; API keys and tokens by known keys go on working.`,
    { retryAfter_s: Math.ceil(FAILURE_PAUSE_MS / 1_000) },
  );
}

/** Fetches the key set, of a bounded size. */
async function fetchKeys(url: string, options: RequestInit): Promise<Response> {
  const response = await fetch(url, options);
  if (response.status !== 200) {
    await response.body?.cancel();
    throw new Error(`The issuer answered ${response.status} where its keys should be.`);
  }
  const chunks: Uint8Array[] = [];
  let size_bytes = 0;
  for await (const chunk of bodyChunks(response)) {
    size_bytes += chunk.length;
    if (size_bytes > MAX_BYTES) throw new Error(`The key set is larger than ${MAX_BYTES} bytes.`);
    chunks.push(chunk);
  }
  return new Response(Buffer.concat(chunks));
}
