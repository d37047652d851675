import { setTimeout as sleep } from 'node:timers/promises';
import { MillraceError, monotonicNow } from '../../engine/index.ts';

/** Time as a process of the cluster sees it, handed in so that a simulation can own it. */
export interface ClusterTime {
  /** ms, never moving back. */
  monotonic(): number;
  sleep(ms: number): Promise<void>;
}

export const systemTime: ClusterTime = {
  monotonic: monotonicNow,
  sleep: async (ms) => await sleep(ms),
};

/** The bound of one request to the bucket, ms: an election takes longer, and the next request may find another leader. */
export const REQUEST_MAX_MS = 2_000;

/** What comes within a time, else `kv_unavailable`: nothing is known then of a write. */
export async function within<T>(time: ClusterTime, max_ms: number, work: Promise<T>): Promise<T> {
  const late = Symbol('late');
  const first = await Promise.race([work, time.sleep(max_ms).then(() => late)]);
  if (first !== late) return first as T;
  // Whatever comes of it later, nobody waits for it.
  work.catch(() => undefined);
  throw new MillraceError('kv_unavailable', `The bucket of the cluster did not answer within ${max_ms} ms.`, {
    retriable: true,
  });
}
