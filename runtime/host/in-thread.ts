import { Worker } from 'node:worker_threads';
import { builtModule, MillraceError, TASK_THREAD_LIMITS } from '../../engine/index.ts';
import type { TaskStatus } from './partition-task.ts';
import type { TaskPlace } from './task-place.ts';
import type { TaskThreadData, ThreadOrder, ThreadReport } from './thread-order.ts';

const NAME = import.meta.url.endsWith('.ts') ? './task-thread.ts' : './task-thread.js';
const THREAD = new URL(builtModule(new URL(NAME, import.meta.url).href));

/** Executes a task in a thread of its own, where the caller's work does not slow it down. */
export function inThread(order: ThreadOrder): TaskPlace {
  return (hear) => {
    const data: TaskThreadData = {
      millrace: 'partition-task',
      order: { ...order, module: builtModule(order.module) },
    };
    const worker = new Worker(THREAD, {
      workerData: data,
      name: 'task',
      resourceLimits: TASK_THREAD_LIMITS,
    });
    let status: TaskStatus | undefined;
    const ended = new Promise<void>((resolve, reject) => {
      let failure: unknown;
      worker.on('message', (report: ThreadReport) => {
        if (report.kind === 'running') hear.running();
        else if (report.kind === 'topology_changed') hear.topologyChanged(report.changes);
        else if (report.kind === 'definitions_unread') hear.definitionsUnread(report.message);
        else if (report.kind === 'status') status = report.status;
        else if (report.kind === 'words') status = { metrics: [], ...status, ...report.words };
        else {
          const { code, message, retriable, operator, stack: cause } = report;
          failure = new MillraceError(code, message, {
            retriable,
            cause,
            ...(operator === undefined ? {} : { operator }),
          });
        }
      });
      worker.on('error', (error) => {
        failure ??= error;
      });
      worker.on('exit', () => (failure === undefined ? resolve() : reject(failure)));
    });
    return { ended, stop: () => worker.postMessage('stop'), status: () => status };
  };
}
