import { type Counter, type MetricSample, Metrics } from '../../engine/index.ts';
import type { BodyPace } from './body-pace.ts';
import { ApiError } from './problem.ts';

/** Memory that request bodies may take: of all callers, of one tenant, of one key. */
export interface BodyShares {
  readonly all_bytes: number;
  readonly tenant_bytes: number;
  readonly key_bytes: number;
}

/** Who sends a body. */
export interface BodyOwner {
  readonly tenant: string;
  readonly key: string;
}

type Level = 'all' | 'tenant' | 'key';
const WHOSE: Readonly<Record<Level, string>> = {
  all: 'The server holds',
  tenant: 'The server holds of this tenant',
  key: 'The server holds of this key',
};

/** The memory that request bodies take, counted by key and tenant as their bytes arrive. */
export class BodyBudget {
  readonly #shares: BodyShares;
  readonly #held_bytes = new Map<string, number>();
  readonly #metrics = new Metrics();
  readonly #slow = this.#metrics.counter('millrace.http.bodies.slow', 'Request bodies that came too slowly');
  #receiving = 0;

  constructor(shares: BodyShares) {
    this.#shares = shares;
    for (const of of ['key', 'tenant', 'all'] as const) this.#refused(of);
    this.#metrics.gauge('millrace.http.bodies.held', 'Request bodies in memory', () => this.held_bytes);
    const limit = 'They take at most so much';
    this.#metrics.gauge('millrace.http.bodies.held.limit', limit, () => shares.all_bytes);
    this.#metrics.gauge(
      'millrace.http.bodies.receiving',
      'Request bodies that are on their way',
      () => this.#receiving,
    );
  }

  get held_bytes(): number {
    return this.#held_bytes.get('all') ?? 0;
  }

  samples(): MetricSample[] {
    return this.#metrics.samples();
  }

  /**
   * Takes room for more bytes of a body that has `own_bytes` already, or throws 429 `too_busy`. The only body of a
   * tenant or key has room whatever its size: other limits bound it.
   */
  take({ tenant, key }: BodyOwner, own_bytes: number, more_bytes: number): void {
    const places: readonly (readonly [Level, string, number])[] = [
      ['key', `key ${key}`, this.#shares.key_bytes],
      ['tenant', `tenant ${tenant}`, this.#shares.tenant_bytes],
      ['all', 'all', this.#shares.all_bytes],
    ];
    for (const [level, place, limit_bytes] of places) {
      const held_bytes = this.#held_bytes.get(place) ?? 0;
      if (held_bytes <= own_bytes || held_bytes + more_bytes <= limit_bytes) continue;
      this.#refused(level).add();
      throw new ApiError(
        'too_busy',
        `${WHOSE[level]} as many bytes of request bodies as it may (${limit_bytes}). Try again shortly.`,
        { retryAfter_s: 1 },
      );
    }
    for (const [, place] of places) this.#add(place, more_bytes);
  }

  give({ tenant, key }: BodyOwner, bytes: number): void {
    for (const place of [`key ${key}`, `tenant ${tenant}`, 'all']) this.#add(place, -bytes);
  }

  /** Counts a body as being received until the returned function is called with how that ended. */
  receive(): (isSlow: boolean) => void {
    this.#receiving++;
    return (isSlow) => {
      this.#receiving--;
      if (isSlow) this.#slow.add();
    };
  }

  #add(place: string, bytes: number): void {
    const held_bytes = (this.#held_bytes.get(place) ?? 0) + bytes;
    // Who holds nothing is forgotten: keys come and go.
    if (held_bytes === 0) this.#held_bytes.delete(place);
    else this.#held_bytes.set(place, held_bytes);
  }

  #refused(of: Level): Counter {
    const help = 'Request bodies without room, by whose was used up';
    return this.#metrics.counter('millrace.http.bodies.refused', help, { of });
  }
}

/** What one request holds of the budget, from when its body is read until it is answered, and how fast that must come. */
export class BodyLease {
  readonly pace: BodyPace;
  readonly #budget: BodyBudget;
  readonly #owner: BodyOwner;
  #held_bytes = 0;

  constructor(budget: BodyBudget, owner: BodyOwner, pace: BodyPace) {
    this.#budget = budget;
    this.#owner = owner;
    this.pace = pace;
  }

  /** Holds `bytes` instead of what it held before; 429 `too_busy` when there is no room. */
  hold(bytes: number): void {
    const more_bytes = bytes - this.#held_bytes;
    if (more_bytes > 0) this.#budget.take(this.#owner, this.#held_bytes, more_bytes);
    else this.#budget.give(this.#owner, -more_bytes);
    this.#held_bytes = bytes;
  }

  receive(): (isSlow: boolean) => void {
    return this.#budget.receive();
  }

  release(): void {
    this.hold(0);
  }
}

/** Of a request that has no body. */
export function noBody(): BodyLease {
  const budget = new BodyBudget({ all_bytes: 0, tenant_bytes: 0, key_bytes: 0 });
  return new BodyLease(
    budget,
    { tenant: '', key: '' },
    { deadline_ms: 0, least_bytes_per_s: 0, window_ms: 0 },
  );
}
