import {
  DEADLETTER_STREAM,
  EVENTS_STREAM,
  embeddedServer,
  inspectStream,
  jetstreamInputs,
  type NatsLink,
  openManager,
} from '../connectors/index.ts';
import { asMillraceError, changesFrom, isRefused, MillraceError } from '../engine/index.ts';
import { edgeProblems, lookAtEdges } from '../runtime/index.ts';
import type { CommandArguments, CommandContext } from './command.ts';
import { type Finding, failed, failedBy, ok } from './findings.ts';
import { connect } from './nats.ts';
import { type Place, placeOf, withState } from './place.ts';
import { failingRecordsOf, streamsOf } from './start-topology.ts';

/** What a topology of the user's needs: its module, a state that fits, and streams. */
export async function checkTopology(args: CommandArguments, { env }: CommandContext): Promise<Finding[]> {
  let place: Place;
  try {
    place = await placeOf(env);
  } catch (error) {
    return [failedBy('topology', error)];
  }
  const { name, nodes } = place.topology.describe();
  const found = ok('topology', `"${name}" of ${place.file}, ${nodes.length} nodes`);
  const options = { streams: streamsOf(args), failingRecords: failingRecordsOf(args) };
  return [found, await state(place), ...(await streams(place, options))];
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

type EdgeOptions = Parameters<typeof lookAtEdges>[0]['options'];

/** Those that it reads, those that it writes to, the dead letters, and whether its subjects fit them. */
async function streams(place: Place, options: EdgeOptions): Promise<Finding[]> {
  const { topology, dataDir, nats } = place;
  const check = 'streams';
  const notLooked = async (why: string): Promise<Finding[]> => [
    ok(check, `not looked at: ${why}`),
    ...(await edges(place, undefined, options)),
  ];
  try {
    const reads = jetstreamInputs(topology).map(({ stream, subjects }) => [stream, subjects] as const);
    const server = nats ?? (await embeddedServer(dataDir));
    if (server === undefined) return await notLooked('the embedded server starts with millrace');
    const link = await connect(server);
    try {
      const manager = await openManager(link);
      const findings: Finding[] = [];
      for (const [name, subjects] of [...reads, ...Object.entries(options.streams ?? {})]) {
        findings.push(
          await stream(name, subjects, () => inspectStream(manager, { ...EVENTS_STREAM, name, subjects })),
        );
      }
      const { name, subjects } = DEADLETTER_STREAM;
      findings.push(await stream(name, subjects, () => inspectStream(manager, DEADLETTER_STREAM)));
      return [...findings, ...(await edges(place, link, options))];
    } finally {
      await link.close();
    }
  } catch (thrown) {
    if (nats === undefined && thrown instanceof MillraceError && thrown.code === 'nats_unreachable') {
      return await notLooked('the embedded server does not run now');
    }
    return [failedBy(check, thrown)];
  }
}

/** Filters and subjects of sinks; without a server what is wrong by itself. */
async function edges(
  { topology }: Place,
  link: NatsLink | undefined,
  options: EdgeOptions,
): Promise<Finding[]> {
  const inputs = jetstreamInputs(topology);
  const problems = edgeProblems(await lookAtEdges({ topology, inputs, link, options }));
  if (problems.length > 0) {
    return problems.map(({ code, place, sentence, next }) => failed(place, `${sentence} ${next} [${code}]`));
  }
  const subjects = [...new Set(topology.sends().map(({ subject }) => subject))];
  const sent = subjects.length === 0 ? 'nothing that is known before items come' : subjects.join(', ');
  return link === undefined ? [] : [ok('subjects', `filters fit; it sends ${sent}`)];
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
    return failedBy(check, thrown);
  }
}
