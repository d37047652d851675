import { Observable, type OperatorFunction, Subject } from 'rxjs';
import { invariant, MillraceError } from './errors.ts';
import type { Operator, Runtime } from './operator.ts';
import type { Signal } from './signal.ts';
import type { SourceRecord } from './source.ts';
import type { TableSpecs } from './tables.ts';

export interface NodeDescription {
  readonly name: string;
  readonly kind: string;
  readonly summary: string;
  readonly inputs: readonly string[];
  readonly state: Readonly<Record<string, { readonly kind: string; readonly version: number }>>;
}

export interface TopologyDescription {
  readonly name: string;
  readonly nodes: readonly NodeDescription[];
}

interface Node extends Omit<NodeDescription, 'state'> {
  readonly state: TableSpecs;
  /** How the node's inputs become its output, once bound to a runtime. */
  connect(runtime: Runtime, inputs: readonly Observable<Signal<unknown>>[]): Observable<Signal<unknown>>;
}

/** A running graph: push signals in at the source; `arrivals` counts the ends that a barrier reached. */
export interface Graph {
  push(signal: Signal<SourceRecord>): void;
  /** How many ends a barrier has to reach. */
  readonly ends: number;
  arrivals(): number;
  stop(): void;
}

/** A place in a topology under construction, typed by what flows there. */
export class Stream<T> {
  readonly #builder: Builder;
  readonly name: string;

  constructor(builder: Builder, name: string) {
    this.#builder = builder;
    this.name = name;
  }

  pipe<B>(a: Operator<T, B>): Stream<B>;
  pipe<B, D>(a: Operator<T, B>, b: Operator<B, D>): Stream<D>;
  pipe<B, D, E>(a: Operator<T, B>, b: Operator<B, D>, c: Operator<D, E>): Stream<E>;
  pipe<B, D, E, F>(a: Operator<T, B>, b: Operator<B, D>, c: Operator<D, E>, d: Operator<E, F>): Stream<F>;
  pipe(...operators: Operator<never, unknown>[]): Stream<unknown> {
    let at: string = this.name;
    for (const operator of operators) {
      const { name, kind, summary, state } = operator;
      this.#builder.add({
        name,
        kind,
        summary,
        state,
        inputs: [at],
        connect: (runtime, [input]) => {
          invariant(input !== undefined, `operator ${name} has an input`);
          const bound = operator.bind(runtime) as OperatorFunction<Signal<unknown>, Signal<unknown>>;
          return input.pipe(bound);
        },
      });
      at = name;
    }
    return new Stream<unknown>(this.#builder, at);
  }
}

export class Builder {
  readonly nodes: Node[] = [];

  add(node: Node): void {
    if (this.nodes.some(({ name }) => name === node.name)) {
      throw new MillraceError(
        'duplicate_operator_name',
        `Two nodes are named "${node.name}": names key the state, so each needs its own.`,
      );
    }
    this.nodes.push(node);
  }

  /** Where records enter; one per topology, as a task owns one partition of one stream. */
  source(name: string): Stream<SourceRecord> {
    this.add({
      name,
      kind: 'source',
      summary: 'Records of a stream',
      inputs: [],
      state: {},
      connect: unreachable,
    });
    return new Stream(this, name);
  }

  /** Several streams of one type as one: barriers wait for all inputs, the watermark is their minimum. */
  merge<T>(name: string, ...streams: Stream<T>[]): Stream<T> {
    const inputs = streams.map((stream) => stream.name);
    this.add({
      name,
      kind: 'merge',
      summary: 'Inputs as one stream',
      inputs,
      state: {},
      connect: (_, all) => mergeSignals(all),
    });
    return new Stream(this, name);
  }
}

function unreachable(): never {
  throw new MillraceError('invariant_broken', 'A source has no inputs to connect.');
}

