import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { HostFacts } from './facts.ts';

/** How old what a process says of itself may be, ms; a start under load may keep it from writing for a while. */
const FRESH_MS = 15_000;

/** What a process that runs a topology says of itself to other processes of the machine. */
export interface HostStatus extends HostFacts {
  readonly pid: number;
  readonly at_ms: number;
  /** Of the NATS server. */
  readonly natsUrl: string;
  /** Where it serves HTTP. */
  readonly httpUrl?: string;
}

const pathOf = (dataDir: string, topology: string): string => join(dataDir, 'run', `${topology}.json`);

/** Writes it, whole or not at all. Says why where it cannot be written: a full disk, say. */
export function writeStatus(dataDir: string, topology: string, status: HostStatus): Error | undefined {
  const path = pathOf(dataDir, topology);
  const part = `${path}.${status.pid}`;
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    writeFileSync(part, JSON.stringify(status), { mode: 0o600 });
    renameSync(part, path);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}

export function removeStatus(dataDir: string, topology: string): void {
  rmSync(pathOf(dataDir, topology), { force: true });
}

/** What the process that runs a topology said last; undefined where none runs. */
export function readStatus(dataDir: string, topology: string, now_ms: number): HostStatus | undefined {
  let text: string;
  try {
    text = readFileSync(pathOf(dataDir, topology), 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
  const status = JSON.parse(text) as HostStatus;
  if (status.state === 'failed') return status;
  return isAlive(status.pid) && now_ms - status.at_ms < FRESH_MS ? status : undefined;
}

/** The process that runs a topology in a data folder; undefined where none does. */
export function runningPid(dataDir: string, topology: string, now_ms: number): number | undefined {
  const pid = readStatus(dataDir, topology, now_ms)?.pid;
  return pid !== undefined && isAlive(pid) ? pid : undefined;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // It is there, and another user's.
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}
