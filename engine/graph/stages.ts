import { MillraceError } from '../base/index.ts';
import type { CutSpec } from './cut.ts';
import { duplicateName } from './topology-errors.ts';

/** A node, as far as stages go. */
export interface StagedNode {
  readonly name: string;
  readonly kind: string;
  readonly inputs: readonly string[];
  readonly cut?: CutSpec;
}

/** What a stage reads: the stream of the topology's source, or what the tasks of another stage give to a cut. */
export type StageInput =
  | { readonly kind: 'stream'; readonly source: string }
  | { readonly kind: 'cut'; readonly cut: string; readonly from: number };

export interface StageParts<N> {
  readonly reads: StageInput;
  /** In the order of the flow; the cuts that end the stage among them. */
  readonly nodes: readonly N[];
}

/** The node in a stage that a cut's messages enter by. */
export const channelSource = (cut: string): string => `${cut}-channel`;

/**
 * Divides a topology at its cuts. `nodes` come behind their inputs. Throws `stage_needs_one_log` where something needs
 * items of two logs, which have no order between them.
 */
export function splitStages<N extends StagedNode>(
  topology: string,
  nodes: readonly N[],
): readonly StageParts<N>[] {
  const sources = nodes.filter(({ kind }) => kind === 'source').map(({ name }) => name);
  const [source] = sources;
  if (source === undefined || sources.length > 1) {
    const read = sources.length === 0 ? 'no stream' : `${sources.length} streams (${sources.join(', ')})`;
    throw needsOneLog(topology, `it reads ${read}. Bring all records into one stream`);
  }
  const parts: { reads: StageInput; nodes: N[] }[] = [{ reads: { kind: 'stream', source }, nodes: [] }];
  /** The stage that what comes out of a node is in. */
  const stageOf = new Map<string, number>();
  for (const node of nodes) {
    const from = [...new Set(node.inputs.map((input) => stageOf.get(input) ?? 0))];
    const [at = 0] = from;
    if (from.length > 1) {
      const said = node.inputs.map((input) => `"${input}" of stage ${stageOf.get(input)}`).join(' and ');
      throw needsOneLog(
        topology,
        `"${node.name}" (${node.kind}) takes items of ${said}. Merge them before one cut, and let that lead to it`,
      );
    }
    parts[at]?.nodes.push(node);
    if (node.cut === undefined) stageOf.set(node.name, at);
    else {
      const entry = channelSource(node.name);
      const other = nodes.find(({ name }) => name === entry);
      if (other !== undefined) throw duplicateName(entry, other.kind, 'source');
      stageOf.set(node.name, parts.length);
      parts.push({ reads: { kind: 'cut', cut: node.name, from: at }, nodes: [] });
    }
  }
  return parts;
}

function needsOneLog(topology: string, why: string): MillraceError {
  return new MillraceError(
    'stage_needs_one_log',
    `A stage of the partitioned topology "${topology}" has to read exactly one log, and ${why}.`,
  );
}

/** Throws for a topology that cannot be taken apart. */
export function requireStageName(topology: string): void {
  if (/^[A-Za-z0-9_-]+$/.test(topology)) return;
  throw new MillraceError(
    'bad_topology_name',
    `"${topology}" cannot be the name of a partitioned topology: its streams and subjects have it, so use letters, digits, ` +
      '"_" and "-".',
  );
}

export function notPartitioned(topology: string): MillraceError {
  return new MillraceError(
    'not_partitioned',
    `The topology "${topology}" has no partitions: give it the option partitions.`,
  );
}
