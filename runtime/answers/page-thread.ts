import { isMainThread, parentPort, workerData } from 'node:worker_threads';
import { livePageProblems, openLmdbReader } from '../../engine/index.ts';
import { isPageOrder, type PageReport } from './page-message.ts';

/**
 * Goes once through the pages of a state while it is written to. The read transaction keeps what it sees, and all that
 * is committed later, in its place until the end.
 */
async function checkPages(statePath: string, stop: SharedArrayBuffer): Promise<PageReport> {
  const stopped = new Int32Array(stop);
  const begun_ms = performance.now();
  const reader = openLmdbReader(statePath, { sharedWithWriter: true });
  try {
    const problems = reader.snapshot(() =>
      livePageProblems(statePath, () => {
        if (Atomics.load(stopped, 0) !== 0) throw new Error('stopped');
      }),
    );
    return { problems, took_ms: performance.now() - begun_ms };
  } finally {
    await reader.close();
  }
}

if (!isMainThread && isPageOrder(workerData)) {
  const { statePath, stop } = workerData;
  parentPort?.postMessage(await checkPages(statePath, stop));
}
