import { ApiError, type RateLimit } from '../http/index.ts';

interface Bucket {
  tokens: number;
  at_ms: number;
}

/** Callers whose buckets are remembered; the one that asked longest ago goes first. */
const MAX_CALLERS = 100_000;

/** What a caller has left, after a request was taken or refused. */
export interface Quota {
  readonly limit: RateLimit;
  /** Requests that may follow at once. */
  readonly remaining: number;
  /** Whole seconds until all of `burst` may be sent again. */
  readonly full_in_s: number;
  /** Whole seconds until the request would be taken; undefined: it is taken. */
  readonly wait_s?: number;
}

/** A token bucket for each caller: `burst` requests at once, `requests_per_s` sustained. */
export class RateLimiter {
  readonly limit: RateLimit;
  readonly #buckets = new Map<string, Bucket>();

  /** `limit`: of callers that have none of their own. */
  constructor(limit: RateLimit) {
    this.limit = limit;
  }

  /** Takes one request of `caller`, or says how long to wait. */
  take(caller: string, now_ms: number, limit: RateLimit = this.limit): Quota {
    const { requests_per_s, burst } = limit;
    const known = this.#buckets.get(caller);
    const bucket = known ?? { tokens: burst, at_ms: now_ms };
    // Put at the end again, so that the map's first entry is the one asked for longest ago.
    this.#buckets.delete(caller);
    this.#buckets.set(caller, bucket);
    if (this.#buckets.size > MAX_CALLERS) {
      const [oldest] = this.#buckets.keys();
      if (oldest !== undefined) this.#buckets.delete(oldest);
    }
    const earned = (Math.max(0, now_ms - bucket.at_ms) * requests_per_s) / 1_000;
    bucket.tokens = Math.min(burst, bucket.tokens + earned);
    bucket.at_ms = now_ms;
    const wait_s =
      bucket.tokens < 1 ? Math.max(1, Math.ceil((1 - bucket.tokens) / requests_per_s)) : undefined;
    if (wait_s === undefined) bucket.tokens -= 1;
    const remaining = Math.floor(bucket.tokens);
    const full_in_s = Math.ceil((burst - bucket.tokens) / requests_per_s);
    return { limit, remaining, full_in_s, ...(wait_s === undefined ? {} : { wait_s }) };
  }
}

/** Throws 429 `rate_limited` for a request that was not taken. */
export function requireQuota({ limit, wait_s }: Quota): void {
  if (wait_s === undefined) return;
  throw new ApiError(
    'rate_limited',
    `This key or token subject may make ${limit.requests_per_s} requests a second. Wait as long as Retry-After says.`,
    { retryAfter_s: wait_s },
  );
}

/**
 * `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers-10): the quota `q` of a window of `w`
 * seconds, which is how long an empty bucket takes to fill; what remains of it (`r`), and in how many seconds all
 * of it is there again (`t`).
 */
export function rateLimitHeaders({ limit, remaining, full_in_s }: Quota): Readonly<Record<string, string>> {
  const window_s = Math.max(1, Math.ceil(limit.burst / limit.requests_per_s));
  return {
    'RateLimit-Policy': `"requests";q=${limit.burst};w=${window_s}`,
    RateLimit: `"requests";r=${remaining};t=${full_in_s}`,
  };
}
