import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connect, type NatsConnection } from 'nats';
import { beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { isRunning, realServer, temporaryFolder, until, writeExecutable } from './fixture-embedded.ts';
import { type NatsServerHandle, type StartOptions, startNatsServer } from './server.ts';

// Real processes, which a busy machine starts slowly.
vi.setConfig({ testTimeout: 30_000 });

let binary: string;
beforeAll(async () => {
  binary = await realServer();
}, 300_000);

async function start(options: Partial<StartOptions> & { storeDir: string }): Promise<NatsServerHandle> {
  const server = await startNatsServer({ binary, ...options });
  onTestFinished(() => server.stop());
  return server;
}

async function withClient<T>(server: NatsServerHandle, use: (nc: NatsConnection) => Promise<T>): Promise<T> {
  const nc = await connect({ servers: server.url, reconnect: false });
  try {
    return await use(nc);
  } finally {
    await nc.close();
  }
}

describe('startNatsServer', () => {
  it('runs JetStream on a free port of loopback', async () => {
    const storeDir = join(await temporaryFolder(), 'data', 'nats');
    const server = await start({ storeDir });
    expect(server.url).toBe(`nats://127.0.0.1:${server.port}`);
    expect(isRunning(server.pid)).toBe(true);
    expect(await readFile(`${storeDir}.pid`, 'utf8')).toBe(`${server.pid}\n`);
    await withClient(server, async (nc) => {
      expect(nc.info?.max_payload).toBe(8 * 1024 * 1024);
      const jsm = await jetstreamManager(nc);
      expect((await jsm.getAccountInfo()).limits.max_storage).toBe(-1);
      await jsm.streams.add({ name: 'S', subjects: ['s.>'] });
    });
    expect(existsSync(join(storeDir, 'jetstream', '$G', 'streams', 'S'))).toBe(true);
  });

  it('keeps its streams over a restart on the same port', async () => {
    const storeDir = join(await temporaryFolder(), 'nats');
    const first = await start({ storeDir });
    await withClient(first, async (nc) => {
      const jsm = await jetstreamManager(nc);
      await jsm.streams.add({ name: 'S', subjects: ['s.>'] });
      for (let i = 0; i < 10; i++) await jetstream(nc).publish('s.x', String(i));
    });
    await first.stop();
    expect(isRunning(first.pid)).toBe(false);
    expect(existsSync(`${storeDir}.pid`)).toBe(false);

    const second = await start({ storeDir, port: first.port });
    expect(second.port).toBe(first.port);
    await withClient(second, async (nc) => {
      const info = await (await jetstreamManager(nc)).streams.info('S');
      expect(info.state.messages).toBe(10);
    });
  });

  it('stops once, however often it is asked to, and without telling onExit', async () => {
    const exits: unknown[] = [];
    const storeDir = join(await temporaryFolder(), 'nats');
    const server = await start({ storeDir, onExit: (exit) => exits.push(exit) });
    await Promise.all([server.stop(), server.stop()]);
    await server.stop();
    await server.exited;
    expect(isRunning(server.pid)).toBe(false);
    expect(exits).toEqual([]);
  });

  it('tells when the server ends by itself', async () => {
    const exits: unknown[] = [];
    const storeDir = join(await temporaryFolder(), 'nats');
    const server = await start({ storeDir, onExit: (exit) => exits.push(exit) });
    process.kill(server.pid, 'SIGKILL');
    expect(await server.exited).toEqual({ code: null, signal: 'SIGKILL' });
    expect(exits).toEqual([{ code: null, signal: 'SIGKILL' }]);
    expect(existsSync(`${storeDir}.pid`)).toBe(false);
    await server.stop();
  });

  it('kills a server that does not stop', async () => {
    const server = await start({ storeDir: join(await temporaryFolder(), 'nats') });
    process.kill(server.pid, 'SIGSTOP');
    await server.stop();
    expect((await server.exited).signal).toBe('SIGKILL');
    expect(isRunning(server.pid)).toBe(false);
  });

  it.runIf(process.platform === 'linux')('ends the server when its watchdog was killed', async () => {
    const storeDir = join(await temporaryFolder(), 'nats');
    const server = await start({ storeDir });
    const stat = await readFile(`/proc/${server.pid}/stat`, 'utf8');
    process.kill(Number(stat.split(' ')[3]), 'SIGKILL');
    expect(await server.exited).toEqual({ code: null, signal: null });
    expect(isRunning(server.pid)).toBe(false);
    expect(existsSync(`${storeDir}.pid`)).toBe(false);
  });
});

describe('a start that fails', () => {
  it('shows the last lines of the log when the port is taken', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    onTestFinished(() => void other.close());
    await new Promise((resolve) => other.once('listening', resolve));
    const { port } = other.address() as AddressInfo;
    const storeDir = join(await temporaryFolder(), 'nats');
    await expect(start({ storeDir, port })).rejects.toMatchObject({
      code: 'nats_server_start_failed',
      message: expect.stringMatching(/did not start: it ended with exit code 1.*address already in use/s),
    });
    expect(existsSync(`${storeDir}.pid`)).toBe(false);
    await start({ storeDir });
  });

  it('shows what is wrong with the configuration', async () => {
    const storeDir = join(await temporaryFolder(), 'nats');
    await expect(start({ storeDir, syncInterval: 'sometimes' })).rejects.toThrow(/sometimes|sync_interval/);
  });

  it('says when the binary cannot be started', async () => {
    const folder = await temporaryFolder();
    const missing = join(folder, 'missing');
    await expect(start({ binary: missing, storeDir: join(folder, 'nats') })).rejects.toThrow(/ENOENT/);
  });

  it('does not wait for ever for a server that says nothing', async () => {
    const folder = await temporaryFolder();
    const silent = await writeExecutable(join(folder, 'silent'), '#!/bin/sh\nexec sleep 60\n');
    await expect(
      start({ binary: silent, storeDir: join(folder, 'nats'), startTimeoutMs: 400 }),
    ).rejects.toThrow('no answer within 400 ms: it does not listen');
  });
});

