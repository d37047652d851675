import { setTimeout as sleep } from 'node:timers/promises';
import { MillraceError, monotonicNow } from '../../engine/index.ts';

/** Time as a process of the cluster sees it, handed in so that a simulation can own it. */
export interface ClusterTime {
  /** ms, never moving back. */
  monotonic(): number;
  /** Resolves sooner where `signal` is aborted: nobody waits any more. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

export const systemTime: ClusterTime = {
  monotonic: monotonicNow,
  sleep: async (ms, signal) => {
    try {
      await sleep(ms, undefined, signal === undefined ? {} : { signal });
    } catch (error) {
      if (signal?.aborted !== true) throw error;
    }
  },
};

/** The bound of one request to the bucket, ms: an election takes longer, and the next request may find another leader. */
export const REQUEST_MAX_MS = 2_000;

/** The first of what comes within a time; undefined: nothing has. No timer is left behind. */
export async function firstWithin<T>(
  time: ClusterTime,
  max_ms: number,
  work: Promise<T>,
): Promise<{ readonly value: T } | undefined> {
  const done = new AbortController();
  try {
    return await Promise.race([
      work.then((value) => ({ value })),
      time.sleep(max_ms, done.signal).then(() => undefined),
    ]);
  } finally {
    done.abort();
  }
}

/** What comes within a time, else `kv_unavailable`: nothing is known then of a write. */
export async function within<T>(time: ClusterTime, max_ms: number, work: Promise<T>): Promise<T> {
  const first = await firstWithin(time, max_ms, work);
  if (first !== undefined) return first.value;
  // Whatever comes of it later, nobody waits for it.
  work.catch(() => undefined);
  throw new MillraceError('kv_unavailable', `The bucket of the cluster did not answer within ${max_ms} ms.`, {
    retriable: true,
  });
}
