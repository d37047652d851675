import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { openDataFolder } from '../../../engine/index.ts';
import type { NatsServer } from '../client/index.ts';
import { type ResolvedServer, resolveNatsServer } from './binary.ts';
import { type NatsServerHandle, startNatsServer } from './server.ts';
import {
  accountsConfig,
  credentialsOf,
  type EmbeddedCredentials,
  type EmbeddedSubjects,
  embeddedAccess,
} from './users.ts';
import type { ProcessExit } from './watchdog.ts';

/** How `startEmbeddedNats` starts its server. */
export interface EmbeddedNatsOptions {
  /** The streams go to `<dataDir>/nats`, the server's log to `<dataDir>/nats.log`. */
  readonly dataDir: string;
  /** Default: the process's environment; see resolveNatsServer. */
  readonly env?: NodeJS.ProcessEnv;
  /** Default 0: a free one. */
  readonly port?: number;
  /** What others than the service may do. */
  readonly subjects?: EmbeddedSubjects;
  /** Gets lines for a person: downloads, then the version, where it came from, the URL and the port. */
  readonly progress: (line: string) => void;
  /** Called once when the server ends without stop(). */
  readonly onExit?: (exit: ProcessExit) => void;
}

const ORIGIN: Readonly<Record<ResolvedServer['from'], string>> = {
  env: 'NATS_SERVER_BIN',
  path: 'the PATH',
  cache: 'the cache',
  release: 'the official release',
  debian: "the distribution's package",
};

/** An embedded server that runs. Nobody gets in without credentials, which lie in its data folder. */
export interface EmbeddedNats extends NatsServerHandle {
  /** How the service connects: for `connectNats`, `run` and whatever else takes a server. */
  readonly server: NatsServer;
  readonly credentials: EmbeddedCredentials;
}

/**
 * Finds a nats-server and runs it on `<dataDir>/nats` until stop() or the end of this process. Its users'
 * credentials are in `<dataDir>/nats-credentials`, made at the first start. Throws a NatsServerError whose
 * message says what to do, and what `openDataFolder` throws.
 */
export async function startEmbeddedNats(options: EmbeddedNatsOptions): Promise<EmbeddedNats> {
  const { dataDir, progress } = options;
  const found = await resolveNatsServer({
    progress,
    ...(options.env === undefined ? {} : { env: options.env }),
  });
  for (const line of openDataFolder(dataDir)) progress(line);
  const handle = await startNatsServer({
    binary: found.path,
    storeDir: join(dataDir, 'nats'),
    accounts: accountsConfig(dataDir, options.subjects ?? {}),
    ...(options.port === undefined ? {} : { port: options.port }),
    ...(options.onExit === undefined ? {} : { onExit: options.onExit }),
  });
  const { url, port, pid, logFile, exited } = handle;
  progress(
    `nats-server ${found.version} from ${ORIGIN[found.from]} (${found.path}) at ${url}, port ` +
      `${port}, pid ${pid}; log in ${logFile}`,
  );
  return {
    ...{ url, port, pid, logFile, exited },
    stop: () => handle.stop(),
    server: { url, ...embeddedAccess(dataDir, 'service') },
    credentials: credentialsOf(dataDir),
  };
}

/**
 * The embedded server of a data folder, as it wrote itself down when it last started: it may have ended since.
 * Undefined where none ever ran.
 */
export async function embeddedServer(
  dataDir: string,
  user: keyof EmbeddedCredentials = 'service',
): Promise<NatsServer | undefined> {
  try {
    const folder = join(dataDir, 'nats.ports');
    const name = (await readdir(folder)).find((entry) => entry.endsWith('.ports'));
    if (name === undefined) return undefined;
    const url = /nats:\/\/[^"]*:\d+/.exec(await readFile(join(folder, name), 'utf8'))?.[0];
    return url === undefined ? undefined : { url, ...embeddedAccess(dataDir, user) };
  } catch (error) {
    // Nothing ran here yet.
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}
