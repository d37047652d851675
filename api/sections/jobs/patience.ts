import { setTimeout as sleep } from 'node:timers/promises';
import { asMillraceError, type Clock } from '../../../engine/index.ts';
import { ApiError } from '../../http/index.ts';

const RETRY_MIN_MS = 250;
const RETRY_MAX_MS = 5_000;
/** For so long a job waits for what is away or has no room, then it fails by that code. */
const PATIENCE_MS = 600_000;
/** Trying these again gives the same. */
const FINAL = new Set(['query_timeout']);

/** Runs a part of a job again while what it needs is away or too busy. Throws the signal's reason when that is aborted. */
export async function patiently<T>(
  { signal, clock }: { readonly signal: AbortSignal; readonly clock: Clock },
  work: () => Promise<T>,
): Promise<T> {
  const until_ms = clock.now() + PATIENCE_MS;
  for (let pause_ms = RETRY_MIN_MS; ; pause_ms = Math.min(RETRY_MAX_MS, 2 * pause_ms)) {
    signal.throwIfAborted();
    try {
      return await work();
    } catch (error) {
      signal.throwIfAborted();
      if (!passes(error) || clock.now() >= until_ms) throw error;
      await sleep(pause_ms, undefined, { signal });
    }
  }
}

function passes(error: unknown): boolean {
  const { code, retriable } = asMillraceError(error);
  if (FINAL.has(code)) return false;
  return retriable || (error instanceof ApiError && (error.status === 503 || error.status === 429));
}
