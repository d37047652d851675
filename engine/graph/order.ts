import { MillraceError } from '../base/index.ts';
import type { SourceSpec } from './source-spec.ts';

/** Where in its log an ordered task is at work. */
export interface Cursor {
  /** Of the record, or the tick, that is at work: what comes out meanwhile is of it. 0 before the first. */
  readonly sequence: number;
}

/** Time passes in the log: a message without content, for whoever would follow the clock while nothing comes. */
export interface Tick {
  /** What the log's clock says: when the tick was stored, by the server, ms. */
  readonly now_ms: number;
  /** Since the last record that was no tick was stored, ms. */
  readonly idle_ms: number;
}

/** A node, as far as the order of what comes out of it goes. */
export interface OrderNode {
  readonly name: string;
  readonly kind: string;
  readonly inputs: readonly string[];
  /** Why what it gives follows from more than its log. */
  readonly unordered?: string;
  readonly takesDefinitions?: boolean;
}

/** Kinds of nodes at which a topology is cut: what comes to them leaves the task. */
const CUTS: ReadonlySet<string> = new Set(['repartition', 'channel-out']);

/**
 * Throws for what an ordered task cannot have, by name: `not_ordered` for an operator or a source whose results do not
 * follow from the log alone, `definitions_before_cut` for one that takes definitions on the way to a cut. `nodes` come
 * behind their inputs.
 */
export function requireOrder(
  topology: string,
  nodes: readonly OrderNode[],
  sources: readonly SourceSpec[],
): void {
  for (const { name, kind, unordered } of nodes) {
    if (unordered !== undefined)
      throw notOrdered(topology, `"${name}" (${kind}) cannot be in it: ${unordered}`);
  }
  for (const { name, through } of sources) {
    if (through === undefined) continue;
    const why =
      'what is looked up for a record is no part of the log, and may be another answer in the next reading';
    throw notOrdered(
      topology,
      `the source "${name}" has something between stream and graph (through): ${why}. Bring it in as a stream, and join it`,
    );
  }
  const leading = leadingToCuts(nodes);
  for (const { name, kind, takesDefinitions } of nodes) {
    if (takesDefinitions === true && leading.has(name)) throw definitionsBeforeCut(topology, name, kind);
  }
}

/** Throws `definitions_before_cut` for an operator that takes definitions, where something comes from it to a cut. */
export function requireBehindCuts(
  { name, nodes }: { readonly name: string; readonly nodes: readonly OrderNode[] },
  operator: string,
): void {
  const node = nodes.find((each) => each.name === operator);
  if (leadingToCuts(nodes).has(operator)) throw definitionsBeforeCut(name, operator, node?.kind ?? '');
}

/** The nodes from which something comes to a cut. */
function leadingToCuts(nodes: readonly OrderNode[]): ReadonlySet<string> {
  const leading = new Set<string>();
  for (const { name, kind, inputs } of nodes.toReversed()) {
    if (CUTS.has(kind) || leading.has(name)) for (const input of inputs) leading.add(input);
  }
  return leading;
}

function notOrdered(topology: string, why: string): MillraceError {
  return new MillraceError(
    'not_ordered',
    `What the partitions of "${topology}" give must follow from their logs alone, so that two hosts which work on ` +
      `one give the same. ${why.charAt(0).toUpperCase()}${why.slice(1)}.`,
  );
}

function definitionsBeforeCut(topology: string, node: string, kind: string): MillraceError {
  return new MillraceError(
    'definitions_before_cut',
    `"${node}" (${kind}) in "${topology}" takes definitions that users make while it runs, and stands before a cut: ` +
      'between which records one begins would differ from host to host. Put it behind the last cut.',
  );
}

export function commitBound(node: string, kind: string): MillraceError {
  return new MillraceError(
    'commit_bound_output',
    `"${node}" (${kind}) gives something while a commit passes. In a partitioned topology that would come after ` +
      'another record on each host. Give it when a record comes, when a timer is due or when the watermark rises.',
  );
}

/** The task reads one log, so that its records have one order. */
export function requireOneLog(topology: string, sources: readonly string[]): void {
  if (sources.length === 1) return;
  throw notOrdered(
    topology,
    `It reads ${sources.length} streams (${sources.join(', ')}), whose records have no order between them: bring them ` +
      'into one stream',
  );
}
