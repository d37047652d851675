import { type Observable, Subject, tap } from 'rxjs';
import { invariant, type Signal } from '../base/index.ts';
import type { SourceRecord } from '../edges/index.ts';
import { outputOf, SIDE_OUTPUT } from './merge.ts';
import type { Graph, Node } from './node.ts';
import type { Runtime } from './operator.ts';
import { trackedNodes } from './origins.ts';

/** Hears the batches that leave nodes, by node name: for tests and inspection. */
export type Listen = (node: string, items: readonly unknown[]) => void;

function hear(node: string, signal: Signal<unknown>, listen: Listen): void {
  if (signal.kind === 'batch' && signal.side === undefined) listen(node, signal.items);
}

/** Builds the RxJS graph of nodes and subscribes to its ends; see `Topology.start`. */
export function startGraph(
  all: readonly Node[],
  runtime: Runtime,
  failed: (error: unknown) => void,
  listen?: Listen,
): Graph {
  const entries = new Map<string, Subject<Signal<SourceRecord>>>();
  const outputs = new Map<string, Observable<Signal<unknown>>>();
  const used = new Set(all.flatMap(({ inputs }) => inputs));
  const byName = new Map(all.map((node) => [node.name, node]));
  const subscriptions: { unsubscribe(): void }[] = [];
  let arrived = 0;
  let ends = 0;
  runtime.eventTime.follow(all);
  const nodes = all.map((node) => ({ ...node, isSide: node.kind === SIDE_OUTPUT }));
  runtime.outputs.track(trackedNodes(nodes));
  // Nodes subscribe from the ends backwards, so that a shared node emits only when all of its readers listen.
  const joints: { subject: Subject<Signal<unknown>>; from: Observable<Signal<unknown>> }[] = [];
  for (const node of all) {
    const inputs = node.inputs.map((input) => {
      const output = outputs.get(input);
      invariant(output !== undefined, `node ${node.name} reads from ${input}, which comes before it`);
      const isWhole = node.kind === SIDE_OUTPUT || byName.get(input)?.hasSides !== true;
      return isWhole ? output : outputOf(output, undefined);
    });
    const made = node.kind === 'source' ? entryOf(entries, node.name) : node.connect(runtime, inputs);
    const output = listen === undefined ? made : made.pipe(tap((signal) => hear(node.name, signal, listen)));
    const readers = all.flatMap(({ inputs: from }) => from).filter((from) => from === node.name).length;
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

function entryOf(
  entries: Map<string, Subject<Signal<SourceRecord>>>,
  source: string,
): Subject<Signal<SourceRecord>> {
  const entry = entries.get(source) ?? new Subject();
  entries.set(source, entry);
  return entry;
}
