import { join } from 'node:path';
import { type ResolvedServer, resolveNatsServer } from './binary.ts';
import { type NatsServerHandle, startNatsServer } from './server.ts';
import type { ProcessExit } from './watchdog.ts';

export { type ResolvedServer, type ResolveOptions, resolveNatsServer } from './binary.ts';
export { type FailedStep, NatsServerError, type NatsServerErrorCode } from './embedded-errors.ts';
export { type NatsServerHandle, type StartOptions, startNatsServer } from './server.ts';
export type { ProcessExit } from './watchdog.ts';

export interface EmbeddedNatsOptions {
  /** The streams go to `<dataDir>/nats`, the server's log to `<dataDir>/nats.log`. */
  readonly dataDir: string;
  /** Default: the process's environment; see resolveNatsServer. */
  readonly env?: NodeJS.ProcessEnv;
  /** Default 0: a free one. */
  readonly port?: number;
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

/**
 * Finds a nats-server and runs it on `<dataDir>/nats` until stop() or the end of this process. Throws a
 * NatsServerError whose message says what to do.
 */
export async function startEmbeddedNats(options: EmbeddedNatsOptions): Promise<NatsServerHandle> {
  const { progress } = options;
  const found = await resolveNatsServer({
    progress,
    ...(options.env === undefined ? {} : { env: options.env }),
  });
  const server = await startNatsServer({
    binary: found.path,
    storeDir: join(options.dataDir, 'nats'),
    ...(options.port === undefined ? {} : { port: options.port }),
    ...(options.onExit === undefined ? {} : { onExit: options.onExit }),
  });
  progress(
    `nats-server ${found.version} from ${ORIGIN[found.from]} (${found.path}) at ${server.url}, port ${server.port}, pid ${server.pid}; log in ${server.logFile}`,
  );
  return server;
}
