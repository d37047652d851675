import type { StoredNotice } from './notice.ts';

/** How often and when a delivery that failed is tried again. */
export interface RetryPolicy {
  /** Tries behind the first. */
  readonly retries_max: number;
  readonly delay_ms: number;
}

/**
 * - `succeeded`: it was taken
 * - `failed`: it may be taken the next time
 * - `refused`: it will never be taken as it is
 * - `gone`: there is nobody any more
 */
export type Verdict = 'succeeded' | 'failed' | 'refused' | 'gone';

/** What became of one try. */
export interface Attempted {
  readonly verdict: Verdict;
  /** Of HTTP; null where there was no answer. */
  readonly status: number | null;
  /** Why it was not taken, with a stable code. */
  readonly error: { readonly code: string; readonly message: string } | null;
  readonly duration_ms: number;
}

/** Somebody outside who is told of notices. */
export interface Endpoint {
  /** Unique in its tenant; letters, digits, `_` and `-`. */
  readonly name: string;
  readonly tenant: string;
  /** For metrics: `webhook`, `slack`. */
  readonly kind: string;
  /** Notices that were stored before are not for it; 0: all are. */
  readonly from_ms: number;
  /** Where its notices lie. */
  subjects(): readonly string[];
  /** Whether it asked for a notice that is not for it alone. */
  wants(notice: StoredNotice): boolean;
  /** False: what comes waits. */
  isOpen(): boolean;
  policy(): RetryPolicy;
  /** Names who is told: another name, another delivery. */
  targetOf(notice: StoredNotice): string;
  /** One try. Throws only what is no matter of the endpoint: the signal's reason, say. */
  send(notice: StoredNotice, signal: AbortSignal): Promise<Attempted>;
  /** Called when the last try of a delivery has failed and is in the log. */
  failed(attempted: Attempted): Promise<void>;
}
