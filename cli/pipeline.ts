import { Worker } from 'node:worker_threads';
import { type MetricSample, MillraceError, TASK_THREAD_LIMITS, type TaskRun } from '../engine/index.ts';
import { TASK_THREAD, type TaskOrder, type TaskReport } from './task-thread.ts';

/** What is known of the pipeline's thread, for the API. */
export class Pipeline {
  metrics: readonly MetricSample[] = [];
  /** Whether the source reads from the stream. */
  connected = true;
  head: { sequence: number; observed_at_ms: number } | undefined;
  readonly #onTopologyChange: (changes: readonly string[]) => void;

  constructor(onTopologyChange: (changes: readonly string[]) => void) {
    this.#onTopologyChange = onTopologyChange;
  }

  spawn(order: TaskOrder, running: () => void): TaskRun {
    const worker = new Worker(TASK_THREAD, {
      workerData: order,
      name: 'task',
      resourceLimits: TASK_THREAD_LIMITS,
    });
    const ended = new Promise<void>((resolve, reject) => {
      let failure: unknown;
      worker.on('message', (message: TaskReport) => {
        if (message.kind === 'failed') {
          const { code, retriable, stack: cause } = message;
          failure = new MillraceError(code, message.message, { retriable, cause });
        } else this.#hear(message, running);
      });
      worker.on('error', (error) => {
        failure ??= error;
      });
      worker.on('exit', () => (failure === undefined ? resolve() : reject(failure)));
    });
    return { ended, stop: () => worker.postMessage('stop') };
  }

  #hear(message: Exclude<TaskReport, { kind: 'failed' }>, running: () => void): void {
    if (message.kind === 'running') running();
    else if (message.kind === 'topology_changed') this.#onTopologyChange(message.changes);
    else {
      this.metrics = message.metrics;
      this.connected = message.connected;
      // Without a connection nothing is known of the stream's end: the last word stands.
      if (message.connected) this.head = { sequence: message.head, observed_at_ms: message.at_ms };
    }
  }
}
