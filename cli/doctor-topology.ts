import {
  DEADLETTER_STREAM,
  EVENTS_STREAM,
  embeddedServer,
  inspectStream,
  jetstreamInputs,
  openManager,
} from '../connectors/index.ts';
import { asMillraceError, changesFrom, isRefused, MillraceError } from '../engine/index.ts';
import type { CommandArguments, CommandContext } from './command.ts';
import { type Finding, failed, ok } from './findings.ts';
import { connect } from './nats.ts';
import { type Place, placeOf, withState } from './place.ts';
import { streamsOf } from './start-topology.ts';

/** What a topology of the user's needs: its module, a state that fits, and streams. */
export async function checkTopology(args: CommandArguments, { env }: CommandContext): Promise<Finding[]> {
  let place: Place;
  try {
    place = await placeOf(env);
  } catch (error) {
    return [failed('topology', asMillraceError(error).message)];
  }
  const { name, nodes } = place.topology.describe();
  const found = ok('topology', `"${name}" of ${place.file}, ${nodes.length} nodes`);
  return [found, await state(place), ...(await streams(place, streamsOf(args)))];
}

async function state(place: Place): Promise<Finding> {
  const running = place.topology.describe();
  try {
    const changes = await withState(place, (reader) =>
      reader.snapshot((table) => changesFrom(table, running)),
    );
    const refused = changes?.filter(isRefused) ?? [];
    if (refused.length === 0) return ok('state', 'it is of this topology');
    const why = refused.map(({ text }) => text).join(' ');
    return failed('state', `${why} A start refuses: see "millrace topology diff".`);
  } catch (thrown) {
    const { code, message } = asMillraceError(thrown);
    return code === 'no_state' ? ok('state', 'none yet: a start makes it') : failed('state', message);
  }
}

/** Those that it reads, those that it writes to, and the dead letters. */
async function streams(
  { topology, dataDir, nats }: Place,
  writes: Readonly<Record<string, readonly string[]>>,
): Promise<Finding[]> {
  const check = 'streams';
  try {
    const reads = jetstreamInputs(topology).map(({ stream, subjects }) => [stream, subjects] as const);
    const server = nats ?? (await embeddedServer(dataDir));
    if (server === undefined) return [ok(check, 'not looked at: the embedded server starts with millrace')];
    const link = await connect(server);
    try {
      const manager = await openManager(link);
      const findings: Finding[] = [];
      for (const [name, subjects] of [...reads, ...Object.entries(writes)]) {
        findings.push(
          await stream(name, subjects, () => inspectStream(manager, { ...EVENTS_STREAM, name, subjects })),
        );
      }
      const { name, subjects } = DEADLETTER_STREAM;
      findings.push(await stream(name, subjects, () => inspectStream(manager, DEADLETTER_STREAM)));
      return findings;
    } finally {
      await link.close();
    }
  } catch (thrown) {
    if (nats === undefined && thrown instanceof MillraceError && thrown.code === 'nats_unreachable') {
      return [ok(check, 'not looked at: the embedded server does not run now')];
    }
    return [failed(check, asMillraceError(thrown).message)];
  }
}

async function stream(
  name: string,
  subjects: readonly string[],
  inspect: () => Promise<readonly string[] | undefined>,
): Promise<Finding> {
  const check = `stream ${name}`;
  try {
    const warnings = await inspect();
    if (warnings === undefined)
      return ok(check, `not there yet: a start makes it for ${subjects.join(', ')}`);
    return ok(check, warnings.length === 0 ? `takes ${subjects.join(', ')}` : warnings.join(' '));
  } catch (thrown) {
    return failed(check, asMillraceError(thrown).message);
  }
}
