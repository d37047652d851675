import { ApiError } from '../http/index.ts';

interface Bucket {
  tokens: number;
  at_ms: number;
}

/** Callers whose buckets are remembered; the one that asked longest ago goes first. */
const MAX_CALLERS = 100_000;

/** A token bucket for each caller: `burst` requests at once, `requests_per_s` sustained. */
export class RateLimiter {
  readonly #requests_per_s: number;
  readonly #burst: number;
  readonly #buckets = new Map<string, Bucket>();

  constructor(limit: { readonly requests_per_s: number; readonly burst: number }) {
    this.#requests_per_s = limit.requests_per_s;
    this.#burst = limit.burst;
  }

  /** Takes one request of `caller`, or throws 429 `rate_limited` with the time to wait. */
  take(caller: string, now_ms: number): void {
    const known = this.#buckets.get(caller);
    const bucket = known ?? { tokens: this.#burst, at_ms: now_ms };
    // Put at the end again, so that the map's first entry is the one asked for longest ago.
    this.#buckets.delete(caller);
    this.#buckets.set(caller, bucket);
    if (this.#buckets.size > MAX_CALLERS) {
      const [oldest] = this.#buckets.keys();
      if (oldest !== undefined) this.#buckets.delete(oldest);
    }
    const earned = (Math.max(0, now_ms - bucket.at_ms) * this.#requests_per_s) / 1_000;
    bucket.tokens = Math.min(this.#burst, bucket.tokens + earned);
    bucket.at_ms = now_ms;
    if (bucket.tokens < 1) {
      const wait_s = Math.ceil((1 - bucket.tokens) / this.#requests_per_s);
      throw new ApiError(
        'rate_limited',
        `One key or token subject may make ${this.#requests_per_s} requests a second. Wait as long as Retry-After says.`,
        { retryAfter_s: wait_s },
      );
    }
    bucket.tokens -= 1;
  }
}
