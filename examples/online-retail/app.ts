import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { embeddedServer, type NatsServer } from '../../connectors/index.ts';
import { MillraceError } from '../../engine/index.ts';

/** Millrace with its own NATS server, on a scratch folder. */
export interface RunningApp {
  readonly url: string;
  /** As a publisher connects. */
  readonly nats: NatsServer;
  /** Admin key of tenant `default`. */
  readonly key: string;
  readonly dataDir: string;
  readonly pid: number;
  /** Stops it in order and removes its folder. */
  stop(): Promise<void>;
}

export interface AppOptions {
  /** What it logs, by line. */
  readonly log?: (line: string) => void;
}

const START_TIMEOUT_MS = 90_000;
const STOP_TIMEOUT_MS = 15_000;
const HEALTH_PAUSE_MS = 50;
const LAST_LINES = 10;

/** The folder of package.json: the same from the sources and from dist/. */
export function packageRoot(): string {
  let folder = import.meta.dirname;
  while (!existsSync(join(folder, 'package.json'))) {
    const parent = dirname(folder);
    if (parent === folder)
      throw new MillraceError('no_package', 'There is no package.json above the example.');
    folder = parent;
  }
  return folder;
}

/** Starts everything as `npm start` does, but on a scratch folder and a free port. */
export async function startApp({ log = () => {} }: AppOptions = {}): Promise<RunningApp> {
  const main = join(packageRoot(), 'dist', 'main.js');
  if (!existsSync(main))
    throw new MillraceError('not_built', `"${main}" is missing. Run "npm run build" first.`);
  const dataDir = await mkdtemp(join(tmpdir(), 'millrace-example-'));
  const key = randomBytes(24).toString('base64url');
  const env: NodeJS.ProcessEnv = {
    ...process.env,
    DATA_DIR: dataDir,
    HOST: '127.0.0.1',
    PORT: '0',
    ADMIN_KEY: key,
    LOG_LEVEL: 'warn',
  };
  // A server that somebody uses must not get a shop's orders of 2011.
  for (const name of Object.keys(env))
    if (name.startsWith('NATS_') && name !== 'NATS_SERVER_BIN') delete env[name];
  const child = spawn(process.execPath, [main], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  const stop = async (): Promise<void> => {
    await end(child);
    await rm(dataDir, { recursive: true, force: true });
  };
  try {
    const { url, natsUrl } = await untilReady(child, log);
    const nats = (await embeddedServer(dataDir, 'publisher')) ?? { url: natsUrl };
    return { url, nats, key, dataDir, pid: child.pid as number, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

const isGone = (child: ChildProcess): boolean => child.exitCode !== null || child.signalCode !== null;

async function end(child: ChildProcess): Promise<void> {
  if (isGone(child)) return;
  const exit = once(child, 'exit');
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS);
  await exit;
  clearTimeout(timer);
}

/** Reads the addresses that it prints, and asks for its health until that is ok. */
async function untilReady(
  child: ChildProcess,
  log: (line: string) => void,
): Promise<{ url: string; natsUrl: string }> {
  const last: string[] = [];
  let url: string | undefined;
  let natsUrl: string | undefined;
  const lines = (stream: NodeJS.ReadableStream | null, take: (line: string) => void): void => {
    if (stream !== null) createInterface({ input: stream }).on('line', take);
  };
  lines(child.stdout, (line) => {
    url ??= /listens on (\S+)/.exec(line)?.[1];
    natsUrl ??= /^\s*nats\s+(\S+)/.exec(line)?.[1];
  });
  lines(child.stderr, (line) => {
    if (last.push(line) > LAST_LINES) last.shift();
    log(line);
  });
  const deadline_ms = performance.now() + START_TIMEOUT_MS;
  while (performance.now() < deadline_ms && !isGone(child)) {
    if (url !== undefined && natsUrl !== undefined && (await isHealthy(url))) return { url, natsUrl };
    await sleep(HEALTH_PAUSE_MS);
  }
  const what = isGone(child) ? `ended with ${child.exitCode ?? child.signalCode}` : 'was not ready in time';
  throw new MillraceError('start_failed', `Millrace ${what}. ${last.join('\n')}`);
}

async function isHealthy(url: string): Promise<boolean> {
  try {
    const response = await fetch(`${url}/v1/order-analytics/health`);
    const health = (await response.json()) as { status?: unknown };
    return response.ok && health.status === 'ok';
  } catch {
    return false;
  }
}
