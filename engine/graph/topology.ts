import type { Observable, OperatorFunction } from 'rxjs';
import { type Either, invariant, MillraceError, requirePartitions, type Signal } from '../base/index.ts';
import { producerName } from '../channels/index.ts';
import type { SourceRecord } from '../edges/index.ts';
import { describeTable, type TableSpecs } from '../state/index.ts';
import {
  type CutSpec,
  channelIn,
  channelOut,
  cutSpec,
  passCut,
  type RepartitionConfig,
  repartitionDoc,
} from './cut.ts';
import { MAIN_OUTPUT } from './define-operator.ts';
import { mergeSignals, outputOf, SIDE_OUTPUT, tagged } from './merge.ts';
import type { Graph, Node, TopologyDescription } from './node.ts';
import type { NoSides, Operator, Runtime, Sides } from './operator.ts';
import { requireOneLog, requireOrder } from './order.ts';
import { Piped } from './pipe.ts';
import { checkRetractions, mergedRetractions, type Retractions, retractionsOf } from './retractions.ts';
import { type SentSubject, sentSubjects } from './sent-subjects.ts';
import type { SourceSpec } from './source-spec.ts';
import { channelSource, notPartitioned, requireStageName, type StageInput, splitStages } from './stages.ts';
import { type Listen, startGraph } from './start-graph.ts';
import { drawTopology } from './topology-drawing.ts';
import { duplicateName, otherTopology } from './topology-errors.ts';
import { requireWatermarks } from './watermark-reach.ts';

/** A place in a topology under construction, typed by what flows there and in the side outputs. */
export class Stream<T, O extends Sides = NoSides> extends Piped<T> {
  readonly #builder: Builder;
  readonly name: string;
  readonly #sides: readonly string[];

  constructor(builder: Builder, name: string, sides: readonly string[] = []) {
    super();
    this.#builder = builder;
    this.name = name;
    this.#sides = sides;
  }

