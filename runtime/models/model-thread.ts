import { isMainThread, parentPort, workerData } from 'node:worker_threads';
import { stepBack } from '../../engine/index.ts';
import { type ModelThreadData, outcomeOf } from './model-work.ts';

/** Below its process: others go first. */
const NICENESS = 10;

function isModelData(data: unknown): data is ModelThreadData {
  return typeof data === 'object' && data !== null && 'millrace' in data && data.millrace === 'models';
}

/** Posts the outcome of each task in turn. It is ended from outside where nobody wants it any more. */
if (!isMainThread && isModelData(workerData)) {
  stepBack(NICENESS);
  for (const task of workerData.tasks) parentPort?.postMessage(outcomeOf(workerData.work, task));
}
