import { isMainThread, parentPort, workerData } from 'node:worker_threads';
import {
  CellComparison,
  type CellReport,
  type CellsOfInterest,
  OPERATORS,
  passOnAwaitedEvents,
  type StateCells,
  stateCells,
} from '../../analytics/index.ts';
import { connectNats, JetStreamSource, type NatsLink } from '../../connectors/index.ts';
import {
  asMillraceError,
  type ControlSet,
  differentScopes,
  type KvReader,
  type KvStore,
  type KvView,
  logDigest,
  META_TABLE,
  MillraceError,
  openLmdbReader,
  openLmdbStore,
  readProgress,
  stateDigest,
  stepBack,
  type Topology,
} from '../../engine/index.ts';
import { withArchive } from '../archive/index.ts';
import { loadTopologyModule } from '../host/index.ts';
import type { Settings } from '../settings/index.ts';
import { BACKGROUND_NICENESS } from './background.ts';
import type {
  BuildOrder,
  BuildReport,
  BuildRequestMessage,
  BuildThreadData,
  Comparison,
  Found,
} from './build-message.ts';
import { definitionsOf } from './definitions-of.ts';
import { withEventIds } from './event-ids.ts';
import { Pacer } from './pace.ts';
import { goalOf, type Reached, Rebuild } from './rebuild.ts';

const LOG_SEGMENTS = `${OPERATORS.log}/segments`;
/** What is built from the log when a definition comes. */
const DEFINED = [`${OPERATORS.cubes}/`, `${OPERATORS.funnels}/`];

