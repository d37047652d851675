import { parentPort } from 'node:worker_threads';
import { runSeeds } from './simulated-runs.ts';

/** Runs the seeds that it is told, a chunk a message. */
parentPort?.on('message', ({ from, seeds }: { from: number; seeds: number }) => {
  runSeeds(from, seeds).then(
    (result) => parentPort?.postMessage(result),
    (error: unknown) => {
      // Not a seed that fails: the simulation itself is broken, which ends the thread.
      queueMicrotask(() => {
        throw error;
      });
    },
  );
});
