import { randomUUID } from 'node:crypto';
import { rmSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import {
  ensureCutStream,
  ensurePartitionedStream,
  type GapChoice,
  gapPolicy,
  type JetStreamInput,
  JetStreamSource,
  NatsChainLog,
  type NatsLink,
  openKeyValueStore,
  openManager,
  replicasFor,
  streamFacts,
} from '../../connectors/index.ts';
import {
  type ChainLog,
  channelSource,
  cutStream,
  type GatheredAnswer,
  type GenerationLayout,
  type HeldPart,
  type KvReader,
  type MetricSample,
  MillraceError,
  type PartRequest,
  type Publisher,
  type Quarantine,
  type RefusedQuery,
  type Stage,
  type Supervisor,
  type TaskLimits,
  type Topology,
  type TopologyChange,
  targetSubjects,
} from '../../engine/index.ts';
import { AskService } from '../asks/index.ts';
import {
  type ClusterLimits,
  ClusterNode,
  clusterBucket,
  fetchState,
  StateGiver,
  systemTime,
  type TaskId,
  taskKey,
} from '../cluster/index.ts';
import { currentState, hasState, type PartitionInput } from '../host/index.ts';
import { KEEP_LIMITS, Keeper, type KeepLimits } from './keeper.ts';
import { type PartitionedInput, partitionedInput } from './partitioned-input.ts';
import { StageTask } from './stage-task.ts';
import { StageTables } from './table-places.ts';

/** How a process shares the tasks of a partitioned topology with others. */
export interface ClusterOptions {
  /** The name of this process among those of the topology, the same after each start: letters, digits, `_` and `-`. */
  readonly member: string;
  /** Other members that follow each task; default: 1. */
  readonly standbys?: number;
}

export interface PartitionedParts {
  readonly topology: Topology;
  readonly inputs: readonly JetStreamInput[];
  readonly link: NatsLink;
  readonly dataDir: string;
  /** Undefined: this process has all tasks. */
  readonly cluster: ClusterOptions | undefined;
  readonly version: string;
  readonly publisher: Publisher;
  readonly quarantineOf: () => Quarantine | undefined;
  readonly limits?: Partial<TaskLimits> | undefined;
  readonly keep?: Partial<KeepLimits> | undefined;
  readonly onGap?: GapChoice | undefined;
  readonly allowTopologyChange: boolean;
  readonly onTopologyChange: (changes: readonly TopologyChange[]) => void;
  readonly log: (line: string) => void;
  /** The process must not go on. */
  readonly fail: (error: MillraceError) => void;
}

/** The member of a process that has all tasks of a topology. */
const ALONE = 'alone';
const POLL_MS = 25;

/**
 * The part of a partitioned topology that runs in this process: tasks as the cluster's plan gives them, or all of them
 * where there is no cluster.
 */
export class PartitionedRun {
  readonly stages: readonly Stage[];
  readonly #parts: PartitionedParts;
  readonly #input: PartitionedInput;
  readonly #tables: StageTables;
  readonly #generation: GenerationLayout;
  readonly #chains: ChainLog;
  readonly #tasks = new Map<string, StageTask>();
  readonly #member: string;
  readonly #standbys: number;
  #layout: string | undefined;
  #node: ClusterNode | undefined;
  readonly #opened: (() => Promise<void>)[] = [];

  /** Throws `not_partitioned_input`, and what `Topology.stages` throws. */
  constructor(parts: PartitionedParts) {
    const { topology, inputs, dataDir, cluster, link } = parts;
    const partitions = topology.partitions ?? 1;
    this.#parts = parts;
    this.stages = topology.stages();
    for (const stage of this.stages) stage.topology.requireOrder();
    this.#input = partitionedInput(topology.name, partitions, inputs);
    this.#tables = new StageTables(this.stages, partitions);
    this.#generation = currentState(dataDir, topology.name);
    this.#chains = new NatsChainLog(link);
    this.#member = cluster?.member ?? ALONE;
    this.#standbys = cluster === undefined ? 0 : (cluster.standbys ?? 1);
  }

  /** Makes the streams that are missing, and joins. Throws what they throw. */
  async start(): Promise<void> {
    const { link, topology, cluster, log, fail, version, keep } = this.#parts;
    this.#layout = await ensurePartitionedStream(link, this.#input);
    for (const { writes } of this.stages)
      for (const cut of writes) await ensureCutStream(link, topology.name, cut);
    const store = await openKeyValueStore(link, clusterBucket(topology.name), {
      replicas: replicasFor(link),
    });
    const limits: Partial<ClusterLimits> = {
      standbys: this.#standbys,
      ...(cluster === undefined ? { settle_ms: 0, opens_at_once: 8 } : {}),
    };
    const node = new ClusterNode({
      ...{ store, member: this.#member, incarnation: randomUUID(), host: hostname(), version, limits, log },
      started_at: new Date().toISOString(),
      layout: this.stages.map(() => this.#input.partitions),
      hosts: (task) => this.#open(task),
      time: systemTime,
    });
    this.#node = node;
    node.ended.catch((error: unknown) => fail(error as MillraceError));
    const giver = new StateGiver({
      ...{ link, topology: topology.name, member: this.#member, log },
      scratch: join(this.#generation.path, 'copies'),
      statePath: (key) => {
        const task = this.#tasks.get(key);
        return task?.isOpen === true && hasState(task.statePath) ? task.statePath : undefined;
      },
    });
    // Of a process that was killed while it gave some.
    rmSync(join(this.#generation.path, 'copies'), { recursive: true, force: true });
    this.#opened.push(() => giver.stop());
    await giver.start();
    const asks = this.#asks();
    this.#opened.push(() => Promise.resolve(asks.stop()));
    this.ask = (request, timeout_ms) => asks.ask(request, timeout_ms);
    this.#opened.push(() => node.stop());
    await node.start();
    const keeper = new Keeper({
      ...{ link, topology: topology.name, input: this.#input, stages: this.stages, view: node.view, log },
      tasks: () => this.tasks,
      standbys: this.#standbys,
      limits: { ...KEEP_LIMITS, ...keep },
    });
    keeper.start();
    this.#opened.push(() => keeper.stop());
  }

  /** Answers from all partitions of a table, whichever process has them. */
  ask: (request: PartRequest, timeout_ms?: number) => Promise<GatheredAnswer | RefusedQuery> = () =>
    Promise.reject(new MillraceError('not_started', 'The topology has not been started.'));

  #asks(): AskService {
    const { link, topology } = this.#parts;
    const node = this.#joined;
    return new AskService({
      ...{ link, topology: topology.name, member: this.#member, places: this.#tables },
      held: (stage) =>
        this.tasks.filter(({ id }) => String(id.stage) === stage).map((task) => this.#held(task)),
      confirm: async (stage, partitions) => {
        const owned = this.tasks.filter(
          ({ id, active_epoch }) =>
            active_epoch !== undefined &&
            String(id.stage) === stage &&
            partitions?.includes(String(id.partition)) !== false,
        );
        // One that cannot be confirmed now answers that it may not answer.
        await Promise.allSettled(owned.map(({ id }) => node.confirm(id)));
      },
      holders: (stage) => (partition) => {
        const id = { stage: Number(stage), partition: Number(partition) };
        const owner = node.view.owner(id)?.member;
        const others = [...node.view.reports(id).keys()].filter((member) => member !== owner);
        return owner === undefined ? others : [owner, ...others];
      },
    });
  }

  #held(task: StageTask): HeldPart {
    const epoch = task.active_epoch;
    return {
      partition: String(task.id.partition),
      role: epoch === undefined ? 'standby' : 'owner',
      epoch: epoch ?? this.#joined.view.owner(task.id)?.epoch ?? null,
      isSure: epoch !== undefined && this.#joined.isConfirmed(task.id),
      staleness_ms: task.staleness_ms,
      reader: () => task.reader(),
      codecOf: (table) => this.#tables.codecOf(table),
    };
  }

  get #joined(): ClusterNode {
    if (this.#node === undefined)
      throw new MillraceError('not_started', 'The topology has not been started.');
    return this.#node;
  }

  #open(task: TaskId): StageTask {
    const {
      link,
      topology,
      publisher,
      quarantineOf,
      limits,
      log,
      fail,
      allowTopologyChange,
      onTopologyChange,
    } = this.#parts;
    const key = taskKey(task);
    const stage = this.stages[task.stage] as Stage;
    const { input, sourceOf } = this.#logOf(stage, task.partition);
    const made = new StageTask({
      ...{ task, stage, input, sourceOf, publisher, limits, log, allowTopologyChange, onTopologyChange },
      generation: this.#generation,
      chains: this.#chains,
      quarantine: quarantineOf(),
      copy: (member, to, signal) =>
        fetchState({ link, topology: topology.name, member, task: key, to, signal }),
      // Alone nobody else could go on with it.
      onFailed: (error) => {
        if (this.#member === ALONE) fail(error);
      },
    });
    this.#tasks.set(key, made);
    return made;
  }

  /** What a task reads. */
  #logOf({ reads }: Stage, partition: number): { input: PartitionInput; sourceOf: () => JetStreamSource } {
    const { link, topology, onGap, inputs } = this.#parts;
    if (reads.kind === 'cut') {
      const stream = cutStream(topology.name, reads.cut);
      const filter = [targetSubjects(topology.name, reads.cut, partition)];
      const options = {
        link,
        stream,
        partition: String(partition),
        filter_subjects: filter,
        gaps: 'normal' as const,
      };
      return {
        input: { node: channelSource(reads.cut), stream, filter },
        sourceOf: () => new JetStreamSource(options),
      };
    }
    const { node, stream } = this.#input;
    const filter = [`p.${partition}.>`];
    const gaps = gapPolicy(inputs[0]?.gaps, onGap);
    const options = {
      ...{ link, stream, partition: String(partition), filter_subjects: filter },
      ...(this.#layout === undefined ? {} : { layout: this.#layout }),
      ...(gaps === undefined ? {} : { gaps }),
    };
    return { input: { node, stream, filter }, sourceOf: () => new JetStreamSource(options) };
  }

  /** Those that this process has, as owner or standby. */
  get tasks(): readonly StageTask[] {
    return [...this.#tasks.values()].filter(({ isOpen }) => isOpen);
  }

  get readers(): readonly KvReader[] {
    return this.tasks.flatMap((task) => task.reader() ?? []);
  }

  metrics(): readonly MetricSample[] {
    return [...this.tasks.flatMap((task) => task.metrics()), ...(this.#node?.metrics() ?? [])];
  }

  /** The worst of its tasks. */
  get status(): Pick<Supervisor['status'], 'state' | 'error'> {
    const states = this.tasks.map(({ hosted }) => hosted);
    const order = ['failed', 'restarting', 'starting', 'stopped', 'running'];
    const [worst] = states.sort((a, b) => order.indexOf(a.state) - order.indexOf(b.state));
    // A member that has nothing to do yet is well.
    return worst ?? { state: this.#node === undefined ? 'starting' : 'running', error: undefined };
  }

  /**
   * Resolves when everything that is in the stream now has gone through all stages, in all processes. Rejects after
   * `timeout_ms` (`not_caught_up`).
   */
  async caughtUp(timeout_ms: number): Promise<void> {
    const { link, topology } = this.#parts;
    const until_ms = performance.now() + timeout_ms;
    const manager = await openManager(link);
    for (const { index, reads } of this.stages) {
      const stream = reads.kind === 'cut' ? cutStream(topology.name, reads.cut) : this.#input.stream;
      const { lastSequence, firstSequence } = await streamFacts(manager, stream);
      if (lastSequence < firstSequence && lastSequence === 0) continue;
      await this.#settled(index, lastSequence, until_ms, timeout_ms);
    }
  }

  /** Resolves when the first stage has committed up to a sequence of its stream. */
  async applied(stream: string, sequence: number, timeout_ms: number): Promise<void> {
    if (stream !== this.#input.stream) {
      throw new MillraceError(
        'unknown_stream',
        `The topology does not read "${stream}"; it reads ${this.#input.stream}.`,
      );
    }
    await this.#settled(0, sequence, performance.now() + timeout_ms, timeout_ms);
  }

  async #settled(stage: number, sequence: number, until_ms: number, timeout_ms: number): Promise<void> {
    const { partitions } = this.#input;
    for (;;) {
      const least = Math.min(
        ...Array.from({ length: partitions }, (_, partition) => this.#settledOf({ stage, partition })),
      );
      if (least >= sequence) return;
      if (performance.now() >= until_ms) {
        throw new MillraceError(
          'not_caught_up',
          `After ${timeout_ms} ms stage ${stage} has settled ${least} of ${sequence} messages. Wait longer, or see the log ` +
            'for what holds its tasks up.',
          { retriable: true },
        );
      }
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
  }

  #settledOf(id: TaskId): number {
    const own = this.#tasks.get(taskKey(id));
    if (own?.active_epoch !== undefined) return own.status().settled ?? 0;
    const owner = this.#joined.view.owner(id)?.member;
    return (owner === undefined ? undefined : this.#joined.view.reports(id).get(owner)?.settled) ?? 0;
  }

  async stop(): Promise<void> {
    for (const close of this.#opened.splice(0).toReversed()) await close();
  }
}
