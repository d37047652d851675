import { isMainThread, parentPort, workerData } from 'node:worker_threads';
import {
  connectNats,
  gapPolicy,
  JetStreamPublisher,
  openKeyValueStore,
  ThreadedSource,
} from '../../connectors/index.ts';
import {
  asMillraceError,
  META_TABLE,
  MillraceError,
  openLmdbStore,
  readProgress,
  systemClock,
} from '../../engine/index.ts';
import { withArchive } from '../archive/index.ts';
import { ControlFeed, DEFINITIONS_BUCKET } from '../definitions/index.ts';
import { FitLane } from './fit-lane.ts';
import { PartitionTask } from './partition-task.ts';
import {
  loadTopologyModule,
  type TaskThreadData,
  type ThreadOrder,
  type ThreadReport,
} from './thread-order.ts';

const REPORT_INTERVAL_MS = 250;
/** How often it is said what the server has said of the streams' ends: an answer is never fresher than that. */
const WORDS_INTERVAL_MS = 50;

async function runTask(
  order: ThreadOrder,
  report: (message: ThreadReport) => void,
  stop: AbortSignal,
): Promise<void> {
  const { nats, partition } = order;
  const { topologyOf } = await loadTopologyModule(order.module);
  const fits = new FitLane();
  const topology = topologyOf(order.config, { fits });
  // Before the connection: where it cannot be opened nothing may keep the thread alive.
  const store = openLmdbStore(order.statePath);
  const link = await connectNats({ ...nats, name: `millrace-task-${partition}` }).catch(
    async (error: unknown) => {
      await store.close();
      throw error;
    },
  );
  const feed = new ControlFeed((error) =>
    report({ kind: 'definitions_unread', message: asMillraceError(error).message }),
  );
  if (order.takesDefinitions) feed.start(() => openKeyValueStore(link, DEFINITIONS_BUCKET));
  let running: PartitionTask | undefined;
  let reporter: NodeJS.Timeout | undefined;
  let words: NodeJS.Timeout | undefined;
  try {
    const opened = new PartitionTask({
      topology,
      store,
      inputs: order.inputs.map((input) => {
        const through = topology.sources.find(({ name }) => name === input.node)?.through;
        return { ...input, ...(through === undefined ? {} : { through }) };
      }),
      sourceOf: ({ stream, filter, gaps }) => {
        const policy = gapPolicy(gaps);
        const gapped = policy === undefined ? {} : { gaps: policy };
        const source = new ThreadedSource({ ...nats, stream, partition, filter_subjects: filter, ...gapped });
        return withArchive(
          source,
          stream,
          order.archive,
          () => readProgress(store.table(META_TABLE))?.sequence,
        );
      },
      publisher: new JetStreamPublisher(link),
      ...(order.takesDefinitions ? { control: feed.control } : {}),
      ...(order.letters === undefined ? {} : { limits: { letters: order.letters } }),
      clock: systemClock,
      allowTopologyChange: order.allowTopologyChange,
      onTopologyChange: (changes) => report({ kind: 'topology_changed', changes }),
    });
    running = opened;
    await opened.task.open();
    report({ kind: 'running' });
    const tell = (): void => report({ kind: 'status', status: opened.status() });
    reporter = setInterval(tell, REPORT_INTERVAL_MS);
    words = setInterval(() => report({ kind: 'words', words: opened.words() }), WORDS_INTERVAL_MS);
    await opened.task.run(stop);
    tell();
  } finally {
    clearInterval(reporter);
    clearInterval(words);
    // Side by side: each may wait for a server that does not answer.
    await Promise.all([feed.close(), running?.close(), fits.close()]);
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

async function taskThread(order: ThreadOrder): Promise<void> {
  const port = parentPort;
  if (port === null) throw new MillraceError('not_a_thread', 'The task runs in a worker thread.');
  const stop = new AbortController();
  port.on('message', () => stop.abort());
  const report = (message: ThreadReport): void => port.postMessage(message);
  try {
    await runTask(order, report, stop.signal);
  } catch (thrown) {
    const { code, message, retriable, operator } = asMillraceError(thrown);
    // An unforeseen error is worth its stack; a named one says itself what to do.
    const stack = code === 'internal' ? rootStack(thrown) : undefined;
    report({ kind: 'failed', code, message, retriable, operator, stack });
  } finally {
    port.close();
  }
}

function isTaskThreadData(data: unknown): data is TaskThreadData {
  return (
    typeof data === 'object' && data !== null && 'millrace' in data && data.millrace === 'partition-task'
  );
}

if (!isMainThread && isTaskThreadData(workerData)) await taskThread(workerData.order);
