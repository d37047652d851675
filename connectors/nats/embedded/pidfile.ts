import { randomUUID } from 'node:crypto';
import { constants } from 'node:fs';
import { copyFile, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { PRIVATE_FILE_MODE } from '../../../engine/index.ts';
import { runCommand } from './child-command.ts';
import { describeError, hasCode, NatsServerError } from './embedded-errors.ts';

const POLL_MS = 100;
/** From the claim to the server's pid takes well under a second; an older mark was left by a process that died in between. */
const STARTING_STALE_MS = 30_000;
/** A pid file is empty for the moment between its creation and its content. */
const EMPTY_STALE_MS = 2_000;

/** The files that tell who uses a store: see {@link claimStore}. */
export interface StoreClaim {
  readonly storeDir: string;
  /** Holds the server's pid, or `starting <pid>` while the process with that pid starts it. */
  readonly pidFile: string;
  /** The server is started with this path on its command line, which is how it is known again. */
  readonly configFile: string;
}

/**
 * Takes a store for this process by creating its pid file: two servers on one store would corrupt it.
 * Waits up to `waitMs` for a server that is still ending, because the process that owned it was just killed;
 * then throws a NatsServerError `nats_store_busy`. A file whose process is gone, or is something else by
 * now, is replaced. No process is ever ended here. The check sees this machine's (or container's) processes
 * only: a data folder on a shared volume has to be given to one machine at a time.
 */
export async function claimStore(claim: StoreClaim, waitMs: number): Promise<void> {
  const deadline_ms = performance.now() + waitMs;
  for (;;) {
    const held = await readPidFile(claim.pidFile);
    if (held === undefined) {
      if (await createExclusively(claim.pidFile, `starting ${process.pid}\n`)) return;
      continue;
    }
    const holder = await livingHolder(held, claim);
    if (holder === undefined) {
      await discard(claim.pidFile, held);
    } else if (performance.now() >= deadline_ms) {
      throw busy(holder, claim);
    } else {
      await sleep(POLL_MS);
    }
  }
}

/** Gives the store back, unless the pid file is somebody else's by now. */
export async function releaseStore(claim: StoreClaim, serverPid: number | undefined): Promise<void> {
  const held = await readPidFile(claim.pidFile);
  if (held === `starting ${process.pid}\n` || (serverPid !== undefined && held === `${serverPid}\n`)) {
    await rm(claim.pidFile, { force: true });
  }
}

/** True when the process is alive and has this configuration file on its command line. */
export async function isServerOf(pid: number, configFile: string): Promise<boolean> {
  if (!isAlive(pid)) return false;
  if (process.platform === 'linux') {
    try {
      return (await readFile(`/proc/${pid}/cmdline`, 'utf8')).split('\0').includes(configFile);
    } catch (error) {
      if (hasCode(error, 'ENOENT') || hasCode(error, 'ESRCH')) return false;
      throw error;
    }
  }
  if (process.platform === 'win32') {
    // Windows shows no command line without extra rights: the program's name has to do.
    const args = ['/FI', `PID eq ${pid}`, '/FO', 'CSV', '/NH'];
    return /nats-server/i.test((await runCommand('tasklist', args, { timeoutMs: 5_000 })).stdout);
  }
  const ps = await runCommand('ps', ['-o', 'command=', '-p', String(pid)], { timeoutMs: 5_000 });
  return ps.stdout.includes(configFile);
}

interface Holder {
  readonly pid: number;
  readonly kind: 'server' | 'starting';
}

async function livingHolder(held: string, claim: StoreClaim): Promise<Holder | undefined> {
  const age_ms = Date.now() - (await modifiedAt(claim.pidFile));
  if (held === '') return age_ms < EMPTY_STALE_MS ? { pid: 0, kind: 'starting' } : undefined;
  const match = /^(starting )?(\d{1,10})\n$/.exec(held);
  if (match === null) return undefined;
  const pid = Number(match[2]);
  if (match[1] === undefined) {
    return (await isServerOf(pid, claim.configFile)) ? { pid, kind: 'server' } : undefined;
  }
  return isAlive(pid) && age_ms < STARTING_STALE_MS ? { pid, kind: 'starting' } : undefined;
}

function busy(holder: Holder, claim: StoreClaim): NatsServerError {
  const who =
    holder.kind === 'server'
      ? `The nats-server process ${holder.pid} already uses ${claim.storeDir}`
      : `Process ${holder.pid} is starting a nats-server on ${claim.storeDir}`;
  return new NatsServerError(
    'nats_store_busy',
    `${who}, and two servers on one store would corrupt it. Stop the Millrace that runs there, or, if ` +
      `that is gone, end process ${holder.pid}; or choose another DATA_DIR.`,
  );
}

/** The content, or undefined when there is no file. */
async function readPidFile(pidFile: string): Promise<string | undefined> {
  try {
    return await readFile(pidFile, 'utf8');
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined;
    throw error;
  }
}

async function createExclusively(path: string, content: string): Promise<boolean> {
  try {
    await writeFile(path, content, { flag: 'wx', mode: PRIVATE_FILE_MODE });
    return true;
  } catch (error) {
    if (hasCode(error, 'EEXIST')) return false;
    throw new NatsServerError(
      'nats_server_start_failed',
      `The pid file ${path} cannot be written: ${describeError(error)}. See that its folder is writable.`,
      { cause: error },
    );
  }
}

/** Removes a left-over file, but not one that another process put there since it was read. */
async function discard(pidFile: string, leftOver: string): Promise<void> {
  const aside = `${pidFile}.${randomUUID()}`;
  try {
    await rename(pidFile, aside);
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return;
    throw error;
  }
  try {
    if ((await readFile(aside, 'utf8')) !== leftOver) {
      await copyFile(aside, pidFile, constants.COPYFILE_EXCL);
    }
  } catch (error) {
    if (!hasCode(error, 'EEXIST')) throw error;
  } finally {
    await rm(aside, { force: true });
  }
}

async function modifiedAt(path: string): Promise<number> {
  try {
    return (await stat(path)).mtimeMs;
  } catch (error) {
    // It went away in between, as a finished start does; the next round sees that.
    if (hasCode(error, 'ENOENT')) return 0;
    throw error;
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM: it lives, under another user.
    return hasCode(error, 'EPERM');
  }
}
