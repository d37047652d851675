import { Worker } from 'node:worker_threads';
import { builtModule } from '../engine/index.ts';
import { type OrdersSeeds, SEEDS_PER_SET } from './simulated-runs.ts';

const NAME = import.meta.url.endsWith('.ts') ? './simulate-thread.ts' : './simulate-thread.js';
const THREAD = new URL(builtModule(new URL(NAME, import.meta.url).href));

const NOTHING: OrdersSeeds = { seeds: 0, crashes: 0, restores: 0, sends: 0, failures: [] };

/** Runs seeds in several threads, a set of them at a time; failures come sorted by seed. */
export async function runSeedsInThreads(
  from: number,
  count: number,
  threads: number,
  onChunk: (sum: OrdersSeeds) => void = () => undefined,
): Promise<OrdersSeeds> {
  const end = from + count;
  let next = from;
  let sum = NOTHING;
  const take = (): { from: number; seeds: number } | undefined => {
    if (next >= end) return undefined;
    const first = next;
    // Chunks end where sets do, so that each straight run is made once.
    next = Math.min(end, (Math.floor(first / SEEDS_PER_SET) + 1) * SEEDS_PER_SET);
    return { from: first, seeds: next - first };
  };
  const work = (): Promise<void> =>
    new Promise((resolve, reject) => {
      const worker = new Worker(THREAD);
      const giveNext = (): void => {
        const chunk = take();
        if (chunk === undefined) worker.terminate().then(() => resolve(), reject);
        else worker.postMessage(chunk);
      };
      worker.on('message', (result: OrdersSeeds) => {
        sum = added(sum, result);
        onChunk(sum);
        giveNext();
      });
      worker.on('error', reject);
      giveNext();
    });
  await Promise.all(Array.from({ length: threads }, work));
  return sum;
}

function added(a: OrdersSeeds, b: OrdersSeeds): OrdersSeeds {
  return {
    seeds: a.seeds + b.seeds,
    crashes: a.crashes + b.crashes,
    restores: a.restores + b.restores,
    sends: a.sends + b.sends,
    failures: [...a.failures, ...b.failures].sort((one, other) => one.seed - other.seed),
  };
}
