import { join } from 'node:path';
import { parentPort, workerData } from 'node:worker_threads';
import { EVENTS_STREAM } from '../connectors/index.ts';
import { MemorySource, type MessageBlock, messagesIn } from '../examples/nexmark/memory-source.ts';
import { QUERIES } from '../examples/nexmark/queries/index.ts';
import { queryTopology } from '../examples/nexmark/query.ts';
import {
  ByteReader,
  connectNats,
  defineOperator,
  intCodec,
  JetStreamPublisher,
  mapTable,
  type NatsServer,
  openLmdbStore,
  type Publisher,
  type Source,
  type Stream,
  type Task,
  ThreadedSource,
  uintKey,
} from '../index.ts';
import { PartitionTask } from '../runtime/index.ts';

/** One query over the messages of a stream, or over blocks of them in memory. */
export interface NexmarkOrder {
  readonly query: string;
  readonly folder: string;
  readonly blocks: readonly MessageBlock[];
  /** The stream holds the messages of the blocks; without it they come from there. */
  readonly nats?: NatsServer;
  /** Messages of the blocks that are run once before anything is measured. */
  readonly warmUp_events: number;
  /** Stops after this long, ms; what was committed until then counts. */
  readonly limit_ms: number;
}

export interface NexmarkRun {
  readonly events: number;
  readonly elapsed_ms: number;
  /** Of all threads of the process. */
  readonly cpu_ms: number;
  readonly rows: number;
  readonly commits: number;
  readonly commit_ms: number;
  readonly state_bytes: number;
}

const ROWS = 0;

/** Where rows end, as with Flink's black hole: their number is part of the commit, and nothing else of them. */
const countRows = defineOperator<object, never, undefined, ReturnType<typeof countTable>>({
  kind: 'count-rows',
  summary: 'Counts rows',
  state: countTable,
  start: ({ state }) => {
    const counts = state.counts.scope('');
    return { onBatch: (rows) => counts.set(ROWS, (counts.get(ROWS) ?? 0) + rows.length) };
  },
});

function countTable() {
  return { counts: mapTable<number, number>({ key: uintKey, value: intCodec, version: 1 }) };
}

const nothingToSend: Publisher = {
  publish: () => Promise.reject(new Error('a query of the benchmark sends nothing')),
};

interface Place {
  readonly folder: string;
  readonly source: Source;
  readonly publisher: Publisher;
}

/** Opens a task on new state, lets `work` drive it, and measures from its opening to its last commit. */
async function measured(
  name: string,
  { folder, source, publisher }: Place,
  work: (task: Task) => Promise<void>,
  onCommit: (sequence: number) => void = () => {},
): Promise<NexmarkRun> {
  const query = QUERIES[name];
  if (query === undefined) throw new Error(`there is no query ${name}`);
  const store = openLmdbStore(folder);
  let committed = 0;
  let commits = 0;
  const running = new PartitionTask({
    topology: queryTopology(query, { folder: join(folder, 'files') }, (rows: Stream<object>) => {
      rows.pipe(countRows('row-count', undefined));
    }),
    inputs: [{ node: 'events', stream: EVENTS_STREAM.name, filter: [] }],
    sourceOf: () => source,
    store,
    publisher,
    onCommit: ({ sequence }) => {
      committed = sequence;
      commits++;
      onCommit(sequence);
    },
  });
  const { task } = running;
  const before = process.cpuUsage();
  const started_ms = performance.now();
  await task.open();
  await work(task);
  const elapsed_ms = performance.now() - started_ms;
  const { user, system } = process.cpuUsage(before);
  const commit_s = task.metrics.samples().find((of) => of.name === 'millrace.task.commit.time')?.value ?? 0;
  const commit_ms = commit_s * 1_000;
  const [row] = [...store.table('row-count/counts').scan()];
  const rows = row === undefined ? 0 : intCodec.read(new ByteReader(row.value));
  const state_bytes = store.sizeBytes();
  await running.close();
  await store.close();
  return {
    events: committed,
    elapsed_ms,
    cpu_ms: (user + system) / 1_000,
    rows,
    commits,
    commit_ms,
    state_bytes,
  };
}

/** Takes from memory until everything is taken or the time is over, and commits what is left. */
function fromMemory(order: NexmarkOrder, folder: string, events: number): Promise<NexmarkRun> {
  const source = new MemorySource(order.blocks, events);
  return measured(order.query, { folder, source, publisher: nothingToSend }, async (task) => {
    const deadline_ms = performance.now() + order.limit_ms;
    for (let taken = 0; taken < events && performance.now() < deadline_ms; ) taken += await task.step(0);
    task.commit();
  });
}

async function fromStream(order: NexmarkOrder, nats: NatsServer): Promise<NexmarkRun> {
  const link = await connectNats({ ...nats, name: 'bench-nexmark' });
  const source = new ThreadedSource({ ...nats, stream: EVENTS_STREAM.name });
  const stop = new AbortController();
  const events = messagesIn(order.blocks);
  // The reading thread has connected before anything is measured.
  await source.facts();
  const run = await measured(
    order.query,
    { folder: join(order.folder, 'stream'), source, publisher: new JetStreamPublisher(link) },
    async (task) => {
      const timer = setTimeout(() => stop.abort(), order.limit_ms);
      await task.run(stop.signal);
      clearTimeout(timer);
    },
    (sequence) => {
      if (sequence >= events) stop.abort();
    },
  );
  await link.close();
  return run;
}

async function run(order: NexmarkOrder): Promise<NexmarkRun> {
  const { folder, nats, warmUp_events, blocks } = order;
  const events = messagesIn(blocks);
  const warmUp = join(folder, nats === undefined ? 'memory-warm-up' : 'stream-warm-up');
  await fromMemory(order, warmUp, Math.min(warmUp_events, events));
  if (nats !== undefined) return fromStream(order, nats);
  return fromMemory(order, join(folder, 'memory'), events);
}

parentPort?.postMessage(await run(workerData as NexmarkOrder));
