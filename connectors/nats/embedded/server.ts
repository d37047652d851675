import { mkdir, open, readdir, readFile, realpath, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { PRIVATE_FILE_MODE, PRIVATE_FOLDER_MODE } from '../../../engine/index.ts';
import { LOOPBACK, type ServerFiles, serverConfig, serverFiles } from './config.ts';
import { describeError, NatsServerError } from './embedded-errors.ts';
import { claimStore, isServerOf, releaseStore } from './pidfile.ts';
import { moveStreams } from './users.ts';
import { type ProcessExit, spawnWatched, type Watched } from './watchdog.ts';

const MEBIBYTE = 1024 * 1024;
const POLL_MS = 25;
const PROBE_TIMEOUT_MS = 2_000;
const INFO_LIMIT_BYTES = 64 * 1024;
/** From TERM to KILL. A server that closes its streams needs well under a second. */
const STOP_GRACE_MS = 5_000;
/** What stop() gives the watchdog on top, before it takes the matter into its own hands. */
const STOP_SLACK_MS = 2_000;
const LOG_TAIL_BYTES = 4 * 1024;

export interface StartOptions {
  /** Path of a nats-server >= 2.10. */
  readonly binary: string;
  /** Created when absent. The server's other files lie beside it and have its name: `<storeDir>.log`. */
  readonly storeDir: string;
  /** Default 0: a free one. */
  readonly port?: number;
  readonly logFile?: string;
  /** Default 8 MiB, above which NATS itself warns. */
  readonly maxPayloadBytes?: number;
  /** A NATS duration or `always`; default `5s`. A power cut loses acknowledged messages of this long. */
  readonly syncInterval?: string;
  /** How long the server may take until it answers, recovery of its streams included. Default 60 s. */
  readonly startTimeoutMs?: number;
  /** How long to wait for another server on this store to end. Default 10 s. */
  readonly busyTimeoutMs?: number;
  /** Accounts and users, a part of its configuration; default: whoever can connect may do everything. */
  readonly accounts?: string;
  /** Called once when the server ends without stop(). */
  readonly onExit?: (exit: ProcessExit) => void;
}

/** A server that runs as a child process. */
export interface NatsServerHandle {
  /** `nats://127.0.0.1:<port>` */
  readonly url: string;
  readonly port: number;
  /** The server's own pid. */
  readonly pid: number;
  readonly logFile: string;
  /** Ends the server: TERM, after 5 s KILL. Resolves when it is gone; may be called again. */
  stop(): Promise<void>;
  /** The server's end, by stop() or by itself. Never rejects. */
  readonly exited: Promise<ProcessExit>;
}

/**
 * Starts a nats-server with JetStream on loopback and resolves when it answers. It ends with this process,
 * however that ends. Throws a NatsServerError: `nats_store_busy` when another server uses the store, else
 * `nats_server_start_failed` with the last lines of the server's log.
 */
export async function startNatsServer(options: StartOptions): Promise<NatsServerHandle> {
  await mkdir(options.storeDir, { recursive: true, mode: PRIVATE_FOLDER_MODE });
  // One spelling of the path, for the pid file and the command line must be the same for every process.
  const files = serverFiles(await realpath(options.storeDir), options.logFile);
  await claimStore(files, options.busyTimeoutMs ?? 10_000);
  let watched: Watched | undefined;
  try {
    await rm(files.portsDir, { recursive: true, force: true });
    await mkdir(files.portsDir, { mode: PRIVATE_FOLDER_MODE });
    if (options.accounts !== undefined) moveStreams(files.storeDir);
    const config = serverConfig(files, {
      port: options.port ?? 0,
      maxPayloadBytes: options.maxPayloadBytes ?? 8 * MEBIBYTE,
      syncInterval: options.syncInterval ?? '5s',
      accounts: options.accounts ?? '',
    });
    await writeFile(files.configFile, config, { mode: PRIVATE_FILE_MODE });
    watched = await spawnServer(options.binary, files);
    const pid = await watched.pid;
    const port = await untilAnswering(watched, files, options.startTimeoutMs ?? 60_000);
    return new RunningServer(watched, files, pid, port, options.onExit);
  } catch (error) {
    watched?.release();
    await watched?.exited;
    const pid = await watched?.pid.catch(() => undefined);
    await releaseStore(files, pid);
    const message = `The embedded nats-server (${options.binary}) did not start: ${describeError(error)}.`;
    throw new NatsServerError('nats_server_start_failed', `${message}${await lastWords(files)}`, {
      cause: error,
    });
  }
}

class RunningServer implements NatsServerHandle {
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  readonly logFile: string;
  readonly exited: Promise<ProcessExit>;
  readonly #watched: Watched;
  readonly #files: ServerFiles;
  #stopping: Promise<void> | undefined;

  constructor(
    watched: Watched,
    files: ServerFiles,
    pid: number,
    port: number,
    onExit: ((exit: ProcessExit) => void) | undefined,
  ) {
    this.url = `nats://${LOOPBACK}:${port}`;
    this.port = port;
    this.pid = pid;
    this.logFile = files.logFile;
    this.#watched = watched;
    this.#files = files;
    this.exited = this.#settle(onExit);
  }

  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  async #stop(): Promise<void> {
    this.#watched.release();
    const timeout = new AbortController();
    const late = sleep(STOP_GRACE_MS + STOP_SLACK_MS, 'late', { signal: timeout.signal });
    // Aborting the timer rejects it, after the race is over.
    late.catch(() => undefined);
    const first = await Promise.race([this.exited, late]);
    timeout.abort();
    if (first === 'late') this.#watched.abandon();
    await this.exited;
  }

  async #settle(onExit: ((exit: ProcessExit) => void) | undefined): Promise<ProcessExit> {
    const exit = await this.#watched.exited;
    const isWatchdogLost = exit.code === null && exit.signal === null;
    try {
      if (!isWatchdogLost || (await this.#endUnwatched())) await releaseStore(this.#files, this.pid);
    } catch {
      // The pid file stays, and the next start finds out by it whether the server is gone.
    }
    if (this.#stopping === undefined) onExit?.(exit);
    return exit;
  }

  /** Ends the server without its watchdog, which somebody killed; true once it is gone. */
  async #endUnwatched(): Promise<boolean> {
    for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
      const deadline_ms = performance.now() + STOP_GRACE_MS;
      if (await isServerOf(this.pid, this.#files.configFile)) process.kill(this.pid, signal);
      while (performance.now() < deadline_ms) {
        if (!(await isServerOf(this.pid, this.#files.configFile))) return true;
        await sleep(POLL_MS);
      }
    }
    return false;
  }
}

async function spawnServer(binary: string, files: ServerFiles): Promise<Watched> {
  const output = await open(files.errorFile, 'w', PRIVATE_FILE_MODE);
  try {
    return spawnWatched({
      binary,
      configFile: files.configFile,
      pidFile: files.pidFile,
      graceMs: STOP_GRACE_MS,
      outputFd: output.fd,
    });
  } finally {
    await output.close();
  }
}

/** Waits for the port the server writes down once it listens, then for its greeting. */
async function untilAnswering(watched: Watched, files: ServerFiles, timeoutMs: number): Promise<number> {
  const deadline_ms = performance.now() + timeoutMs;
  let exit: ProcessExit | undefined;
  const noteExit = watched.exited.then((value) => {
    exit = value;
  });
  let reason = 'it does not listen';
  while (performance.now() < deadline_ms) {
    if (exit !== undefined) throw new Error(`it ended with ${exit.signal ?? `exit code ${exit.code}`}`);
    // Not the port that was asked for: another server may hold that, and would answer in its place.
    const port = await writtenPort(files.portsDir);
    if (port !== undefined) {
      try {
        await greeting(port);
        return port;
      } catch (error) {
        reason = describeError(error);
      }
    }
    await Promise.race([sleep(POLL_MS), noteExit]);
  }
  throw new Error(`no answer within ${timeoutMs} ms: ${reason}`);
}

async function writtenPort(portsDir: string): Promise<number | undefined> {
  const name = (await readdir(portsDir)).find((entry) => entry.endsWith('.ports'));
  if (name === undefined) return undefined;
  const port = /nats:\/\/[^"]*:(\d+)"/.exec(await readFile(join(portsDir, name), 'utf8'))?.[1];
  // The file is not written atomically: without a port in it, it is not finished.
  return port === undefined ? undefined : Number(port);
}

/** Resolves when a NATS server with JetStream greets on this port. */
function greeting(port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: LOOPBACK, port, timeout: PROBE_TIMEOUT_MS });
    let received = '';
    const finish = (error?: Error): void => {
      socket.destroy();
      if (error === undefined) resolve();
      else reject(error);
    };
    socket.on('data', (chunk) => {
      received += chunk.toString('latin1');
      if (received.includes('\r\n') || received.length > INFO_LIMIT_BYTES) {
        const ready = received.startsWith('INFO ') && received.includes('"jetstream":true');
        finish(ready ? undefined : new Error('the server answers without JetStream'));
      }
    });
    socket.on('timeout', () => finish(new Error('the server does not greet')));
    socket.on('error', finish);
    socket.on('close', () => finish(new Error('the server closed the connection')));
  });
}

async function lastWords(files: ServerFiles): Promise<string> {
  const texts = await Promise.all([tail(files.errorFile), tail(files.logFile)]);
  const lines = texts.flatMap((text) => text.split('\n')).filter((line) => line.trim() !== '');
  if (lines.length === 0) return ' It left no log.';
  return ` The last lines of ${files.logFile}:\n${lines.slice(-12).join('\n')}`;
}

async function tail(path: string): Promise<string> {
  try {
    return (await readFile(path, 'utf8')).slice(-LOG_TAIL_BYTES);
  } catch {
    // The error that is being reported matters more than its missing log.
    return '';
  }
}
