import { setPriority } from 'node:os';
import { isMainThread, parentPort, workerData } from 'node:worker_threads';
import { OPERATORS } from '../../analytics/index.ts';
import { connectNats, JetStreamSource } from '../../connectors/index.ts';
import {
  asMillraceError,
  type ControlSet,
  differentScopes,
  type KvReader,
  logDigest,
  MillraceError,
  openLmdbReader,
  openLmdbStore,
  stateDigest,
  type Topology,
} from '../../engine/index.ts';
import { loadTopologyModule } from '../host/index.ts';
import type {
  BuildOrder,
  BuildReport,
  BuildRequestMessage,
  BuildThreadData,
  Comparison,
} from './build-message.ts';
import { definitionsOf } from './definitions-of.ts';
import { goalOf, type Reached, Rebuild } from './rebuild.ts';

/** Of a patient build, of -20 to 19. */
const BUILD_NICENESS = 10;
const LOG_SEGMENTS = `${OPERATORS.log}/segments`;
/** What is built from the log when a definition comes. */
const DEFINED = [`${OPERATORS.cubes}/`, `${OPERATORS.funnels}/`];

/** The definitions that the new state is to be of: those of the live one. */
interface Definitions {
  set: ControlSet | undefined;
}

/** Builds one state as it is told, one thing after the other. */
class BuildThread {
  readonly #order: BuildOrder;
  readonly #topology: Topology;
  readonly #liveTopology: Topology;
  readonly #rebuild: Rebuild;
  readonly #live: KvReader;
  readonly #definitions: Definitions;

  constructor(
    order: BuildOrder,
    topologies: readonly [Topology, Topology],
    rebuild: Rebuild,
    live: KvReader,
    definitions: Definitions,
  ) {
    this.#definitions = definitions;
    this.#order = order;
    [this.#topology, this.#liveTopology] = topologies;
    this.#rebuild = rebuild;
    this.#live = live;
  }

  async do(request: BuildRequestMessage, reader: KvReader): Promise<Comparison | undefined> {
    if (request.do === 'read') {
      this.#definitions.set = definitionsOf(this.#live);
      await this.#rebuild.readTo(request.goal);
    } else if (request.do === 'compare') return await this.#compare(reader);
    else if (request.do === 'follow') {
      const reached = this.#rebuild.reachedIn(this.#live);
      if (reached !== undefined) await this.#rebuild.followClock(reached);
    }
    return undefined;
  }

  /** The live state may go on: its digest and its position are of one snapshot, and the build comes there next. */
  async #compare(reader: KvReader): Promise<Comparison> {
    const live = this.#live.snapshot((table) => {
      const still: KvReader = {
        snapshot: (work) => work(table),
        tableNames: () => [],
        close: () => Promise.resolve(),
      };
      const reached = this.#rebuild.reachedIn(still);
      if (reached === undefined) return undefined;
      const definitions = definitionsOf(still);
      const log = [...logDigest(table(LOG_SEGMENTS))];
      return { reached, definitions, log, digest: stateDigest(this.#liveTopology, still) };
    });
    if (live === undefined) throw new MillraceError('no_state', 'The live state has not committed anything.');
    this.#definitions.set = live.definitions;
    await this.#rebuild.readTo(goalOf(live.reached, endsOf(live.reached, this.#order)));
    await this.#rebuild.followClock(live.reached);
    const built = stateDigest(this.#topology, reader);
    const log = reader.snapshot((table) => differentScopes(live.log, logDigest(table(LOG_SEGMENTS))));
    // What a log has forgotten the stream may give back, and to what was defined later.
    const mayDiffer = (table: string): boolean =>
      (table === LOG_SEGMENTS && log.length === 0) ||
      (DEFINED.some((operator) => table.startsWith(operator)) &&
        live.log.some(({ firstDay }) => Number.isFinite(firstDay)));
    const different = Object.keys(built.tables).filter(
      (table) => built.tables[table]?.digest !== live.digest.tables[table]?.digest && !mayDiffer(table),
    );
    return { same: built.digest === live.digest.digest, different };
  }
}

/** A source that the state does not know has nothing to read. */
const endsOf = ({ positions }: Reached, { inputs }: BuildOrder) =>
  Object.fromEntries(inputs.map(({ node }) => [node, positions.get(node)?.sequence ?? 0]));

interface OpenBuild {
  readonly thread: BuildThread;
  readonly reader: KvReader;
  readonly rebuild: Rebuild;
  close(): Promise<void>;
}

async function open(
  order: BuildOrder,
  report: (message: BuildReport) => void,
  requireGoingOn: () => void,
): Promise<OpenBuild> {
  if (order.isPatient) stepBack();
  const { topologyOf } = await loadTopologyModule(order.module);
  const { partition } = order;
  const topology = topologyOf(order.config);
  const link = await connectNats({ ...order.nats, name: `millrace-build-${partition}` });
  const store = openLmdbStore(order.statePath);
  const reader = openLmdbReader(order.statePath, { sharedWithWriter: true });
  const live = openLmdbReader(order.live.statePath, { sharedWithWriter: true });
  const definitions: Definitions = { set: undefined };
  const rebuild: Rebuild = new Rebuild({
    topology,
    partition,
    inputs: order.inputs,
    sourceOf: ({ stream, filter }) =>
      new JetStreamSource({ link, stream, partition, filter_subjects: filter }),
    store,
    reader,
    control: { current: () => definitions.set },
    requireGoingOn,
    onProgress: (inputs) => report({ kind: 'progress', inputs, applied: rebuild.applied }),
  });
  const close = async (): Promise<void> => {
    await rebuild.close();
    await reader.close();
    await live.close();
    await store.close();
    await link.close();
  };
  const thread = new BuildThread(
    order,
    [topology, topologyOf(order.live.config)],
    rebuild,
    live,
    definitions,
  );
  return { thread, reader, rebuild, close };
}

/** On Linux a priority is a thread's own; elsewhere it would be the process'. */
function stepBack(): void {
  if (process.platform === 'linux') setPriority(0, BUILD_NICENESS);
}

function buildThread(order: BuildOrder): void {
  const port = parentPort;
  if (port === null) throw new MillraceError('not_a_thread', 'A build runs in a worker thread.');
  const report = (message: BuildReport): void => port.postMessage(message);
  let isCancelled = false;
  const opened = open(order, report, () => {
    if (isCancelled) throw new MillraceError('build_cancelled', 'The build was cancelled.');
  });
  const answer = async (request: BuildRequestMessage): Promise<void> => {
    try {
      const { thread, reader, rebuild } = await opened;
      const comparison = await thread.do(request, reader);
      report({ kind: 'done', comparison, applied: rebuild.applied });
    } catch (thrown) {
      const { code, message, retriable } = asMillraceError(thrown);
      report({ kind: 'failed', code, message, retriable });
    }
  };
  let work = Promise.resolve();
  // What kept it from being opened was the answer to the first request.
  const close = (): Promise<void> => opened.then((build) => build.close()).catch(() => undefined);
  port.on('message', (request: BuildRequestMessage) => {
    if (request.do === 'cancel') isCancelled = true;
    else if (request.do === 'close') work = work.then(close).finally(() => port.close());
    else work = work.then(() => answer(request));
  });
}

function isBuildThreadData(data: unknown): data is BuildThreadData {
  return (
    typeof data === 'object' && data !== null && 'millrace' in data && data.millrace === 'generation-build'
  );
}

if (!isMainThread && isBuildThreadData(workerData)) buildThread(workerData.order);
