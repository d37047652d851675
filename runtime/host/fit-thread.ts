import { setPriority } from 'node:os';
import { isMainThread, parentPort, workerData } from 'node:worker_threads';
import { fitOfRequest } from '../../operators/index.ts';

/** Of -20 to 19: others go first. On Linux a priority is a thread's own. */
const NICENESS = 10;

const isFitData = (data: unknown): boolean =>
  typeof data === 'object' && data !== null && 'millrace' in data && data.millrace === 'fits';

/** Answers each request with its model, in order; undefined: none can be made of it. */
function answer(request: Uint8Array): Uint8Array | undefined {
  try {
    return fitOfRequest(request);
  } catch {
    // The task makes it itself then, where what is wrong with it comes up with its operator's name.
    return undefined;
  }
}

if (!isMainThread && parentPort !== null && isFitData(workerData)) {
  const port = parentPort;
  if (process.platform === 'linux') setPriority(0, NICENESS);
  port.on('message', (request: Uint8Array) => port.postMessage(answer(request)));
}
