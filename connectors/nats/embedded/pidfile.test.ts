import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readFile, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { temporaryFolder } from './fixture-embedded.ts';
import { claimStore, releaseStore, type StoreClaim } from './pidfile.ts';

async function newClaim(): Promise<StoreClaim> {
  const folder = await temporaryFolder();
  return {
    storeDir: join(folder, 'nats'),
    pidFile: join(folder, 'nats.pid'),
    configFile: join(folder, 'nats.conf'),
  };
}

/** Passes for a server: a living process with the configuration file on its command line. */
function pretender(configFile: string): ChildProcess {
  const child = spawn('sh', ['-c', 'read line', 'sh', '-c', configFile], {
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  return child;
}

describe('claimStore', () => {
  it('marks the store as being started, and gives it back', async () => {
    const claim = await newClaim();
    await claimStore(claim, 0);
    expect(await readFile(claim.pidFile, 'utf8')).toBe(`starting ${process.pid}\n`);
    await releaseStore(claim, undefined);
    expect(existsSync(claim.pidFile)).toBe(false);
  });

  it('lets only one of many have it', async () => {
    const claim = await newClaim();
    const results = await Promise.allSettled(Array.from({ length: 20 }, () => claimStore(claim, 200)));
    expect(results.filter((result) => result.status === 'fulfilled').length).toBe(1);
  });

  it('lets only one of many replace a left-over file', async () => {
    const claim = await newClaim();
    await writeFile(claim.pidFile, '999999999\n');
    const results = await Promise.allSettled(Array.from({ length: 20 }, () => claimStore(claim, 200)));
    expect(results.filter((result) => result.status === 'fulfilled').length).toBe(1);
  });

  it('refuses a store whose server runs, naming it, and leaves that alone', async () => {
    const claim = await newClaim();
    const child = pretender(claim.configFile);
    await writeFile(claim.pidFile, `${child.pid}\n`);
    await expect(claimStore(claim, 150)).rejects.toMatchObject({
      code: 'nats_store_busy',
      message: expect.stringMatching(
        `nats-server process ${child.pid} already uses ${claim.storeDir}.*DATA_DIR`,
      ),
    });
    expect(child.exitCode).toBeNull();
    await releaseStore(claim, 1);
    expect(await readFile(claim.pidFile, 'utf8')).toBe(`${child.pid}\n`);
  });

  it('waits for a server that is ending', async () => {
    const claim = await newClaim();
    const child = pretender(claim.configFile);
    await writeFile(claim.pidFile, `${child.pid}\n`);
    setTimeout(() => child.stdin?.end(), 300);
    await claimStore(claim, 10_000);
    expect(child.exitCode).not.toBeNull();
  });

  it.each([
    ['a process that is something else by now', `${process.pid}\n`],
    ['a process that is gone', '999999999\n'],
    ['no process at all', 'rubbish'],
    ['a start whose process is gone', 'starting 999999999\n'],
  ])('replaces a file that names %s', async (_what, content) => {
    const claim = await newClaim();
    await writeFile(claim.pidFile, content);
    await claimStore(claim, 0);
    expect(await readFile(claim.pidFile, 'utf8')).toBe(`starting ${process.pid}\n`);
  });

  it('respects a start that is under way, but not for ever', async () => {
    const claim = await newClaim();
    await writeFile(claim.pidFile, `starting ${process.ppid}\n`);
    await expect(claimStore(claim, 100)).rejects.toThrow(`Process ${process.ppid} is starting a nats-server`);
    const long_ago = Date.now() / 1000 - 1_000;
    await utimes(claim.pidFile, long_ago, long_ago);
    await claimStore(claim, 0);
  });
});
