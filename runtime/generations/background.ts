import { openSync, readSync } from 'node:fs';
import { performance } from 'node:perf_hooks';

/** How far work that may take its time steps back behind the rest of its process. */
export const BACKGROUND_NICENESS = 10;

/** Linux: ns on a CPU, ns waiting for one, and how often. Opened, it stays the thread's that opened it. */
const SCHEDSTAT = '/proc/thread-self/schedstat';
const LINE_MAX_BYTES = 80;
const NS_PER_MS = 1e6;

/**
 * Reads the CPU time of the thread that calls this. Where the system does not tell, it is the time outside of waits
 * for events, of which others may have had the CPU for a part.
 */
export function threadCpuClock(path = SCHEDSTAT): () => number {
  try {
    // Open as long as its process: a thread has one.
    const file = openSync(path, 'r');
    const line = Buffer.alloc(LINE_MAX_BYTES);
    const read_ms = (): number =>
      Number.parseInt(line.toString('latin1', 0, readSync(file, line, 0, line.length, 0)), 10) / NS_PER_MS;
    if (read_ms() > 0) return read_ms;
  } catch {
    // No such file: another system, or a kernel that does not count.
  }
  return () => performance.eventLoopUtilization().active;
}
