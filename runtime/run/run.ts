import {
  connectNats,
  type JetStreamInput,
  JetStreamPublisher,
  jetstreamInputs,
  type NatsLink,
  openManager,
  streamFacts,
  toldPublisher,
} from '../../connectors/index.ts';
import {
  answerParts,
  deadLetterQuarantine,
  type GatheredAnswer,
  type HeldPart,
  type KvReader,
  type MetricSample,
  MillraceError,
  mergeParts,
  openDataFolder,
  type PartRequest,
  type RefusedQuery,
  systemClock,
  type Topology,
} from '../../engine/index.ts';
import type { PartitionHost } from '../host/index.ts';
import { type PartitionedParts, PartitionedRun } from '../partitions/index.ts';
import { programVersion } from '../snapshots/index.ts';
import { type Cause, diagnose, gatherFacts, type HostFacts, hostFacts, SendWatch } from '../why/index.ts';
import { HostedState } from './hosted-state.ts';
import { sayLoudly } from './loud.ts';
import { partitionedApp } from './partitioned-app.ts';
import type { RunOptions } from './run-options.ts';
import { checkEdges, makeStreams, serverOf } from './surroundings.ts';
import { throughReconnects } from './through-reconnects.ts';

/** A topology that runs. */
export interface RunningTopology {
  readonly url: string;
  /** Publishes and subscribes on the same server. */
  readonly link: NatsLink;
  /** The committed state, for `queryTable` and other readers; that of a partitioned topology is refused: see `ask`. */
  readonly reader: KvReader;
  /** Its tasks are run apart, here and perhaps in other processes. */
  readonly isPartitioned: boolean;
  /** The committed states that this process has: one, or those of its tasks. */
  readers(): readonly KvReader[];
  /**
   * Answers a table query; of a partitioned topology from all partitions, whichever process has them. What the answer
   * lacks, it names.
   */
  ask(request: PartRequest, timeout_ms?: number): Promise<GatheredAnswer | RefusedQuery>;
  /**
   * Resolves once `stop` was called. Rejects with what ended the task for good: an error that does not pass by
   * itself, or the end of the embedded server. What was committed can be read on until `stop`.
   */
  readonly ended: Promise<void>;
  /** The counters and gauges of the task that runs now; a restart begins new ones. */
  metrics(): readonly MetricSample[];
  /** How the task stands, what it counts, and what could not be sent: for `diagnose`, and for other processes. */
  facts(): HostFacts;
  /** Why nothing comes out, or not of all parts: empty where all is well. Asks the server, for 2 s at most. */
  why(): Promise<readonly Cause[]>;
  /**
   * Resolves when everything that is in the stream now is committed, also through a reconnect; rejects after
   * `timeout_ms`.
   */
  caughtUp(timeout_ms: number): Promise<void>;
  /**
   * Resolves when the stream (of the topology's) is committed up to the sequence that a publish was acknowledged
   * with: then `queryTable` answers what that message has changed. Rejects after `timeout_ms` (`not_caught_up`).
   */
  applied(stream: string, sequence: number, timeout_ms: number): Promise<void>;
  /** Commits what was taken, and ends. */
  stop(): Promise<void>;
}

/**
 * Runs a topology on JetStream until stopped: makes the streams that are missing, keeps the state under
 * `dataDir`, goes on from the last commit, and after a failure that may pass starts again from there.
 * Throws `no_source` for a topology without a `jetstream(…)` source, `data_dir_unusable`,
 * `filter_outside_stream` and `subject_loop` for what can never work between it and its streams, and what keeps
 * those from being made. A task that fails later fails `ended`.
 */
