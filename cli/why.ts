import { embeddedServer, jetstreamInputs, type NatsServer } from '../connectors/index.ts';
import { asMillraceError, type Progress, systemClock } from '../engine/index.ts';
import {
  type Cause,
  diagnose,
  gatherFacts,
  NOT_STARTED,
  ORDER_INPUT,
  readStatus,
  type WhyPlace,
} from '../runtime/index.ts';
import type { CommandArguments, CommandContext, ExitCode } from './command.ts';
import { connect } from './nats.ts';
import { type Place, placeOf, progressOf, withState } from './place.ts';

/** The whole answer is to be there within two seconds. */
const CONNECT_TIMEOUT_MS = 1_000;

/** Says why nothing comes out of a topology, or of a part of it. */
export async function why(args: CommandArguments, context: CommandContext): Promise<ExitCode> {
  const place = await placeOf(context.env);
  const causes = await causesOf(place);
  if (args.flag('json')) {
    context.print(JSON.stringify({ topology: place.topology.name, why: causes }, null, 2));
  } else {
    for (const line of linesOf(place.topology.name, causes)) context.print(line);
  }
  return causes.length === 0 ? 0 : 1;
}

function linesOf(topology: string, causes: readonly Cause[]): string[] {
  if (causes.length === 0) return [`Nothing keeps "${topology}" from giving what it is to give.`];
  return causes.flatMap(({ code, place, sentence, next }) => [
    `${place}: ${sentence} [${code}]`,
    `  next: ${next}`,
  ]);
}

async function causesOf(place: Place): Promise<readonly Cause[]> {
  const { topology, dataDir, file } = place;
  const inputs = file === undefined ? [ORDER_INPUT] : jetstreamInputs(topology);
  const host = readStatus(dataDir, topology.name, systemClock.now());
  const isOwn = place.nats !== undefined;
  const nats = await linkTo(place.nats ?? (await embeddedServer(dataDir)), isOwn);
  try {
    const progress = await committed(place);
    const causes = diagnose(await gatherFacts({ topology, inputs, host, progress, nats }));
    return causes.map((cause) => (cause.code === 'not_running' ? notRunning(cause, place) : cause));
  } finally {
    if ('connection' in nats) await nats.close();
  }
}

/** With the folder that was looked at, and the command for this topology. */
function notRunning(cause: Cause, { dataDir, file }: Place): Cause {
  const command = [
    'millrace start',
    ...(file === undefined ? [] : [`--topology ${file}`]),
    `--data-dir ${dataDir}`,
  ];
  return {
    ...cause,
    sentence: `No process runs this topology on the data folder ${dataDir}.`,
    next: `Start it: "${command.join(' ')}". If one runs, give the DATA_DIR (--data-dir) that it has.`,
  };
}

/** A connection, or why there is none: without one there is still something to say. */
async function linkTo(server: NatsServer | undefined, isOwn: boolean): Promise<WhyPlace['nats']> {
  if (server === undefined) {
    return { url: 'the data folder', code: NOT_STARTED, message: 'No server has run here.' };
  }
  try {
    return await connect(server, CONNECT_TIMEOUT_MS);
  } catch (thrown) {
    const { code, message } = asMillraceError(thrown);
    if (!isOwn && code === 'nats_unreachable') return { url: server.url, code: NOT_STARTED, message };
    // Not its credentials.
    return { url: server.url.replaceAll(/\/\/[^@/]*@/g, '//'), code, message };
  }
}

async function committed(place: Place): Promise<Progress | undefined> {
  try {
    return await withState(place, progressOf);
  } catch (thrown) {
    if (asMillraceError(thrown).code === 'no_state') return undefined;
    throw thrown;
  }
}
