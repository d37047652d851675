import { systemClock } from '../engine/index.ts';
import { type HostFacts, removeStatus, writeStatus } from '../runtime/index.ts';

/** How often a process says how it stands, for other processes of the machine, ms. */
const STATUS_INTERVAL_MS = 500;

/** What runs a topology, and where. */
interface Kept {
  readonly dataDir: string;
  /** Its name. */
  readonly topology: string;
  facts(): HostFacts;
  readonly natsUrl: string;
  readonly httpUrl: string | undefined;
  log(line: string): void;
}

/** Says every half second how a topology stands, in a file that `millrace why` reads, until stopped. */
export function keepStatus({ dataDir, topology, facts, natsUrl, httpUrl, log }: Kept): { stop(): void } {
  let isTold = false;
  const write = (): void => {
    const error = writeStatus(dataDir, topology, {
      ...facts(),
      pid: process.pid,
      at_ms: systemClock.now(),
      natsUrl,
      ...(httpUrl === undefined ? {} : { httpUrl }),
    });
    // A full disk, say: what the task does is not touched by it.
    if (error !== undefined && !isTold) log(`"millrace why" knows less: ${error.message}`);
    isTold = error !== undefined;
  };
  write();
  const timer = setInterval(write, STATUS_INTERVAL_MS);
  return {
    stop: () => {
      clearInterval(timer);
      // What has ended it for good is still to be asked for.
      if (facts().state === 'failed') write();
      else removeStatus(dataDir, topology);
    },
  };
}
