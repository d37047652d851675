import { changesFrom, isRefused, MillraceError, type TopologyDescription } from '../engine/index.ts';
import type { CommandArguments, CommandContext, ExitCode } from './command.ts';
import { placeOf, withState } from './place.ts';

function tablesOf(state: TopologyDescription['nodes'][number]['state']): string {
  const tables = Object.entries(state).map(([table, { kind, version }]) => `${table} (${kind}, v${version})`);
  return tables.length === 0 ? '' : `; state: ${tables.join(', ')}`;
}

export async function describe(args: CommandArguments, { env, print }: CommandContext): Promise<ExitCode> {
  const { topology } = await placeOf(env);
  const described = topology.describe();
  if (args.flag('json')) print(JSON.stringify(described, null, 2));
  else {
    for (const { name, kind, inputs, summary, state } of described.nodes) {
      const from = inputs.length === 0 ? '' : ` <- ${inputs.join(', ')}`;
      print(`${name} (${kind})${from}: ${summary}${tablesOf(state)}`);
    }
  }
  return 0;
}

export async function draw({ env, print }: CommandContext): Promise<ExitCode> {
  const { topology } = await placeOf(env);
  print(topology.draw());
  return 0;
}

export async function diff(args: CommandArguments, { env, print }: CommandContext): Promise<ExitCode> {
  const place = await placeOf(env);
  const changes = await withState(place, (reader) =>
    reader.snapshot((table) => changesFrom(table, place.topology.describe())),
  );
  if (changes === undefined) {
    throw new MillraceError(
      'no_stored_topology',
      'The state does not say which topology wrote it: it is from before that was kept. The next start writes it down.',
    );
  }
  const isLosing = changes.some(({ losesState }) => losesState);
  const isUnreadable = changes.some((change) => change.isUnreadable === true);
  if (args.flag('json')) print(JSON.stringify(changes, null, 2));
  else {
    if (changes.length === 0) print('The topology is the one that wrote the state.');
    for (const change of changes) print(`${isRefused(change) ? 'refused' : 'fine   '}  ${change.text}`);
    if (isUnreadable || isLosing) {
      print(
        'A start refuses; with ALLOW_TOPOLOGY_CHANGE=1 it deletes the state that is given up or that it cannot read.',
      );
      print('"millrace replay --make-current --force" rebuilds all of it from the stream instead.');
    }
  }
  return changes.some(isRefused) ? 1 : 0;
}
