import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { embeddedServer, type NatsServer } from '../connectors/index.ts';
import type { StateDigest } from '../engine/index.ts';
import { millrace } from './command.ts';
import { runningTime } from './running-time.ts';

/** The built product: what `npm start` runs; also for programs that are built themselves. */
const MAIN = resolve(import.meta.dirname.replace(/\/dist\/test$/, '/test'), '../dist/bundle/main.js');
export const ADMIN_KEY = 'acceptance-admin-key-0123456789';
const BASE = '/v1/order-analytics';
const LISTENING_TIMEOUT_MS = 120_000;
const POLL_MS = 50;
const OUTPUT_MAX_CHARS = 20_000;

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** From the signal that asked for it, ms in which this process was run. */
  readonly took_ms: number;
}

export interface Health {
  readonly http: number;
  readonly status: string;
  readonly subsystems: Readonly<Record<string, { status: string; code?: string; message?: string }>>;
}

export interface HttpAnswer {
  readonly status: number;
  readonly contentType: string;
  readonly json: Readonly<Record<string, unknown>>;
}

/** The members of a KPI answer that tests look at. */
export interface KpiAnswer {
  readonly groups: readonly {
    readonly key: Readonly<Record<string, string | null>>;
    readonly totals: Readonly<Record<string, number | null>>;
  }[];
  readonly meta: Readonly<Record<string, unknown>>;
}

export interface StartOptions {
  readonly dataDir: string;
  readonly env?: Readonly<Record<string, string>>;
}

const alive = new Set<ChildProcess>();
// A test runner that is stopped in the middle must not leave servers behind.
process.on('exit', () => {
  for (const child of alive) child.kill('SIGKILL');
});

function environment(dataDir: string, env: Readonly<Record<string, string>> = {}): NodeJS.ProcessEnv {
  const { NODE_OPTIONS: _options, NATS_URL: _url, CUBES: _cubes, ...inherited } = process.env;
  return {
    ...inherited,
    PORT: '0',
    DATA_DIR: dataDir,
    ADMIN_KEY,
    LOG_LEVEL: 'warn',
    ...env,
  };
}

interface Listening {
  readonly url: string;
  /** As the service connects. */
  readonly nats: NatsServer;
}

/** One real process of the product, from its start on; it may be killed before it listens. */
export class Millrace {
  readonly exited: Promise<Exit>;
  /** The API listens. Rejects, with what the process said, when it ends before. */
  readonly listening: Promise<Listening>;
  readonly #child: ChildProcess;
  readonly #dataDir: string;
  #output = '';
  #since: () => number = () => 0;
  #isRunning = true;
  #urls: { readonly url: string; readonly natsUrl: string } | undefined;

