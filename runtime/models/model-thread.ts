import { setPriority } from 'node:os';
import { isMainThread, parentPort, workerData } from 'node:worker_threads';
import { type ModelThreadData, outcomeOf } from './model-work.ts';

/** Of -20 to 19: others go first. On Linux a priority is a thread's own. */
const NICENESS = 10;

function isModelData(data: unknown): data is ModelThreadData {
  return typeof data === 'object' && data !== null && 'millrace' in data && data.millrace === 'models';
}

/** Posts the outcome of each task in turn. It is ended from outside where nobody wants it any more. */
if (!isMainThread && isModelData(workerData)) {
  if (process.platform === 'linux') setPriority(0, NICENESS);
  for (const task of workerData.tasks) parentPort?.postMessage(outcomeOf(workerData.work, task));
}
