import { existsSync } from 'node:fs';
import type { NatsLink } from '../connectors/index.ts';
import { asMillraceError, type Progress, systemClock } from '../engine/index.ts';
import { type Cause, diagnose, gatherFacts, readStatus, type WhyPlace } from '../runtime/index.ts';
import type { CommandArguments, CommandContext, ExitCode } from './command.ts';
import { connect, embeddedUrl } from './nats.ts';
import { type Place, placeOf, progressOf, stateRoot, withState } from './place.ts';

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
  const { topology, dataDir, natsUrl } = place;
  const host = readStatus(dataDir, topology.name, systemClock.now());
  const url = host?.natsUrl ?? natsUrl ?? (await embeddedUrl(dataDir));
  const nats = await linkTo(url);
  try {
    const progress = await committed(place);
    return diagnose(await gatherFacts({ topology, host, progress, nats }));
  } finally {
    if ('connection' in nats) await nats.close();
  }
}

/** A connection, or why there is none: without one there is still something to say. */
async function linkTo(url: string | undefined): Promise<NatsLink | Exclude<WhyPlace['nats'], NatsLink>> {
  if (url === undefined) {
    return { url: 'the data folder', code: 'nats_unreachable', message: 'No server has run here.' };
  }
  try {
    return await connect(url, CONNECT_MS);
  } catch (thrown) {
    const { code, message } = asMillraceError(thrown);
    return { url, code, message };
  }
}

const CONNECT_MS = 1_000;

function committed(place: Place): Promise<Progress | undefined> {
  const isThere = existsSync(stateRoot(place.dataDir));
  return isThere
    ? withState(place, progressOf).catch((thrown: unknown) => {
        if (asMillraceError(thrown).code === 'no_state') return undefined;
        throw thrown;
      })
    : Promise.resolve(undefined);
}