  constructor({ dataDir, env }: StartOptions) {
    if (!existsSync(MAIN)) throw new Error(`${MAIN} is not there: run "npm run build" first.`);
    this.#dataDir = dataDir;
    this.#child = spawn(process.execPath, [MAIN], {
      env: environment(dataDir, env),
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    alive.add(this.#child);
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        this.#output = (this.#output + text).slice(-OUTPUT_MAX_CHARS);
        this.#readUrls();
      });
    }
    this.exited = new Promise((done) => {
      this.#child.once('exit', (code, signal) => {
        this.#isRunning = false;
        alive.delete(this.#child);
        done({ code, signal, took_ms: this.#since() });
      });
    });
    this.listening = this.#untilListening();
    // Whoever needs it waits for it; a process that is killed at once is nobody's error.
    this.listening.catch(() => undefined);
  }

  get isRunning(): boolean {
    return this.#isRunning;
  }

  get pid(): number {
    return this.#child.pid ?? -1;
  }

  /** The end of what it wrote, both streams. */
  get output(): string {
    return this.#output;
  }

  /** The embedded server's pid; undefined without one. */
  get natsPid(): number | undefined {
    const pid = /nats-server .* pid (\d+)/.exec(this.#output)?.[1];
    return pid === undefined ? undefined : Number(pid);
  }

  #readUrls(): void {
    if (this.#urls !== undefined) return;
    const url = /^millrace listens on (\S+)$/m.exec(this.#output)?.[1];
    const natsUrl = /^ {2}nats {4}(\S+)/m.exec(this.#output)?.[1];
    if (url !== undefined && natsUrl !== undefined) this.#urls = { url, natsUrl };
  }

  async #untilListening(): Promise<Listening> {
    const deadline_ms = performance.now() + LISTENING_TIMEOUT_MS;
    while (this.#urls === undefined) {
      if (!this.#isRunning) throw new Error(`The process ended before it listened:\n${this.#output}`);
      if (performance.now() > deadline_ms) throw new Error(`The process does not listen:\n${this.#output}`);
      await sleep(10);
    }
    const { url, natsUrl } = this.#urls;
    const embedded = await embeddedServer(this.#dataDir);
    return { url, nats: embedded?.url === natsUrl ? embedded : { url: natsUrl } };
  }

  /** SIGKILL to the main process, as a crash would; resolves when it is gone. */
  kill(): Promise<Exit> {
    return this.#signal('SIGKILL');
  }

  /** SIGTERM, and how it ended. */
  terminate(): Promise<Exit> {
    return this.#signal('SIGTERM');
  }

  #signal(signal: NodeJS.Signals): Promise<Exit> {
    if (this.#isRunning) this.#since = runningTime();
    this.#child.kill(signal);
    return this.exited;
  }

  async request(
    method: 'GET' | 'POST' | 'PATCH' | 'DELETE',
    path: string,
    {
      tenant = 'default',
      body,
      headers = {},
    }: {
      readonly tenant?: string;
      readonly body?: unknown;
      readonly headers?: Readonly<Record<string, string>>;
    } = {},
  ): Promise<HttpAnswer> {
    const { url } = await this.listening;
    const response = await fetch(`${url}${BASE}${path}`, {
      method,
      headers: {
        Authorization: `Bearer ${ADMIN_KEY}`,
        'X-Tenant-ID': tenant,
        ...headers,
        ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const contentType = response.headers.get('content-type') ?? '';
    const text = await response.text();
    const json = (text === '' ? {} : JSON.parse(text)) as HttpAnswer['json'];
    return { status: response.status, contentType, json };
  }

  async health(): Promise<Health> {
    const { status, json } = await this.request('GET', '/health');
    return { http: status, ...(json as Omit<Health, 'http'>) };
  }

  /** Waits until the health is as wanted, and returns it. */
  async untilHealth(wanted: (health: Health) => boolean, what: string, timeout_ms = 90_000): Promise<Health> {
    let last: Health | undefined;
    return until(
      async () => {
        last = await this.health();
        return wanted(last) ? last : undefined;
      },
      () => `${what}; the last health was ${JSON.stringify(last)}`,
      timeout_ms,
    );
  }

  untilOk(timeout_ms?: number): Promise<Health> {
    return this.untilHealth(({ status }) => status === 'ok', 'the health is ok', timeout_ms);
  }

  /** Waits for a named error of the pipeline. */
  untilPipeline(code: string, timeout_ms?: number): Promise<Health> {
    return this.untilHealth(
      ({ subsystems }) => subsystems.ingest_pipeline?.code === code,
      `the pipeline says ${code}`,
      timeout_ms,
    );
  }

  /** A KPI query's answer; throws unless it is a 200. */
  async kpis(tenant: string, query: object): Promise<KpiAnswer> {
    const { status, json } = await this.request('POST', '/kpis/query', { tenant, body: query });
    if (status !== 200) throw new Error(`${status} for ${JSON.stringify(query)}: ${JSON.stringify(json)}`);
    return json as unknown as KpiAnswer;
  }

  /** The totals of a query's first group. */
  async totals(tenant: string, query: object): Promise<KpiAnswer['groups'][number]['totals']> {
    const { groups } = await this.kpis(tenant, query);
    return groups[0]?.totals ?? {};
  }

  /** Waits until everything is applied that the stream holds now. */
  async untilApplied(timeout_ms = 120_000): Promise<void> {
    const query = { metrics: ['orders_count'], start: '2025-01-01T00:00:00Z', end: '2025-01-02T00:00:00Z' };
    let last: HttpAnswer | undefined;
    await until(
      async () => {
        last = await this.request('POST', '/kpis/query', { body: { ...query, force_fresh: true } });
        return last.status === 200 ? true : undefined;
      },
      () => `everything is applied; the last answer was ${JSON.stringify(last?.json)}`,
      timeout_ms,
    );
  }
}

/** Polls until `check` returns something. Errors of `check` count as "not yet". */
export async function until<T>(
  check: () => Promise<T | undefined> | T | undefined,
  what: () => string,
  timeout_ms: number,
  poll_ms = POLL_MS,
): Promise<T> {
  const deadline_ms = performance.now() + timeout_ms;
  let problem: unknown;
  for (;;) {
    try {
      const found = await check();
      if (found !== undefined) return found;
      problem = undefined;
    } catch (error) {
      problem = error;
    }
    if (performance.now() > deadline_ms) {
      throw new Error(`Waited ${timeout_ms} ms in vain until ${what()}`, { cause: problem });
    }
    await sleep(poll_ms);
  }
}

/** Whether a process of this pid is there. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** What `millrace state digest` prints for a data folder, running or not. */
export async function stateDigestOf(dataDir: string): Promise<StateDigest> {
  const { code, out, err } = await millrace(['state', 'digest'], { DATA_DIR: dataDir });
  if (code !== 0) throw new Error(err);
  return JSON.parse(out) as StateDigest;
}
