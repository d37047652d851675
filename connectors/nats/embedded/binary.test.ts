import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type ResolveOptions, resolveNatsServer } from './binary.ts';
import { NatsServerError } from './embedded-errors.ts';
import { fakeServer, temporaryFolder, writeExecutable } from './fixture-embedded.ts';

/** Steps that would reach the network fail at once: a closed port, and a system that is no Debian. */
function offline(folder: string, more: ResolveOptions = {}): ResolveOptions {
  return {
    env: { PATH: join(folder, 'bin') },
    cacheDir: join(folder, 'cache'),
    platform: 'linux',
    arch: 'x64',
    releaseBaseUrl: 'http://127.0.0.1:1',
    osReleaseFile: join(folder, 'os-release'),
    ...more,
  };
}

async function failure(options: ResolveOptions): Promise<NatsServerError> {
  const error: unknown = await resolveNatsServer(options).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(NatsServerError);
  return error as NatsServerError;
}

describe('NATS_SERVER_BIN', () => {
  it('goes before everything else', async () => {
    const folder = await temporaryFolder();
    await writeExecutable(join(folder, 'bin', 'nats-server'), fakeServer('2.11.0'));
    const path = await writeExecutable(join(folder, 'mine'), fakeServer('2.12.1'));
    const env = { PATH: join(folder, 'bin'), NATS_SERVER_BIN: path };
    expect(await resolveNatsServer(offline(folder, { env }))).toEqual({
      path,
      version: '2.12.1',
      from: 'env',
    });
  });

  it.each([
    ['does not exist', undefined, /ENOENT/],
    ['does not run', 'not a program', /./],
    ['is too old', fakeServer('2.9.25'), /version 2\.9\.25, older than 2\.10\.0/],
  ])('that %s is an error, though there is another server', async (_what, content, reason) => {
    const folder = await temporaryFolder();
    await writeExecutable(join(folder, 'bin', 'nats-server'), fakeServer('2.11.0'));
    const path = join(folder, 'mine');
    if (content !== undefined) await writeExecutable(path, content);
    const error = await failure(
      offline(folder, { env: { PATH: join(folder, 'bin'), NATS_SERVER_BIN: path } }),
    );
    expect(error.code).toBe('nats_server_bin_unusable');
    expect(error.message).toContain(`NATS_SERVER_BIN is set to ${path}`);
    expect(error.message).toMatch(reason);
  });
});

describe('the PATH', () => {
  it('gives the first server that is new enough', async () => {
    const folder = await temporaryFolder();
    await writeExecutable(join(folder, 'old', 'nats-server'), fakeServer('2.9.25'));
    const path = await writeExecutable(join(folder, 'new', 'nats-server'), fakeServer('2.10.3'));
    const env = { PATH: `${join(folder, 'old')}::${join(folder, 'nowhere')}:${join(folder, 'new')}` };
    expect(await resolveNatsServer(offline(folder, { env }))).toEqual({
      path,
      version: '2.10.3',
      from: 'path',
    });
  });
});

describe('the cache', () => {
  it('gives the newest server that runs, for this platform', async () => {
    const folder = await temporaryFolder();
    const cached = (name: string) => join(folder, 'cache', name, 'nats-server');
    await writeExecutable(cached('nats-server-2.10.9-linux-x64'), fakeServer('2.10.9'));
    await writeExecutable(cached('nats-server-2.10.27-linux-x64'), fakeServer('2.10.27'));
    await writeExecutable(cached('nats-server-2.12.0-linux-x64'), '');
    await writeExecutable(cached('nats-server-2.13.0-linux-arm64'), fakeServer('2.13.0'));
    await mkdir(join(folder, 'cache', '.installing-x'));
    const lines: string[] = [];
    const found = await resolveNatsServer(offline(folder, { progress: (line) => lines.push(line) }));
    expect(found).toEqual({
      path: cached('nats-server-2.10.27-linux-x64'),
      version: '2.10.27',
      from: 'cache',
    });
    expect(lines).toEqual([]);
  });

  it('is $XDG_CACHE_HOME/millrace, else ~/.cache/millrace', async () => {
    const folder = await temporaryFolder();
    const name = join('millrace', 'nats-server-2.10.9-linux-x64', 'nats-server');
    const xdg = await writeExecutable(join(folder, 'xdg', name), fakeServer('2.10.9'));
    const home = await writeExecutable(join(folder, '.cache', name), fakeServer('2.10.9'));
    const { cacheDir: _unused, ...options } = offline(folder);
    const find = async (env: NodeJS.ProcessEnv) => (await resolveNatsServer({ ...options, env })).path;
    expect(await find({ HOME: folder, XDG_CACHE_HOME: join(folder, 'xdg') })).toBe(xdg);
    expect(await find({ HOME: folder, XDG_CACHE_HOME: 'relative' })).toBe(home);
    expect(await find({ HOME: folder })).toBe(home);
  });
});

describe('when nothing works', () => {
  it('the error lists every step, why it failed and what to do', async () => {
    const folder = await temporaryFolder();
    await writeExecutable(join(folder, 'bin', 'nats-server'), fakeServer('2.9.25'));
    const lines: string[] = [];
    const error = await failure(offline(folder, { progress: (line) => lines.push(line) }));
    expect(error.code).toBe('nats_server_unavailable');
    expect(error.steps.map((step) => step.step)).toEqual([
      'NATS_SERVER_BIN',
      'PATH',
      'cache',
      'official release',
      'Debian or Ubuntu package',
    ]);
    for (const step of error.steps) {
      expect(step.reason).not.toBe('');
      expect(step.advice).not.toBe('');
      expect(error.message).toContain(step.reason);
      expect(error.message).toContain(step.advice);
    }
    expect(error.message).toMatch(/1\. NATS_SERVER_BIN: not set/);
    expect(error.message).toMatch(/2\. PATH: .*2\.9\.25, older than 2\.10\.0/);
    expect(error.message).toMatch(/4\. official release: http:\/\/127\.0\.0\.1:1\/v2.*fetch failed \(.*\)/);
    expect(error.message).toMatch(/5\. Debian or Ubuntu package: this is no Debian or Ubuntu/);
    expect(error.message).toMatch(/NATS_URL/);
    expect(lines[0]).toMatch(/^no nats-server from PATH: .*2\.9\.25/);
  });

  it('a cache that cannot be written is one of the reasons', async () => {
    const folder = await temporaryFolder();
    const file = await writeExecutable(join(folder, 'file'), '');
    const error = await failure(offline(folder, { cacheDir: join(file, 'cache') }));
    expect(error.steps[2]?.reason).toContain('ENOTDIR');
  });
});
