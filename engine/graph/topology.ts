import { type Observable, type OperatorFunction, Subject, tap } from 'rxjs';
import { type Either, invariant, MillraceError, type Signal } from '../base/index.ts';
import type { SourceRecord } from '../edges/index.ts';
import { describeTable, type TableDescription, type TableSpecs } from '../state/index.ts';
import { MAIN_OUTPUT } from './define-operator.ts';
import { mergeSignals, outputOf, tagged } from './merge.ts';
import type { Definition, NoSides, Operator, Runtime, Sides } from './operator.ts';
import { requireOneLog, requireOrder } from './order.ts';
import { trackedNodes } from './origins.ts';
import { Piped } from './pipe.ts';
import { checkRetractions, mergedRetractions, type Retractions, retractionsOf } from './retractions.ts';
import { type SentSubject, type SentTo, sentSubjects } from './sent-subjects.ts';
import type { SourceSpec } from './source-spec.ts';
import { drawTopology } from './topology-drawing.ts';
import { duplicateName, otherTopology } from './topology-errors.ts';
import { requireWatermarks } from './watermark-reach.ts';

/** An operator or a source of a topology as data: where it stands, and which tables it keeps. */
export interface NodeDescription {
  readonly name: string;
  readonly kind: string;
  readonly summary: string;
  readonly inputs: readonly string[];
  readonly state: Readonly<Record<string, TableDescription>>;
  /** What the rows of its state depend on, besides their schema. */
  readonly definition?: Definition;
  /** The tables of the rows that do; absent: its state as a whole. */
  readonly definedTables?: readonly string[];
}

/** A topology as data, to be drawn and compared. A node stands behind those that it reads. */
export interface TopologyDescription {
  readonly name: string;
  readonly nodes: readonly NodeDescription[];
}

interface Node extends Omit<NodeDescription, 'state'> {
  readonly state: TableSpecs;
  /** Its output carries batches of side outputs too. */
  readonly hasSides: boolean;
  readonly sendsTo?: readonly SentTo[];
  readonly makesIds?: boolean;
  readonly namesResults?: boolean;
  readonly ownsWatermark?: boolean;
  readonly needsWatermark?: boolean;
  readonly unordered?: string;
  readonly takesDefinitions?: boolean;
  /** By output: whether items of it may take earlier ones back. */
  retractionsOf?(output: string): Retractions | undefined;
  /** How the node's inputs become its output, once bound to a runtime. */
  connect(runtime: Runtime, inputs: readonly Observable<Signal<unknown>>[]): Observable<Signal<unknown>>;
}

/** A running graph: push signals in at the sources; `arrivals` counts the ends that a barrier reached. */
export interface Graph {
  /** Into one source, or all of them. */
  push(signal: Signal<SourceRecord>, source?: string): void;
  /** How many ends a barrier has to reach. */
  readonly ends: number;
  arrivals(): number;
  stop(): void;
}

const SIDE_OUTPUT = 'side-output';

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

/** Hears the batches that leave nodes, by node name: for tests and inspection. */
export type Listen = (node: string, items: readonly unknown[]) => void;

function hear(node: string, signal: Signal<unknown>, listen: Listen): void {
  if (signal.kind === 'batch' && signal.side === undefined) listen(node, signal.items);
}

/** A named dataflow graph. Data until `start`: it can be described, drawn and compared. */
export class Topology {
  readonly name: string;
  /** Those that say where their records come from. */
  readonly sources: readonly SourceSpec[];
  readonly #nodes: readonly Node[];
  readonly #resendSubjects: ReadonlyMap<string, string>;

  constructor(
    name: string,
    nodes: readonly Node[],
    sources: readonly SourceSpec[] = [],
    resendSubjects: ReadonlyMap<string, string> = new Map(),
  ) {
    this.name = name;
    this.#nodes = nodes;
    this.sources = sources;
    this.#resendSubjects = resendSubjects;
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
    const entries = new Map<string, Subject<Signal<SourceRecord>>>();
    const outputs = new Map<string, Observable<Signal<unknown>>>();
    const used = new Set(this.#nodes.flatMap(({ inputs }) => inputs));
    const byName = new Map(this.#nodes.map((node) => [node.name, node]));
    const subscriptions: { unsubscribe(): void }[] = [];
    let arrived = 0;
    let ends = 0;
    runtime.eventTime.follow(this.#nodes);
    const nodes = this.#nodes.map((node) => ({ ...node, isSide: node.kind === SIDE_OUTPUT }));
    runtime.outputs.track(trackedNodes(nodes));
    // Nodes subscribe from the ends backwards, so that a shared node emits only when all of its readers listen.
    const joints: { subject: Subject<Signal<unknown>>; from: Observable<Signal<unknown>> }[] = [];
    for (const node of this.#nodes) {
      const inputs = node.inputs.map((input) => {
        const output = outputs.get(input);
        invariant(output !== undefined, `node ${node.name} reads from ${input}, which comes before it`);
        const isWhole = node.kind === SIDE_OUTPUT || byName.get(input)?.hasSides !== true;
        return isWhole ? output : outputOf(output, undefined);
      });
      const made = node.kind === 'source' ? entryOf(entries, node.name) : node.connect(runtime, inputs);
      const output =
        listen === undefined ? made : made.pipe(tap((signal) => hear(node.name, signal, listen)));
      const readers = this.#nodes
        .flatMap(({ inputs: from }) => from)
        .filter((from) => from === node.name).length;
      // The entry is shared as it is; what listens to it must hear each batch once.
      if (readers > 1 && (node.kind !== 'source' || listen !== undefined)) {
        const subject = new Subject<Signal<unknown>>();
        joints.push({ subject, from: output });
        outputs.set(node.name, subject);
      } else {
        outputs.set(node.name, output);
      }
      if (!used.has(node.name)) {
        ends++;
        subscriptions.push(
          output.subscribe({
            next: (signal) => {
              if (signal.kind === 'barrier') arrived++;
            },
            error: failed,
          }),
        );
      }
    }
    for (const { subject, from } of joints.reverse()) subscriptions.push(from.subscribe(subject));
    return {
      push: (signal, source) => {
        if (source === undefined) for (const entry of entries.values()) entry.next(signal);
        else entryOf(entries, source).next(signal);
      },
      ends,
      arrivals: () => arrived,
      stop: () => {
        for (const subscription of subscriptions) subscription.unsubscribe();
      },
    };
  }
}

function entryOf(
  entries: Map<string, Subject<Signal<SourceRecord>>>,
  source: string,
): Subject<Signal<SourceRecord>> {
  const entry = entries.get(source) ?? new Subject();
  entries.set(source, entry);
  return entry;
}

/** Builds a topology: `topology('orders', (t) => { t.source('events').pipe(…); })`. */
export function topology(name: string, build: (builder: Builder) => void): Topology {
  const builder = new Builder();
  build(builder);
  requireWatermarks(builder.nodes);
  return new Topology(name, builder.nodes, builder.sources, builder.resendSubjects);
}
