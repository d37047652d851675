import { existsSync } from 'node:fs';
import { join } from 'node:path';
import {
  connectNats,
  embeddedServer,
  type NatsLink,
  type NatsServer,
  startEmbeddedNats,
} from '../connectors/index.ts';
import { MillraceError } from '../engine/index.ts';
import type { CommandContext } from './command.ts';
import type { Folder } from './place.ts';

const CONNECT_TIMEOUT_MS = 3_000;
/** The embedded server's files in a data folder. */
const STREAMS = 'nats';

export function connect(
  server: NatsServer,
  connect_timeout_ms: number = CONNECT_TIMEOUT_MS,
): Promise<NatsLink> {
  return connectNats({ ...server, name: 'millrace-cli', connect_timeout_ms });
}

/** A connection to the embedded server of a running millrace; undefined when none answers. */
async function connectRunning(dataDir: string): Promise<NatsLink | undefined> {
  const server = await embeddedServer(dataDir);
  if (server === undefined) return undefined;
  try {
    return await connect(server);
  } catch (error) {
    if (error instanceof MillraceError && error.code === 'nats_unreachable') return undefined;
    throw error;
  }
}

/**
 * Works with the server of a folder: the one of NATS_URL, the embedded one of a millrace that runs on
 * the data folder, or else an embedded one that is started for as long as the work takes. Throws `no_streams`
 * where none has ever run: looking must not make what was not there.
 */
export async function withNats<T>(
  { dataDir, nats, natsPort }: Folder,
  { env, note }: CommandContext,
  work: (link: NatsLink) => Promise<T>,
): Promise<T> {
  const running = nats === undefined ? await connectRunning(dataDir) : await connect(nats);
  if (running === undefined && !existsSync(join(dataDir, STREAMS))) throw noStreams(dataDir);
  if (running !== undefined) return await closing(running, work);
  const server = await startEmbeddedNats({ dataDir, env, port: natsPort, progress: note });
  try {
    return await closing(await connect(server.server), work);
  } finally {
    await server.stop();
  }
}

async function closing<T>(link: NatsLink, work: (link: NatsLink) => Promise<T>): Promise<T> {
  try {
    return await work(link);
  } finally {
    await link.close();
  }
}

function noStreams(dataDir: string): MillraceError {
  return new MillraceError(
    'no_streams',
    `There are no streams in ${dataDir}: no millrace has run with it. Set DATA_DIR (--data-dir) to the ` +
      'folder that it ran with, or NATS_URL (--nats-url) to the server that has the streams.',
  );
}
