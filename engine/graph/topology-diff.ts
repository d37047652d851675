import type { TableDescription } from '../state/index.ts';
import type { NodeDescription, TopologyDescription } from './node.ts';
import type { Definition } from './operator.ts';

/** One difference between the topology that wrote a state and the one that is to run on it. */
export interface TopologyChange {
  readonly kind:
    | 'topology_renamed'
    | 'operator_added'
    | 'operator_removed'
    | 'operator_renamed'
    | 'kind_changed'
    | 'definition_changed'
    | 'inputs_changed'
    | 'table_added'
    | 'table_removed'
    | 'table_kind_changed'
    | 'version_changed';
  /** The operator's name; the topology's for `topology_renamed`. */
  readonly name: string;
  /** State would be given up: it takes somebody's word to go on. */
  readonly losesState: boolean;
  /** The program cannot read what is in the table that `orphans` names: a start refuses, or gives it up by word. */
  readonly isUnreadable?: true;
  /** Tables whose rows would be left without a reader, by id. */
  readonly orphans: readonly string[];
  /** A sentence. */
  readonly text: string;
}

/** The kind of the nodes where records enter. */
const SOURCE = 'source';
const NOTHING_LOST = { losesState: false, orphans: [] } as const;

/**
 * What was added, went and changed, in words, in the order of the running topology and then of the stored
 * one. `isEmpty` says of a stored table, by its id, whether it has no rows: operators whose rows have all gone
 * may be defined otherwise, if they say so.
 */
export function diffTopology(
  stored: TopologyDescription,
  running: TopologyDescription,
  isEmpty: (table: string) => boolean = () => false,
): TopologyChange[] {
  const before = new Map(stored.nodes.map((node) => [node.name, node]));
  const after = new Map(running.nodes.map((node) => [node.name, node]));
  const added = running.nodes.filter(({ name }) => !before.has(name));
  const removed = stored.nodes.filter(({ name }) => !after.has(name));
  const renamed = renames(removed, added);
  return [
    ...renamedTopology(stored.name, running.name),
    ...running.nodes.flatMap((node) => {
      const old = before.get(node.name);
      return old === undefined ? [] : changesOf(old, node, isEmpty);
    }),
    ...added.filter(({ name }) => ![...renamed.values()].includes(name)).map(addition),
    ...removed.map((node) => removal(node, renamed.get(node.name))),
  ];
}

function renamedTopology(stored: string, running: string): TopologyChange[] {
  if (stored === running) return [];
  const text = `The state was written by topology "${stored}", this one is "${running}".`;
  return [{ kind: 'topology_renamed', name: running, losesState: true, orphans: [], text }];
}

function tablesOf({ name, state }: NodeDescription): string[] {
  return Object.keys(state).map((table) => `${name}/${table}`);
}

function addition({ name, kind }: NodeDescription): TopologyChange {
  const text = `Operator "${name}" (${kind}) is new: it begins with what comes from now on.`;
  return { kind: 'operator_added', name, ...NOTHING_LOST, text };
}

function removal(node: NodeDescription, newName: string | undefined): TopologyChange {
  const { name, kind } = node;
  const orphans = tablesOf(node);
  const losesState = orphans.length > 0;
  if (newName !== undefined && losesState) {
    const text =
      `Operator "${name}" (${kind}) is now called "${newName}", it seems: the name keys its state ` +
      `(${orphans.join(', ')}), which the new name does not find. Give it its old name back to keep it.`;
    return { kind: 'operator_renamed', name, losesState, orphans, text };
  }
  const lost = losesState ? `, and its state (${orphans.join(', ')}) has no reader` : '; it had no state';
  const text = `Operator "${name}" (${kind}) is gone${lost}.`;
  return { kind: 'operator_removed', name, losesState, orphans, text };
}

/** Old names to new ones: the one added operator that has the kind and the tables of the one removed. */
function renames(
  removed: readonly NodeDescription[],
  added: readonly NodeDescription[],
): Map<string, string> {
  const shape = ({ kind, state }: NodeDescription): string =>
    JSON.stringify([kind, Object.keys(state).toSorted()]);
  const found = new Map<string, string>();
  for (const node of removed) {
    const alike = added.filter((other) => shape(other) === shape(node));
    const rivals = removed.filter((other) => shape(other) === shape(node));
    const [only] = alike;
    if (only !== undefined && alike.length === 1 && rivals.length === 1) found.set(node.name, only.name);
  }
  return found;
}