describe('a store in use', () => {
  it('is refused with the pid of the server that has it', async () => {
    const storeDir = join(await temporaryFolder(), 'nats');
    const server = await start({ storeDir });
    await expect(start({ storeDir, busyTimeoutMs: 300 })).rejects.toMatchObject({
      code: 'nats_store_busy',
      message: expect.stringContaining(`process ${server.pid} already uses`),
    });
    await withClient(server, (nc) => nc.flush());
  });
});

/** A process of its own that starts a server. */
async function parentProcess(storeDir: string): Promise<{ parent: ChildProcess; pid: number; port: number }> {
  const fixture = resolve(import.meta.dirname, '../../../dist/connectors/nats/embedded/fixture-parent.js');
  const parent = spawn(process.execPath, [fixture, binary, storeDir], {
    stdio: ['ignore', 'pipe', 'inherit'],
    detached: true,
  });
  onTestFinished(() => void parent.kill('SIGKILL'));
  const line = await new Promise<string>((resolve, reject) => {
    createInterface({ input: parent.stdout! }).once('line', resolve);
    parent.once('exit', (code) => reject(new Error(`the parent ended with ${code}`)));
  });
  return { parent, ...(JSON.parse(line) as { pid: number; port: number }) };
}

describe('the end of the parent', () => {
  it('by kill -9 ends the server, and a new start waits for that', async () => {
    const storeDir = join(await temporaryFolder(), 'nats');
    const { parent, pid } = await parentProcess(storeDir);
    expect(isRunning(pid)).toBe(true);
    parent.kill('SIGKILL');
    const next = await start({ storeDir });
    expect(next.pid).not.toBe(pid);
    await until('the server is gone', () => !isRunning(pid), 5_000);
  });

  it('by a signal to its process group does not reach the server before it', {
    timeout: 30_000,
  }, async () => {
    const storeDir = join(await temporaryFolder(), 'nats');
    const { parent, pid } = await parentProcess(storeDir);
    // As a terminal does at Ctrl-C; a parent that does not handle it dies, and only by that the server ends.
    process.kill(-parent.pid!, 'SIGINT');
    await until('the server is gone', () => !isRunning(pid), 5_000);
    const log = await readFile(`${storeDir}.log`, 'utf8');
    expect(log).not.toContain('Trapped "interrupt" signal');
    expect(log).toContain('Server Exiting');
  });

  it('ends a server that hangs, too', async () => {
    const { parent, pid } = await parentProcess(join(await temporaryFolder(), 'nats'));
    process.kill(pid, 'SIGSTOP');
    parent.kill('SIGKILL');
    await until('the server is gone', () => !isRunning(pid), 10_000);
  });
});

describe('the pid file of an earlier boot', () => {
  it('does not keep the server from starting', async () => {
    const storeDir = join(await temporaryFolder(), 'nats');
    await writeFile(`${storeDir}.pid`, `${process.pid}\n`);
    const server = await start({ storeDir, busyTimeoutMs: 0 });
    expect(isRunning(server.pid)).toBe(true);
  });
});
