import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { cpus, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { jetstream } from '@nats-io/jetstream';
import {
  connectNats,
  ensureStreams,
  type NatsLink,
  type NatsServer,
  startEmbeddedNats,
} from '../connectors/index.ts';
import { type TrafficOptions, traffic } from './traffic.ts';

/** A folder that is removed after `work`, whatever happens. */
export async function withScratch<T>(work: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'millrace-bench-'));
  try {
    return await work(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** The machine, for beside the figures. */
export function machine(): string {
  const { length } = cpus();
  return `${length} cores, ${cpus()[0]?.model ?? 'unknown CPU'}, ${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.version}`;
}

/** CPU time of the process, as others may be busy on the machine. */
export function cpu_ms(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000;
}

/** CPU time of `work` for each of `count`, ns. */
export function nsEach(count: number, work: () => void): number {
  const started_ms = cpu_ms();
  work();
  return Math.round(((cpu_ms() - started_ms) * 1e6) / count);
}

export function median(values: readonly number[]): number {
  return quantileOf(values, 0.5);
}

export function quantileOf(values: readonly number[], q: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? Number.NaN;
}

const SYNC_EVERY = 4_000;

/** Publishes `count` events of the traffic to the stream, one a message, without waiting for each. */
export async function fill(
  server: NatsServer,
  count: number,
  options: TrafficOptions,
  kind: (options: TrafficOptions) => () => string = traffic,
): Promise<{ readonly average_bytes: number }> {
  const link = await connectNats({ ...server, name: 'millrace-bench-fill' });
  try {
    await ensureStreams(link);
    return await publish(link, count, kind(options));
  } finally {
    await link.close();
  }
}

async function publish(
  link: NatsLink,
  count: number,
  next: () => string,
): Promise<{ average_bytes: number }> {
  const client = jetstream(link.connection);
  const encoder = new TextEncoder();
  let size_bytes = 0;
  for (let sent = 1; sent <= count; sent++) {
    const payload = encoder.encode(next());
    size_bytes += payload.length;
    // The acknowledgement of one covers those before it: the stream stores in order.
    if (sent % SYNC_EVERY === 0 || sent === count) await client.publish('events.default.shop', payload);
    else link.connection.publish('events.default.shop', payload);
  }
  return { average_bytes: size_bytes / count };
}

export const ADMIN_KEY = 'bench-admin-key-0123456789';

export interface RunningApp {
  readonly url: string;
  readonly process: ChildProcess;
  /** SIGTERM, and waits for the end. */
  stop(): Promise<void>;
  kill(): Promise<void>;
}

/** Starts the built application and waits until it prints its URL. */
export async function startApp(env: Readonly<Record<string, string>>): Promise<RunningApp> {
  const child = spawn(process.execPath, [new URL('../bundle/main.js', import.meta.url).pathname], {
    env: { ...process.env, PORT: '0', LOG_LEVEL: 'warn', ADMIN_KEY, ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const url = await new Promise<string>((resolve, reject) => {
    let text = '';
    child.stdout.on('data', (chunk: Buffer) => {
      text += chunk.toString();
      const found = /listens on (\S+)/.exec(text);
      if (found?.[1] !== undefined) resolve(found[1]);
    });
    child.once('exit', (code) =>
      reject(new Error(`the application ended with code ${code} before it listened`)),
    );
  });
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    child.kill(signal);
    await exited;
  };
  return { url, process: child, stop: () => end('SIGTERM'), kill: () => end('SIGKILL') };
}

export interface Memory {
  /** Resident, MiB. */
  readonly rss_mib: number;
  /** Of it: pages of mapped files, which are the state's, and which the kernel takes back when it needs them. */
  readonly file_mib: number;
  /** Of it: what the process has of its own, which only the process can give back. */
  readonly anon_mib: number;
}

/** Of a process now. Linux only. */
export function memoryOf(pid: number | 'self'): Memory {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const mib = (name: string): number =>
    Math.round(Number(new RegExp(`${name}:\\s+(\\d+)`).exec(status)?.[1] ?? 0) / 1_024);
  return { rss_mib: mib('VmRSS'), file_mib: mib('RssFile'), anon_mib: mib('RssAnon') };
}

/** Calls the API; throws for an answer that is no 2xx. */
export async function call<T>(app: RunningApp, path: string, body?: unknown): Promise<T> {
  const response = await fetch(`${app.url}/v1/order-analytics${path}`, {
    headers: { Authorization: `Bearer ${ADMIN_KEY}`, 'Content-Type': 'application/json' },
    ...(body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) }),
  });
  if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
  return (await response.json()) as T;
}

/** Waits until `done`, asking every `every_ms`; throws after `limit_ms`. */
export async function until(done: () => Promise<boolean>, every_ms: number, limit_ms: number): Promise<void> {
  const deadline = performance.now() + limit_ms;
  while (!(await done())) {
    if (performance.now() > deadline) throw new Error(`not reached within ${limit_ms} ms`);
    await sleep(every_ms);
  }
}

const MONTH_MS = 30 * 86_400_000;

/** A service of its own on a server of its own, whose stream has so many events of the last 30 days. */
export async function withMonth<T>(
  events: number,
  work: (app: RunningApp, server: NatsServer, end_ms: number) => Promise<T>,
): Promise<T> {
  return withScratch(async (folder) => {
    const nats = await startEmbeddedNats({ dataDir: folder, progress: () => {} });
    try {
      const end_ms = Date.now();
      process.stdout.write(`${machine()}\npublishing ${events} events over a month\n`);
      const options = {
        seed: 1,
        start_ms: end_ms - MONTH_MS,
        step_ms: MONTH_MS / events,
        disorder_ms: 5_000,
      };
      await fill(nats.server, events, options);
      const app = await startApp({
        NATS_URL: nats.url,
        NATS_NKEY: nats.credentials.service,
        DATA_DIR: `${folder}/app`,
        RATE_LIMIT_RPS: '100000',
      });
      try {
        return await work(app, nats.server, end_ms);
      } finally {
        await app.stop();
      }
    } finally {
      await nats.stop();
    }
  });
}