export async function run(topology: Topology, options: RunOptions): Promise<RunningTopology> {
  const log = options.log ?? (() => undefined);
  const inputs = jetstreamInputs(topology);
  for (const line of openDataFolder(options.dataDir)) log(line);
  const isPartitioned = runsPartitioned(topology, inputs, options);
  if (!isPartitioned && topology.partitions !== undefined) {
    log(
      `the ${topology.partitions} partitions of "${topology.name}" are run together, as one task: no partitionBy`,
    );
  }
  const end = ending();
  const server = await serverOf(options, inputs, log, end.fail);
  const opened: (() => Promise<void>)[] = [() => server.stop()];
  const close = async (): Promise<void> => {
    for (const work of opened.toReversed()) await work();
  };
  try {
    const link = await connectNats({ ...server.server, name: `millrace-${topology.name}` });
    opened.push(() => link.close());
    const manager = await openManager(link);
    await checkEdges({ topology, inputs, link, options }, log);
    await makeStreams(link, manager, isPartitioned ? [] : inputs, options, log);
    const sends = new SendWatch();
    const jetStream = new JetStreamPublisher(link);
    const publisher = sends.over(
      toldPublisher(options.publisher?.(jetStream) ?? jetStream, systemClock, log),
    );
    const unwatch = link.onStatus((status) => {
      if (status === 'disconnected') log(`NATS at ${link.url} is away; the task goes on when it is back`);
      if (status === 'connected') log(`NATS at ${link.url} is back`);
    });
    opened.push(() => Promise.resolve(unwatch()));
    const stop = async (): Promise<void> => {
      await close();
      end.done();
    };
    if (isPartitioned) {
      const partitioned = partitionedRun(topology, inputs, options, { link, publisher, log, fail: end.fail });
      opened.push(() => partitioned.stop());
      await partitioned.start();
      return { ...partitionedApp(partitioned, link, sends), ended: end.promise, stop };
    }
    const state = new HostedState({
      ...{ topology, inputs, options, publisher, link, log },
      ...{ nats: server.server, fail: end.fail },
    });
    opened.push(() => state.close());
    const { reader } = state;
    state.start();
    const loud = sayLoudly(() => state.host.metrics, log);
    opened.push(() => Promise.resolve(loud.stop()));
    return {
      url: link.url,
      link,
      reader,
      isPartitioned: false,
      readers: () => [reader],
      ask: (request) => Promise.resolve(askWhole(state.host, request)),
      ended: end.promise,
      metrics: () => state.host.metrics,
      facts: () => hostFacts(state.host, sends.failures),
      why: async () => {
        const progress = state.host.progress();
        return diagnose(
          await gatherFacts({
            topology,
            inputs,
            host: hostFacts(state.host, sends.failures),
            progress,
            nats: link,
          }),
        );
      },
      caughtUp: async (timeout_ms) => {
        const until_ms = Date.now() + timeout_ms;
        const left_ms = (): number => Math.max(1, until_ms - Date.now());
        const facts = await Promise.all(
          inputs.map(({ stream }) => throughReconnects(left_ms, () => streamFacts(manager, stream))),
        );
        // An empty stream has nothing to catch up with.
        const wanted = facts.filter(({ firstSequence, lastSequence }) => firstSequence <= lastSequence);
        await state.committed(
          wanted.map(({ stream, lastSequence }) => [stream, lastSequence]),
          left_ms(),
        );
      },
      applied: async (stream, sequence, timeout_ms) => {
        const streams = inputs.map((input) => input.stream);
        if (!streams.includes(stream)) throw notRead(stream, streams);
        await state.committed([[stream, sequence]], timeout_ms);
      },
      stop,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Its tasks are run apart where its stream can be divided. Throws `not_partitioned` for a cluster of another topology. */
function runsPartitioned(
  { name, partitions }: Topology,
  inputs: readonly JetStreamInput[],
  { cluster }: RunOptions,
): boolean {
  if (cluster !== undefined && partitions === undefined) {
    throw new MillraceError(
      'not_partitioned',
      `The topology "${name}" has no partitions that members of a cluster could share: give it the option partitions.`,
    );
  }
  const isDivided = inputs.some(({ partitionBy }) => partitionBy !== undefined);
  return partitions !== undefined && (cluster !== undefined || isDivided);
}

function partitionedRun(
  topology: Topology,
  inputs: readonly JetStreamInput[],
  options: RunOptions,
  parts: Pick<PartitionedParts, 'link' | 'publisher' | 'log' | 'fail'>,
): PartitionedRun {
  const { dataDir, cluster, limits, onGap, allowTopologyChange = false, failingRecords } = options;
  return new PartitionedRun({
    ...parts,
    ...{ topology, inputs, dataDir, cluster, limits, onGap, allowTopologyChange },
    version: programVersion(),
    quarantineOf: () => (failingRecords === 'deadLetter' ? deadLetterQuarantine() : undefined),
    onTopologyChange: (changes) => {
      for (const { text } of changes) parts.log(`the topology changed: ${text}`);
      options.onTopologyChange?.(changes);
    },
  });
}

/** The answer of the one state that a topology without partitions has. */
function askWhole(host: PartitionHost, request: PartRequest): GatheredAnswer | RefusedQuery {
  const held: HeldPart = {
    ...{ partition: host.partition, role: 'owner', epoch: null, isSure: true, staleness_ms: undefined },
    reader: () => host.reader(),
    codecOf: () => undefined,
  };
  const [part] = answerParts([held], request);
  const { partition } = host;
  if (part?.ok === true) return mergeParts(request.query, [part], []);
  const { reason = 'not_held', message = `There is no partition but ${partition}.` } = part ?? {};
  return mergeParts(request.query, [], [{ partition, reason, message }]);
}

/** A promise with its ends outside; nobody has to listen. */
function ending() {
  let [done, fail] = [() => {}, (_: MillraceError) => {}];
  const promise = new Promise<void>((resolve, reject) => {
    [done, fail] = [resolve, reject];
  });
  promise.catch(() => undefined);
  return { promise, done: () => done(), fail: (error: MillraceError) => fail(error) };
}

function notRead(stream: string, streams: readonly string[]): MillraceError {
  return new MillraceError(
    'unknown_stream',
    `The topology does not read the stream "${stream}"; it reads ${[...new Set(streams)].join(', ')}.`,
  );
}
