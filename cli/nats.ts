import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { connectNats, type NatsLink, startEmbeddedNats } from '../connectors/index.ts';
import { MillraceError } from '../engine/index.ts';
import type { CommandContext } from './command.ts';
import type { Folder } from './place.ts';

const CONNECT_TIMEOUT_MS = 3_000;
/** The embedded server's files in a data folder. */
const STREAMS = 'nats';

/** The URL that the embedded server of a data folder wrote down when it last started. */
export async function embeddedUrl(dataDir: string): Promise<string | undefined> {
  try {
    const folder = join(dataDir, 'nats.ports');
    const name = (await readdir(folder)).find((entry) => entry.endsWith('.ports'));
    if (name === undefined) return undefined;
    return /nats:\/\/[^"]*:\d+/.exec(await readFile(join(folder, name), 'utf8'))?.[0];
  } catch (error) {
    // Nothing ran here yet.
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}

export function connect(url: string): Promise<NatsLink> {
  return connectNats({ url, name: 'millrace-cli', connect_timeout_ms: CONNECT_TIMEOUT_MS });
}

/** A connection to the embedded server of a running millrace; undefined when none answers. */
async function connectRunning(dataDir: string): Promise<NatsLink | undefined> {
  const url = await embeddedUrl(dataDir);
  if (url === undefined) return undefined;
  try {
    return await connect(url);
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
  { dataDir, natsUrl }: Folder,
  { env, note }: CommandContext,
  work: (link: NatsLink) => Promise<T>,
): Promise<T> {
  const running = natsUrl === undefined ? await connectRunning(dataDir) : await connect(natsUrl);
  if (running === undefined && !existsSync(join(dataDir, STREAMS))) throw noStreams(dataDir);
  const server =
    running === undefined ? await startEmbeddedNats({ dataDir, env, progress: note }) : undefined;
  const link = running ?? (await connect(server?.url ?? ''));
  try {
    return await work(link);
  } finally {
    await link.close();
    await server?.stop();
  }
}

function noStreams(dataDir: string): MillraceError {
  return new MillraceError(
    'no_streams',
    `There are no streams in ${dataDir}: no millrace has run with it. Set DATA_DIR (--data-dir) to the ` +
      'folder that it ran with, or NATS_URL (--nats-url) to the server that has the streams.',
  );
}
