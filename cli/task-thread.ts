import { isMainThread, parentPort, workerData } from 'node:worker_threads';
import type { Settings } from '../api/index.ts';
import {
  connectNats,
  EVENTS_STREAM,
  JetStreamPublisher,
  type NatsServer,
  ThreadedSource,
} from '../connectors/index.ts';
import {
  asMillraceError,
  type MetricSample,
  MillraceError,
  openLmdbStore,
  systemClock,
  Task,
} from '../engine/index.ts';
import { topologyOf } from './order-analytics.ts';
import { PARTITION } from './place.ts';

/** What the task's thread runs. */
export const TASK_THREAD = new URL(import.meta.url);

/** What the task's thread is told. */
export interface TaskOrder {
  readonly task: 'order-analytics';
  readonly nats: NatsServer;
  readonly statePath: string;
  readonly settings: Settings;
  readonly allowTopologyChange: boolean;
}

export type TaskReport =
  | { readonly kind: 'running' }
  /** The topology is not the one that wrote the state: sentences. */
  | { readonly kind: 'topology_changed'; readonly changes: readonly string[] }
  | {
      readonly kind: 'status';
      readonly head: number;
      readonly connected: boolean;
      readonly at_ms: number;
      readonly metrics: readonly MetricSample[];
    }
  | {
      readonly kind: 'failed';
      readonly code: string;
      readonly message: string;
      readonly retriable: boolean;
      readonly stack: string | undefined;
    };

const REPORT_INTERVAL_MS = 250;

/** The pipeline, in a thread of its own: a query's CPU is not the pipeline's. */
async function runTask(
  order: TaskOrder,
  report: (message: TaskReport) => void,
  stop: AbortSignal,
): Promise<void> {
  const link = await connectNats({ ...order.nats, name: 'millrace-task' });
  const store = openLmdbStore(order.statePath);
  const source = new ThreadedSource({ ...order.nats, stream: EVENTS_STREAM.name, partition: PARTITION });
  let reporter: NodeJS.Timeout | undefined;
  try {
    const task = new Task({
      topology: topologyOf(order.settings),
      source,
      store,
      publisher: new JetStreamPublisher(link),
      clock: systemClock,
      allowTopologyChange: order.allowTopologyChange,
      onTopologyChange: (changes) =>
        report({ kind: 'topology_changed', changes: changes.map(({ text }) => text) }),
    });
    await task.open();
    report({ kind: 'running' });
    reporter = setInterval(() => {
      const { headSequence: head, connected } = source.state();
      report({ kind: 'status', head, connected, at_ms: systemClock.now(), metrics: task.metrics.samples() });
    }, REPORT_INTERVAL_MS);
    await task.run(stop);
  } finally {
    clearInterval(reporter);
    await source.stop();
    await store.close();
    await link.close();
  }
}

/** The stack of the error at the bottom of a chain of causes. */
function rootStack(thrown: unknown): string | undefined {
  let error = thrown;
  while (error instanceof Error && error.cause !== undefined) error = error.cause;
  return error instanceof Error ? error.stack : undefined;
}

async function taskThread(order: TaskOrder): Promise<void> {
  const port = parentPort;
  if (port === null) throw new MillraceError('not_a_thread', 'The task runs in a worker thread.');
  const stop = new AbortController();
  port.on('message', () => stop.abort());
  const report = (message: TaskReport): void => port.postMessage(message);
  try {
    await runTask(order, report, stop.signal);
  } catch (thrown) {
    const { code, message, retriable } = asMillraceError(thrown);
    // An unforeseen error is worth its stack; a named one says itself what to do.
    const stack = code === 'internal' ? rootStack(thrown) : undefined;
    report({ kind: 'failed', code, message, retriable, stack });
  } finally {
    port.close();
  }
}

function isTaskOrder(data: unknown): data is TaskOrder {
  return typeof data === 'object' && data !== null && 'task' in data && data.task === 'order-analytics';
}

if (!isMainThread && isTaskOrder(workerData)) await taskThread(workerData);
