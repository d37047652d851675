import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import {
  type EmbeddedCredentials,
  type EmbeddedNats,
  type NatsServer,
  type ProcessExit,
  startEmbeddedNats,
} from '../connectors/index.ts';
import type { Settings } from '../runtime/index.ts';

/** From one try to start an ended server again to the next, ms. */
const RESTART_FIRST_MS = 250;
const RESTART_MAX_MS = 5_000;
/** How long an ended server is tried to be started again before the process gives up, ms. */
const RESTART_FOR_MS = 120_000;

/** The NATS server of a service: one that is named to it, or its own. */
export interface Broker {
  readonly server: NatsServer;
  /** Of the embedded server. */
  readonly credentials?: EmbeddedCredentials;
  stop(): Promise<void>;
}

/** Finds the server of the settings; starts an embedded one where they name none. */
export async function openBroker(
  settings: Pick<Settings, 'nats' | 'dataDir' | 'natsPort'>,
  env: NodeJS.ProcessEnv,
  log: Logger,
): Promise<Broker> {
  if (settings.nats !== undefined) return { server: settings.nats, stop: () => Promise.resolve() };
  const broker = new EmbeddedBroker(settings, env, log);
  await broker.start();
  return broker;
}

/**
 * An embedded server that is started again when it ends by itself: on its port and its streams, so that connections come
 * back as they do to any server that was away. What it had acknowledged is on the disk, or in the system's memory.
 */
class EmbeddedBroker implements Broker {
  readonly #settings: Pick<Settings, 'dataDir' | 'natsPort'>;
  readonly #env: NodeJS.ProcessEnv;
  readonly #log: Logger;
  #running: EmbeddedNats | undefined;
  #restarting: Promise<void> | undefined;
  readonly #stopping = new AbortController();

  constructor(settings: Pick<Settings, 'dataDir' | 'natsPort'>, env: NodeJS.ProcessEnv, log: Logger) {
    this.#settings = settings;
    this.#env = env;
    this.#log = log;
  }

  async start(port: number | undefined = this.#settings.natsPort): Promise<void> {
    this.#running = await startEmbeddedNats({
      dataDir: this.#settings.dataDir,
      env: this.#env,
      ...(port === undefined ? {} : { port }),
      progress: (line) => process.stderr.write(`${line}\n`),
      onExit: (exit) => this.#ended(exit),
    });
  }

  get #own(): EmbeddedNats {
    if (this.#running === undefined) throw new Error('the embedded server was started');
    return this.#running;
  }

  get server(): NatsServer {
    return this.#own.server;
  }

  get credentials(): EmbeddedCredentials {
    return this.#own.credentials;
  }

  #ended(exit: ProcessExit): void {
    if (this.#stopping.signal.aborted) return;
    this.#log.error(
      { exit },
      'the embedded NATS server ended (see nats.log in DATA_DIR); it is started again',
    );
    this.#restarting ??= this.#restart().finally(() => {
      this.#restarting = undefined;
    });
  }

  async #restart(): Promise<void> {
    const { signal } = this.#stopping;
    const { port } = this.#own;
    const until_ms = performance.now() + RESTART_FOR_MS;
    let pause_ms = RESTART_FIRST_MS;
    while (!signal.aborted) {
      try {
        await sleep(pause_ms, undefined, { signal });
        await this.start(port);
        return;
      } catch (error) {
        if (signal.aborted) return;
        this.#log.error({ err: error }, 'the embedded NATS server cannot be started again');
        if (performance.now() > until_ms) break;
        pause_ms = Math.min(2 * pause_ms, RESTART_MAX_MS);
      }
    }
    if (signal.aborted) return;
    this.#log.fatal('the embedded NATS server does not start any more; restart millrace');
    process.exitCode = 1;
    process.kill(process.pid, 'SIGTERM');
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#restarting;
    await this.#running?.stop();
  }
}
