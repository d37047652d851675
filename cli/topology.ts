import {
  diffTopology,
  META_TABLE,
  MillraceError,
  readTopology,
  type TopologyDescription,
} from '../engine/index.ts';
import { settingsOf, topologyOf, withState } from './app.ts';
import { type Command, JSON_OPTION, PLACE_OPTIONS } from './command.ts';

function tablesOf(state: TopologyDescription['nodes'][number]['state']): string {
  const tables = Object.entries(state).map(([table, { kind, version }]) => `${table} (${kind}, v${version})`);
  return tables.length === 0 ? '' : `; state: ${tables.join(', ')}`;
}

const describeCommand: Command = {
  name: 'topology describe',
  summary: 'Lists the operators, what they read and what they keep',
  options: JSON_OPTION,
  run: async (args, { env, print }) => {
    const described = topologyOf(await settingsOf(env)).describe();
    if (args.flag('json')) print(JSON.stringify(described, null, 2));
    else {
      for (const { name, kind, inputs, summary, state } of described.nodes) {
        const from = inputs.length === 0 ? '' : ` <- ${inputs.join(', ')}`;
        print(`${name} (${kind})${from}: ${summary}${tablesOf(state)}`);
      }
    }
    return 0;
  },
};

const drawCommand: Command = {
  name: 'topology draw',
  summary: 'Draws the topology as a Mermaid flowchart',
  options: {},
  run: async (_, { env, print }) => {
    print(topologyOf(await settingsOf(env)).draw());
    return 0;
  },
};

const diffCommand: Command = {
  name: 'topology diff',
  summary: 'Compares the topology that wrote the state with the one that would run on it',
  details: ['Exit code 1: a start would refuse, for state would be given up.'],
  options: { 'data-dir': PLACE_OPTIONS['data-dir'], ...JSON_OPTION },
  run: async (args, { env, print }) => {
    const settings = await settingsOf(env);
    const stored = await withState(settings, (reader) =>
      reader.snapshot((table) => readTopology(table(META_TABLE))),
    );
    if (stored === undefined) {
      throw new MillraceError(
        'no_stored_topology',
        'The state does not say which topology wrote it: it is from before that was kept. The next start writes it down.',
      );
    }
    const changes = diffTopology(stored, topologyOf(settings).describe());
    if (args.flag('json')) print(JSON.stringify(changes, null, 2));
    else if (changes.length === 0) print('The topology is the one that wrote the state.');
    for (const { text, losesState } of args.flag('json') ? [] : changes) {
      print(`${losesState ? 'refused' : 'fine   '}  ${text}`);
    }
    return changes.some(({ losesState }) => losesState) ? 1 : 0;
  },
};

export const topologyCommands: readonly Command[] = [describeCommand, drawCommand, diffCommand];