/** Times that a build tries to stand where the live state stands, for one look at both. */
const MEETINGS_MAX = 40;

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
  readonly #link: NatsLink;
  /** Of the new state. */
  readonly #store: KvStore;

  constructor(
    order: BuildOrder,
    topologies: readonly [Topology, Topology],
    rebuild: Rebuild,
    live: KvReader,
    definitions: Definitions,
    link: NatsLink,
    store: KvStore,
  ) {
    this.#store = store;
    this.#definitions = definitions;
    this.#link = link;
    this.#order = order;
    [this.#topology, this.#liveTopology] = topologies;
    this.#rebuild = rebuild;
    this.#live = live;
  }

  async do(request: BuildRequestMessage, reader: KvReader): Promise<Found> {
    if (request.do === 'read') {
      this.#definitions.set = definitionsOf(this.#live);
      await this.#rebuild.readTo(request.goal);
    } else if (request.do === 'compare') return { comparison: await this.#compare(reader) };
    else if (request.do === 'cells') return { cells: await this.#cells(reader, request.of) };
    else if (request.do === 'follow') {
      const reached = this.#rebuild.reachedIn(this.#live);
      if (reached !== undefined) await this.#rebuild.followClock(reached);
    } else if (request.do === 'inherit') {
      await this.#rebuild.close();
      this.#live.snapshot((former) => passOnAwaitedEvents(former, this.#store));
    }
    return {};
  }

  /** Each cube at one position of both, which may be another than that of the cube before it. */
  async #cells(reader: KvReader, of: CellsOfInterest): Promise<CellReport | null> {
    const comparison = new CellComparison(of);
    const names = new Set<string>();
    let [before, after]: [StateCells | undefined, StateCells | undefined] = [undefined, undefined];
    const open = (live: Tables, built: Tables): readonly [StateCells, StateCells] => {
      before = stateCells(live, customOf(this.#order.live.config), before);
      after = stateCells(built, customOf(this.#order.config), after);
      return [before, after];
    };
    const learned = await this.#meet(reader, (live, built) => {
      for (const { cubes } of open(live, built)) for (const { name } of cubes) names.add(name);
    });
    if (!learned) return null;
    for (const name of names) {
      const met = await this.#meet(reader, (live, built) => comparison.cube(name, ...open(live, built)));
      if (!met) return null;
    }
    return await withEventIds(comparison.report(), this.#link);
  }

  /** Brings the build where the live state stands, and does `work` on a snapshot of each; false: it got away. */
  async #meet(reader: KvReader, work: (live: Tables, built: Tables) => void): Promise<boolean> {
    for (let meeting = 0; meeting < MEETINGS_MAX; meeting++) {
      const reached = this.#rebuild.reachedIn(this.#live);
      if (reached === undefined) return false;
      this.#definitions.set = definitionsOf(this.#live);
      await this.#rebuild.readTo(goalOf(reached, endsOf(reached, this.#order)));
      const met = this.#live.snapshot((live) => {
        const there = this.#rebuild.reachedIn(still(live));
        if (there === undefined || isDistant(there, reached)) return false;
        return reader.snapshot((built) => {
          work(live, built);
          return true;
        });
      });
      if (met) return true;
    }
    return false;
  }

  /** The live state may go on: its digest and its position are of one snapshot, and the build comes there next. */
  async #compare(reader: KvReader): Promise<Comparison> {
    const live = this.#live.snapshot((table) => {
      const reached = this.#rebuild.reachedIn(still(table));
      if (reached === undefined) return undefined;
      const definitions = definitionsOf(still(table));
      const log = [...logDigest(table(LOG_SEGMENTS))];
      return { reached, definitions, log, digest: stateDigest(this.#liveTopology, still(table)) };
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
      // They follow from the records beside them, but for entities of very many events: those are given up at a commit.
      table === KEPT_ATTEMPTS ||
      (DEFINED.some((operator) => table.startsWith(operator)) &&
        live.log.some(({ firstDay }) => Number.isFinite(firstDay)));
    const different = Object.keys(built.tables).filter(
      (table) => built.tables[table]?.digest !== live.digest.tables[table]?.digest && !mayDiffer(table),
    );
    return { same: built.digest === live.digest.digest, different };
  }
}

type Tables = (name: string) => KvView;

/** One snapshot, as a reader. */
const still = (table: Tables): KvReader => ({
  snapshot: (work) => work(table),
  tableNames: () => [],
  close: () => Promise.resolve(),
});

const KEPT_ATTEMPTS = `${OPERATORS.funnels}/attempts`;

const isDistant = (a: Reached, b: Reached): boolean =>
  [...a.positions].some(([node, { sequence }]) => b.positions.get(node)?.sequence !== sequence);

const customOf = (config: unknown): readonly string[] => (config as Settings).customDimensions;

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
  if (order.isPatient) stepBack(BACKGROUND_NICENESS);
  const { topologyOf } = await loadTopologyModule(order.module);
  const { partition } = order;
  const topology = topologyOf(order.config);
  const link = await connectNats({ ...order.nats, name: `millrace-build-${partition}` });
  const store = openLmdbStore(order.statePath);
  const reader = openLmdbReader(order.statePath, { sharedWithWriter: true });
  const live = openLmdbReader(order.live.statePath, { sharedWithWriter: true });
  const definitions: Definitions = { set: undefined };
  const pacer = order.isPatient ? new Pacer(order.pace) : undefined;
  const rebuild: Rebuild = new Rebuild({
    topology,
    partition,
    inputs: order.inputs,
    sourceOf: ({ stream, filter }) =>
      withArchive(
        new JetStreamSource({ link, stream, partition, filter_subjects: filter }),
        stream,
        order.archive,
        () => reader.snapshot((table) => readProgress(table(META_TABLE))?.sequence),
      ),
    store,
    reader,
    control: { current: () => definitions.set },
    requireGoingOn,
    ...(pacer === undefined ? {} : { rest: () => pacer.rest(requireGoingOn) }),
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
    link,
    store,
  );
  return { thread, reader, rebuild, close };
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
      const found = await thread.do(request, reader);
      report({ kind: 'done', found, applied: rebuild.applied });
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
