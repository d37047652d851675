import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { invariant } from '../../../engine/index.ts';

/** How a process ended: one of the two is null; both when its watchdog was lost before it. */
export interface ProcessExit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** A server under its watchdog. */
export interface Watched {
  /** The server's pid; rejects when the binary cannot be started. */
  readonly pid: Promise<number>;
  /** The server's end. Never rejects. */
  readonly exited: Promise<ProcessExit>;
  /** Lets go of the pipe: the watchdog ends the server, with TERM and after the grace time with KILL. */
  release(): void;
  /** Kills the watchdog, not the server: for a watchdog that does not answer to release(). */
  abandon(): void;
}

/**
 * The watchdog: a process of its own between this one and the server. Its standard input is a pipe that only
 * this process holds, and the kernel closes it however this process dies, also by `kill -9`; then the
 * watchdog ends the server. It writes the server's pid file itself, so that there is no moment at which the
 * server lives and nobody knows its pid. It is a script for `node -e`, not a file, because a built and a
 * source tree then need the same; and Node, not `sh`, because Windows and slim containers have no `sh`.
 */
const WATCHDOG_SCRIPT = `
'use strict';
const { spawn } = require('node:child_process');
const { writeFileSync } = require('node:fs');
const [binary, configFile, pidFile, graceMs] = process.argv.slice(1);
// The server's files are its owner's alone.
process.umask(0o077);
// A stop of the whole process group or service must not end the server before its parent has drained.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => {});
// The parent may be gone: nobody is left to read what is said.
process.stdout.on('error', () => {});
const say = (message) => process.stdout.write(JSON.stringify(message) + '\\n');
const server = spawn(binary, ['-c', configFile], { stdio: ['ignore', 2, 2], windowsHide: true });
let killTimer;
const end = () => {
  if (killTimer !== undefined) return;
  server.kill('SIGTERM');
  killTimer = setTimeout(() => server.kill('SIGKILL'), Number(graceMs));
};
const done = (message) => {
  clearTimeout(killTimer);
  killTimer = null;
  say(message);
  process.stdin.destroy();
};
server.on('error', (error) => {
  if (server.pid === undefined) done({ error: error.message });
});
server.on('exit', (code, signal) => done({ code, signal }));
if (server.pid !== undefined) {
  writeFileSync(pidFile, server.pid + '\\n');
  say({ pid: server.pid });
}
process.stdin.on('end', end).on('close', end).on('error', end).resume();
`;

/**
 * Starts `<binary> -c <configFile>` under a watchdog. Both are in a process group of their own, out of reach
 * of a Ctrl-C in the terminal. What the server prints goes to the open file `outputFd`.
 */
export function spawnWatched(options: {
  readonly binary: string;
  readonly configFile: string;
  readonly pidFile: string;
  readonly graceMs: number;
  readonly outputFd: number;
}): Watched {
  const args = [options.binary, options.configFile, options.pidFile, String(options.graceMs)];
  const watchdog = spawn(process.execPath, ['-e', WATCHDOG_SCRIPT, '--', ...args], {
    stdio: ['pipe', 'pipe', options.outputFd],
    detached: true,
    windowsHide: true,
    env: plainEnvironment(),
  });
  return observe(watchdog);
}

function observe(watchdog: ChildProcess): Watched {
  const { stdin, stdout } = watchdog;
  invariant(stdin !== null && stdout !== null, 'the watchdog is started with pipes');
  let serverExit: ProcessExit | undefined;
  const pid = new Promise<number>((resolve, reject) => {
    createInterface({ input: stdout }).on('line', (line) => {
      const message = parseMessage(line);
      if (message.pid !== undefined) resolve(message.pid);
      else if (message.error !== undefined) reject(new Error(message.error));
      else serverExit = { code: message.code ?? null, signal: message.signal ?? null };
    });
    watchdog.on('error', reject);
    watchdog.on('close', () => reject(new Error('the watchdog ended before it started the server')));
  });
  // Whoever waits for the pid gets the rejection; nobody has to wait for it.
  pid.catch(() => undefined);
  const exited = new Promise<ProcessExit>((resolve) => {
    watchdog.on('error', () => resolve({ code: null, signal: null }));
    watchdog.on('close', () => resolve(serverExit ?? { code: null, signal: null }));
  });
  // The watchdog ending first closes the pipe under us, which is no error of ours.
  stdin.on('error', () => undefined);
  return { pid, exited, release: () => void stdin.end(), abandon: () => void watchdog.kill('SIGKILL') };
}

interface WatchdogMessage {
  readonly pid?: number;
  readonly error?: string;
  readonly code?: number | null;
  readonly signal?: NodeJS.Signals | null;
}

function parseMessage(line: string): WatchdogMessage {
  // Written by the script above and by nothing else, hence not checked member by member.
  return JSON.parse(line) as WatchdogMessage;
}

/**
 * What a process of the system and of Go is told by. Nothing else goes on: neither what would load a debugger,
 * loaders or coverage into the watchdog, nor the secrets among the settings.
 */
const INHERITED = ['PATH', 'HOME', 'TMPDIR', 'TMP', 'TEMP', 'TZ', 'LANG', 'SystemRoot', 'USERPROFILE'];
const GO = /^GO(MAXPROCS|MEMLIMIT|GC|DEBUG|TRACEBACK)$/;

function plainEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(process.env).filter(([name]) => INHERITED.includes(name) || GO.test(name)),
  );
}
