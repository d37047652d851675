import { type Logger, pino } from 'pino';
import { loadService, type RunningServer } from '../api/index.ts';
import type { Topology } from '../engine/index.ts';
import { type RunningTopology, WhyWatch } from '../runtime/index.ts';
import { type CommandArguments, type CommandContext, UsageError } from './command.ts';
import { settingOf } from './place.ts';

const LOOPBACK: ReadonlySet<string> = new Set(['127.0.0.1', '::1', 'localhost']);
const LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'];
const MAX_PORT = 65_535;

/** How a topology is served over HTTP. */
export interface Served {
  readonly host: string;
  readonly port: number;
  readonly token: string | undefined;
  readonly logger: Logger;
  /** A line as a JSON line. */
  readonly log: (line: string) => void;
}

/** What `--http`, HOST, HTTP_TOKEN and LOG_LEVEL ask for; undefined: nothing is served. */
export function servedOf(args: CommandArguments, env: CommandContext['env']): Served | undefined {
  if (args.text('http') === undefined) return undefined;
  const port = args.whole('http', 0, 0);
  if (port > MAX_PORT) throw new UsageError(`--http takes a port up to ${MAX_PORT}.`);
  const level = settingOf(env, 'LOG_LEVEL') ?? 'info';
  if (!LEVELS.includes(level)) throw new UsageError(`LOG_LEVEL is one of ${LEVELS.join(', ')}.`);
  const logger = pino({ level }, pino.destination({ fd: 2, sync: true }));
  const host = settingOf(env, 'HOST') ?? '127.0.0.1';
  const token = settingOf(env, 'HTTP_TOKEN');
  if (token === undefined && !LOOPBACK.has(host)) {
    logger.warn(`Whoever reaches ${host} can read every table: set HTTP_TOKEN, or leave HOST unset.`);
  }
  return { host, port, token, logger, log: (line) => logger.info(line) };
}

/** Serves health, metrics and tables of a topology that runs. Throws `listen_failed`. */
export async function serveTopology(
  { host, port, token, logger }: Served,
  topology: Topology,
  app: RunningTopology,
): Promise<RunningServer> {
  const { createTopologyApp, serve } = await loadService();
  const watch = new WhyWatch(() => app.why());
  const http = createTopologyApp({
    topology,
    log: logger,
    token,
    readers: () => app.readers(),
    ...(app.isPartitioned ? { ask: app.ask } : {}),
    metrics: () => app.metrics(),
    status: () => app.facts(),
    connected: () => app.link.connected,
    why: () => watch.causes(),
  });
  return await serve(http, { host, port });
}