  protected override through(operators: readonly Operator<never, unknown, Sides>[]): Stream<never, never> {
    let at: string = this.name;
    for (const operator of operators) {
      this.#builder.addOperator(operator, [at], ([input]) => {
        invariant(input !== undefined, `operator ${operator.name} has an input`);
        return input;
      });
      at = operator.name;
    }
    return new Stream<never, never>(this.#builder, at, operators.at(-1)?.sides ?? this.#sides);
  }

  /** A side output of the operator that this stream comes from, e.g. its late events. */
  side<N extends keyof O & string>(side: N): Stream<O[N]> {
    if (!this.#sides.includes(side)) {
      throw new MillraceError(
        'unknown_side_output',
        `"${this.name}" has no side output "${side}"; it has: ${this.#sides.join(', ') || 'none'}.`,
      );
    }
    const name = `${this.name}-${side}`;
    const made = new Stream<O[N]>(this.#builder, name);
    // Any number of readers share one node.
    if (this.#builder.nodes.some((node) => node.name === name && node.kind === SIDE_OUTPUT)) return made;
    this.#builder.add({
      name,
      kind: SIDE_OUTPUT,
      summary: `What ${this.name} puts aside as ${side}`,
      inputs: [this.name],
      state: {},
      hasSides: false,
      retractionsOf: () => this.#builder.retractionsOf(this.name, side),
      connect: (_, [input]) => {
        invariant(input !== undefined, `side output ${name} has an input`);
        return outputOf(input, side);
      },
    });
    return made;
  }

  /**
   * The same items, divided by another key. In a partitioned topology what follows is a stage of its own, with tasks of
   * its own; in a topology without partitions nothing happens here.
   */
  repartition(name: string, config: RepartitionConfig<T>): Stream<T> {
    this.#builder.addCut(name, this.name, config);
    return new Stream(this.#builder, name);
  }

  /** Throws `bad_config` for a stream of another topology: its items would never come. */
  requireIn(builder: Builder, reader: string): void {
    if (this.#builder !== builder) throw otherTopology(reader, this.name);
  }

  /** An operator of two inputs: a join. Barriers wait for both, the watermark is the smaller one. */
  connect<R, B, P extends Sides>(
    right: Stream<R, Sides>,
    operator: Operator<Either<T, R>, B, P>,
  ): Stream<B, P> {
    right.requireIn(this.#builder, operator.name);
    this.#builder.addOperator(
      operator as Operator<never, unknown, Sides>,
      [this.name, right.name],
      (inputs) => {
        const [a, b] = inputs;
        invariant(a !== undefined && b !== undefined, `operator ${operator.name} has two inputs`);
        return mergeSignals([tagged(a, 'left'), tagged(b, 'right')]);
      },
    );
    return new Stream<B, P>(this.#builder, operator.name, operator.sides);
  }
}

/** What `topology(name, build)` fills: the graph while it is being built. */
export class Builder {
  readonly nodes: Node[] = [];
  readonly sources: SourceSpec[] = [];
  /** By the name of the source. */
  readonly resendSubjects = new Map<string, string>();

  add(node: Node): void {
    const other = this.nodes.find(({ name }) => name === node.name);
    if (other !== undefined) throw duplicateName(node.name, other.kind, node.kind);
    this.nodes.push(node);
  }

  /** Whether items of an output of a node may take earlier ones back. */
  retractionsOf(node: string, output: string = MAIN_OUTPUT): Retractions | undefined {
    return this.nodes.find(({ name }) => name === node)?.retractionsOf?.(output);
  }

  #retractionsIn(inputs: readonly string[]): Retractions | undefined {
    return mergedRetractions(inputs.map((input) => this.retractionsOf(input)));
  }

  /** `join` makes one input of the streams named. */
  addOperator(
    operator: Operator<never, unknown, Sides>,
    inputs: readonly string[],
    join: (inputs: readonly Observable<Signal<unknown>>[]) => Observable<Signal<unknown>>,
  ): void {
    const { name, kind, summary, state, definition, definedTables, sides, sendsTo } = operator;
    const { makesIds, namesResults } = operator;
    const { ownsWatermark = false, needsWatermark = false, unordered, takesDefinitions } = operator;
    const coming = this.#retractionsIn(inputs);
    checkRetractions(operator, coming);
    this.add({
      name,
      kind,
      summary,
      state,
      ...(definition === undefined ? {} : { definition }),
      ...(definedTables === undefined ? {} : { definedTables }),
      ...(sendsTo === undefined ? {} : { sendsTo }),
      ...(makesIds === undefined ? {} : { makesIds }),
      ...(namesResults === undefined ? {} : { namesResults }),
      ownsWatermark,
      needsWatermark,
      ...(unordered === undefined ? {} : { unordered }),
      ...(takesDefinitions === undefined ? {} : { takesDefinitions }),
      inputs,
      hasSides: sides.length > 0,
      retractionsOf: (output) => retractionsOf(operator, coming, output, output !== MAIN_OUTPUT),
      connect: (runtime, all) => {
        const bound = operator.bind(runtime) as OperatorFunction<Signal<unknown>, Signal<unknown>>;
        return join(all).pipe(bound);
      },
    });
  }

  addCut<T>(name: string, from: string, config: RepartitionConfig<T>): void {
    const cut = cutSpec(name, config);
    this.add({
      ...{ name, cut, kind: repartitionDoc.kind, summary: repartitionDoc.summary, inputs: [from] },
      ...{ state: {}, hasSides: false },
      retractionsOf: () => this.retractionsOf(from),
      connect: (runtime, [input]) => {
        invariant(input !== undefined, `cut ${name} has an input`);
        return passCut(name, cut, runtime, input);
      },
    });
  }

  /**
   * Where records of one stream enter. A topology may have several sources. `resendsOn` is the only subject whose
   * messages may say which removed ones were sent again; without it those of all subjects may.
   */
  source(
    input: string | SourceSpec,
    { resendsOn }: { readonly resendsOn?: string } = {},
  ): Stream<SourceRecord> {
    const { name, ...spec } = typeof input === 'string' ? { name: input } : input;
    if (resendsOn !== undefined) this.resendSubjects.set(name, resendsOn);
    if ('kind' in spec) this.sources.push({ name, ...spec });
    this.add({
      name,
      kind: 'source',
      summary: 'Records of a stream',
      inputs: [],
      state: {},
      ...('definition' in spec && spec.definition !== undefined ? { definition: spec.definition } : {}),
      hasSides: false,
      connect: unreachable,
    });
    return new Stream(this, name);
  }

  /** Several streams of one type as one: barriers wait for all inputs, the watermark is their minimum. */
  merge<T>(name: string, ...streams: Stream<T, Sides>[]): Stream<T> {
    if (streams.length === 0) {
      throw new MillraceError(
        'bad_config',
        `"${name}" merges no streams: nothing would ever come out of it.`,
      );
    }
    for (const stream of streams) stream.requireIn(this, name);
    const inputs = streams.map((stream) => stream.name);
    this.add({
      name,
      kind: 'merge',
      summary: 'Inputs as one stream',
      inputs,
      state: {},
      hasSides: false,
      retractionsOf: () => this.#retractionsIn(inputs),
      connect: (_, all) => mergeSignals(all),
    });
    return new Stream(this, name);
  }
}

function unreachable(): never {
  throw new MillraceError('invariant_broken', 'A source has no inputs to connect.');
}

/** A named dataflow graph. Data until `start`: it can be described, drawn and compared. */
export class Topology {
  readonly name: string;
  /** Those that say where their records come from. */
  readonly sources: readonly SourceSpec[];
  readonly #nodes: readonly Node[];
  readonly #resendSubjects: ReadonlyMap<string, string>;
  /** How many partitions each of its stages has; undefined: one task runs all of it. */
  readonly partitions: number | undefined;

  constructor(
    name: string,
    nodes: readonly Node[],
    sources: readonly SourceSpec[] = [],
    resendSubjects: ReadonlyMap<string, string> = new Map(),
    partitions?: number,
  ) {
    this.name = name;
    this.#nodes = nodes;
    this.sources = sources;
    this.#resendSubjects = resendSubjects;
    this.partitions = partitions;
  }

  /**
   * The parts between its cuts, in the order of the flow: each an ordinary topology that reads one log, with the tables of
   * its operators under the same names. Throws `not_partitioned`.
   */
  stages(): readonly Stage[] {
    const { name, partitions } = this;
    if (partitions === undefined) throw notPartitioned(name);
    return splitStages(name, this.#nodes).map(({ reads, nodes }, index) => {
      const made = nodes.map((node) =>
        node.cut === undefined ? node : endOfStage(node, node.cut, partitions),
      );
      const whole = reads.kind === 'stream' ? made : [...this.#entry(reads, partitions), ...made];
      const sources = this.sources.filter((source) => nodes.some((node) => node.name === source.name));
      const topology = new Topology(name, whole, sources, this.#resendSubjects, partitions);
      const writes = nodes.flatMap((node) => (node.cut === undefined ? [] : [node.name]));
      return { index, reads, writes, topology };
    });
  }

  /** By the name of a cut, what decides where an item goes, and how it travels. */
  cutOf(cut: string): CutSpec {
    const spec = this.#nodes.find((node) => node.name === cut)?.cut;
    invariant(spec !== undefined, `the topology has the cut ${cut}`);
    return spec;
  }

  /** How what was given to a cut enters the stage behind it. */
  #entry({ cut, from }: StageInput & { readonly kind: 'cut' }, partitions: number): readonly Node[] {
    const producers = Array.from({ length: partitions }, (_, at) => producerName(from, at));
    const builder = new Builder();
    builder.source(channelSource(cut)).pipe(channelIn(cut, { codec: this.cutOf(cut).codec, producers }));
    return builder.nodes;
  }

  /** The only subject of a source whose messages may say which removed ones were sent again; undefined: all may. */
  resendsOn(source: string): string | undefined {
    return this.#resendSubjects.get(source);
  }

  describe(): TopologyDescription {
    return {
      name: this.name,
      nodes: this.#nodes.map(({ name, kind, summary, inputs, state, definition, definedTables }) => ({
        name,
        kind,
        summary,
        inputs,
        state: Object.fromEntries(Object.entries(state).map(([table, spec]) => [table, describeTable(spec)])),
        ...(definition === undefined ? {} : { definition }),
        ...(definedTables === undefined ? {} : { definedTables }),
      })),
    };
  }

  /** Throws for what an ordered task cannot have: see `TaskOptions.ordered`. */
  requireOrder(): void {
    const sources = this.#nodes.filter(({ kind }) => kind === 'source').map(({ name }) => name);
    requireOneLog(this.name, sources);
    requireOrder(this.name, this.#nodes, this.sources);
  }

  /** Every state table with its id in the store, for the digest and other readers of state. */
  tables(): { readonly id: string; readonly spec: TableSpecs[string] }[] {
    return this.#nodes.flatMap(({ name, state }) =>
      Object.entries(state).map(([table, spec]) => ({ id: `${name}/${table}`, spec })),
    );
  }

  /** Where its messages go, as far as its operators say it. */
  sends(): readonly SentSubject[] {
    return sentSubjects(this.#nodes);
  }

  /** A Mermaid flowchart. */
  draw(): string {
    return drawTopology(this.describe());
  }

  /**
   * Builds the RxJS graph and subscribes to its ends. `failed` hears the first error of an operator,
   * `listen` every batch that leaves a node's main output.
   */
  start(runtime: Runtime, failed: (error: unknown) => void, listen?: Listen): Graph {
    return startGraph(this.#nodes, runtime, failed, listen);
  }
}

/** What lies between two cuts of a partitioned topology. */
export interface Stage {
  readonly index: number;
  readonly topology: Topology;
  readonly reads: StageInput;
  /** The cuts that it sends to. */
  readonly writes: readonly string[];
}

/** A cut in the stage before it. */
function endOfStage(node: Node, cut: NonNullable<Node['cut']>, partitions: number): Node {
  return {
    ...node,
    kind: 'channel-out',
    summary: 'Items for the next stage',
    definition: { partitions },
    connect: (runtime, [input]) => {
      invariant(input !== undefined, `cut ${node.name} has an input`);
      return channelOut(node.name, cut, partitions, runtime, input);
    },
  };
}

/** How a topology is divided. */
export interface TopologyOptions {
  /** Key groups that its work is divided into, each a task of its own; fixed for good. Default: one task runs it. */
  readonly partitions?: number;
}

/**
 * Builds a topology: `topology('orders', (t) => { t.source('events').pipe(…); })`. With `partitions` throws
 * `stage_needs_one_log`, `bad_partitions` and `bad_topology_name` for what cannot be divided.
 */
export function topology(
  name: string,
  build: (builder: Builder) => void,
  { partitions }: TopologyOptions = {},
): Topology {
  const builder = new Builder();
  build(builder);
  requireWatermarks(builder.nodes);
  if (partitions !== undefined) {
    requirePartitions(partitions);
    requireStageName(name);
    splitStages(name, builder.nodes);
    requireOrder(name, builder.nodes, builder.sources);
  }
  return new Topology(name, builder.nodes, builder.sources, builder.resendSubjects, partitions);
}