/** Aligns barriers (emitted once all inputs have sent theirs) and takes the minimum watermark. */
export function mergeSignals<T>(inputs: readonly Observable<Signal<T>>[]): Observable<Signal<T>> {
  return new Observable((output) => {
    const watermarks = inputs.map(() => Number.NEGATIVE_INFINITY);
    let emitted_ms = Number.NEGATIVE_INFINITY;
    let waiting = inputs.length;
    const subscriptions = inputs.map((input, index) =>
      input.subscribe({
        next: (signal) => {
          if (signal.kind === 'batch') output.next(signal);
          else if (signal.kind === 'watermark') {
            watermarks[index] = signal.time_ms;
            const time_ms = Math.min(...watermarks);
            if (time_ms > emitted_ms) {
              emitted_ms = time_ms;
              output.next({ kind: 'watermark', time_ms });
            }
          } else if (--waiting === 0) {
            waiting = inputs.length;
            output.next(signal);
          }
        },
        error: (error) => output.error(error),
      }),
    );
    return () => {
      for (const subscription of subscriptions) subscription.unsubscribe();
    };
  });
}

/** A named dataflow graph. Data until `start`: it can be described, drawn and compared. */
export class Topology {
  readonly name: string;
  readonly #nodes: readonly Node[];

  constructor(name: string, nodes: readonly Node[]) {
    this.name = name;
    this.#nodes = nodes;
  }

  describe(): TopologyDescription {
    return {
      name: this.name,
      nodes: this.#nodes.map(({ name, kind, summary, inputs, state }) => ({
        name,
        kind,
        summary,
        inputs,
        state: Object.fromEntries(
          Object.entries(state).map(([table, spec]) => [table, { kind: spec.kind, version: spec.version }]),
        ),
      })),
    };
  }

  /** Every state table with its id in the store, for the digest and other readers of state. */
  tables(): { readonly id: string; readonly spec: TableSpecs[string] }[] {
    return this.#nodes.flatMap(({ name, state }) =>
      Object.entries(state).map(([table, spec]) => ({ id: `${name}/${table}`, spec })),
    );
  }

  /** A Mermaid flowchart. */
  draw(): string {
    const lines = ['flowchart LR'];
    for (const { name, kind, inputs, state } of this.#nodes) {
      const tables = Object.keys(state);
      const label = `${name}<br/><i>${kind}</i>${tables.length > 0 ? `<br/>${tables.join(', ')}` : ''}`;
      lines.push(`  ${name}${kind === 'source' ? `(["${label}"])` : `["${label}"]`}`);
      for (const input of inputs) lines.push(`  ${input} --> ${name}`);
    }
    return lines.join('\n');
  }

  /** Builds the RxJS graph and subscribes to its ends. `failed` hears the first error of an operator. */
  start(runtime: Runtime, failed: (error: unknown) => void): Graph {
    const entry = new Subject<Signal<SourceRecord>>();
    const outputs = new Map<string, Observable<Signal<unknown>>>();
    const used = new Set(this.#nodes.flatMap(({ inputs }) => inputs));
    const subscriptions: { unsubscribe(): void }[] = [];
    let arrived = 0;
    let ends = 0;
    // Nodes subscribe from the ends backwards, so that a shared node emits only when all of its readers listen.
    const joints: { subject: Subject<Signal<unknown>>; from: Observable<Signal<unknown>> }[] = [];
    for (const node of this.#nodes) {
      const inputs = node.inputs.map((input) => {
        const output = outputs.get(input);
        invariant(output !== undefined, `node ${node.name} reads from ${input}, which comes before it`);
        return output;
      });
      const output = node.kind === 'source' ? entry : node.connect(runtime, inputs);
      const readers = this.#nodes.filter(({ inputs: from }) => from.includes(node.name)).length;
      if (readers > 1 && node.kind !== 'source') {
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
      push: (signal) => entry.next(signal),
      ends,
      arrivals: () => arrived,
      stop: () => {
        for (const subscription of subscriptions) subscription.unsubscribe();
      },
    };
  }
}

/** Builds a topology: `topology('orders', (t) => { t.source('events').pipe(…); })`. */
export function topology(name: string, build: (builder: Builder) => void): Topology {
  const builder = new Builder();
  build(builder);
  return new Topology(name, builder.nodes);
}