function changesOf(
  old: NodeDescription,
  node: NodeDescription,
  isEmpty: (table: string) => boolean,
): TopologyChange[] {
  const { name } = node;
  if (old.kind === SOURCE && node.kind === SOURCE) return sourceChanges(old, node);
  if (old.kind !== node.kind) {
    const text =
      `Operator "${name}" was of kind "${old.kind}" and is of kind "${node.kind}": what the one kept ` +
      'means nothing to the other. Give the new one a name of its own.';
    return [{ kind: 'kind_changed', name, losesState: true, orphans: tablesOf(old), text }];
  }
  const redefined = redefinition(old, node, isEmpty);
  if (redefined?.losesState === true) return [redefined];
  const changes: TopologyChange[] = redefined === undefined ? [] : [redefined];
  if (old.inputs.join() !== node.inputs.join()) {
    const text = `Operator "${name}" now reads from ${node.inputs.join(', ')}, not from ${old.inputs.join(', ')}.`;
    changes.push({ kind: 'inputs_changed', name, ...NOTHING_LOST, text });
  }
  for (const [table, description] of Object.entries(node.state)) {
    changes.push(...tableChanges(name, table, old.state[table], description));
  }
  for (const id of tablesOf(old).filter((table) => !tablesOf(node).includes(table))) {
    const text = `Operator "${name}" has no table "${id}" any more, and its rows have no reader.`;
    changes.push({ kind: 'table_removed', name, losesState: true, orphans: [id], text });
  }
  return changes;
}

/** A source goes on from its position: what that has passed and only the new definition takes is not read again. */
function sourceChanges(
  { definition: before = {} }: NodeDescription,
  node: NodeDescription,
): TopologyChange[] {
  const { name, definition: after = {} } = node;
  const said = (of: Definition): string => {
    const parts = Object.entries(of).map(([key, value]) => `${key} ${JSON.stringify(value)}`);
    return parts.length === 0 ? 'all of its stream' : parts.join(', ');
  };
  if (said(before) === said(after)) return [];
  const text =
    `Source "${name}" read ${said(before)} and now reads ${said(after)}: what lies before its position in ` +
    'the stream is not read again. Give it a name of its own to read from the beginning.';
  return [{ kind: 'definition_changed', name, losesState: true, orphans: [], text }];
}

/** Of an operator whose rows depend on more than their schema; a state from before that was kept says nothing. */
function redefinition(
  old: NodeDescription,
  { name, kind, definition, definedTables }: NodeDescription,
  isEmpty: (table: string) => boolean,
): TopologyChange | undefined {
  const before = old.definition;
  if (before === undefined || definition === undefined) return undefined;
  const names = [...new Set([...Object.keys(before), ...Object.keys(definition)])];
  const quoted = (value: unknown): string => (value === undefined ? 'not there' : JSON.stringify(value));
  const differences = names
    .filter((each) => before[each] !== definition[each])
    .map((each) => `${each} was ${quoted(before[each])} and is ${quoted(definition[each])}`);
  if (differences.length === 0) return undefined;
  const said = `Operator "${name}" (${kind}) is defined otherwise: ${differences.join('; ')}.`;
  if (definedTables?.every((table) => isEmpty(`${name}/${table}`)) === true) {
    const text = `${said} It holds no rows of the old definition.`;
    return { kind: 'definition_changed', name, ...NOTHING_LOST, text };
  }
  const orphans = tablesOf(old);
  const text =
    `${said} What it kept (${orphans.join(', ')}) was made by the old definition. Give the new one a name ` +
    'of its own, or rebuild the state from the stream.';
  return { kind: 'definition_changed', name, losesState: true, orphans, text };
}

function tableChanges(
  name: string,
  table: string,
  old: NodeDescription['state'][string] | undefined,
  { kind, version, migrates = false }: TableDescription,
): TopologyChange[] {
  const id = `${name}/${table}`;
  if (old === undefined) {
    const text = `Table "${id}" is new: it begins empty.`;
    return [{ kind: 'table_added', name, ...NOTHING_LOST, text }];
  }
  if (old.kind !== kind) {
    const text = `Table "${id}" was a ${old.kind} table and is a ${kind} table: its rows cannot be read as such. Give the new table a name of its own.`;
    return [{ kind: 'table_kind_changed', name, losesState: true, orphans: [id], text }];
  }
  if (old.version === version) return [];
  if (old.version > version || !migrates) {
    const why = old.version > version ? 'is older than that' : 'has no migration from it';
    const text = `Table "${id}" was written with schema version ${old.version}; this program reads version ${version} and ${why}.`;
    return [{ kind: 'version_changed', name, losesState: false, orphans: [id], isUnreadable: true, text }];
  }
  const text = `Table "${id}" changes from schema version ${old.version} to ${version}.`;
  return [{ kind: 'version_changed', name, ...NOTHING_LOST, text }];
}
