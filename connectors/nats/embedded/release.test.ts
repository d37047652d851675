import { readdir, readFile } from 'node:fs/promises';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { CachedServer } from './cache.ts';
import { DEFAULT_DOWNLOAD_LIMITS, type DownloadLimits } from './download.ts';
import { fakeServer, sha256, tarGz, temporaryFolder, zip } from './fixture-embedded.ts';
import { installRelease, PINNED_RELEASE } from './release.ts';

const FILE = 'nats-server-v2.10.99-linux-amd64.tar.gz';
const ARCHIVE = tarGz({
  'nats-server-v2.10.99-linux-amd64/LICENSE': 'Apache-2.0',
  'nats-server-v2.10.99-linux-amd64/nats-server': fakeServer('2.10.99'),
});

interface Attempt {
  readonly handler: RequestListener;
  readonly archive?: Buffer;
  readonly file?: string;
  readonly limits?: Partial<DownloadLimits>;
  readonly lines?: string[];
  readonly arch?: string;
}

async function attempt(cacheDir: string, options: Attempt): Promise<CachedServer> {
  const http = createServer(options.handler).listen(0, '127.0.0.1');
  onTestFinished(() => {
    http.closeAllConnections();
    http.close();
  });
  await new Promise((resolve) => http.once('listening', resolve));
  const { port } = http.address() as AddressInfo;
  return installRelease({
    cacheDir,
    target: { platform: 'linux', arch: options.arch ?? 'x64' },
    release: {
      version: '2.10.99',
      archives: { 'linux-x64': { file: options.file ?? FILE, sha256: sha256(options.archive ?? ARCHIVE) } },
    },
    baseUrl: `http://127.0.0.1:${port}`,
    limits: { ...DEFAULT_DOWNLOAD_LIMITS, ...options.limits },
    progress: (line) => options.lines?.push(line),
  });
}

describe('installRelease', () => {
  it('downloads, checks and unpacks into the cache', async () => {
    const cacheDir = await temporaryFolder();
    const lines: string[] = [];
    const urls: (string | undefined)[] = [];
    const found = await attempt(cacheDir, {
      lines,
      handler: (request, response) => {
        urls.push(request.url);
        response.end(ARCHIVE);
      },
    });
    expect(found).toEqual({
      path: `${cacheDir}/nats-server-2.10.99-linux-x64/nats-server`,
      version: '2.10.99',
    });
    expect(await readFile(found.path, 'utf8')).toBe(fakeServer('2.10.99'));
    expect(urls).toEqual([`/v2.10.99/${FILE}`]);
    expect(lines[0]).toMatch(/^downloading nats-server 2\.10\.99 from http:/);
    expect(lines[1]).toMatch(/MiB/);
    expect(await readdir(cacheDir)).toEqual(['nats-server-2.10.99-linux-x64']);
  });

  it('follows a redirect, as release pages answer with one', async () => {
    const found = await attempt(await temporaryFolder(), {
      handler: (request, response) => {
        if (request.url === '/asset') response.end(ARCHIVE);
        else response.writeHead(302, { location: '/asset' }).end();
      },
    });
    expect(found.version).toBe('2.10.99');
  });

  it('unpacks a zip', async () => {
    const archive = zip({ 'nats-server-v2.10.99/nats-server': fakeServer('2.10.99') });
    const handler: RequestListener = (_request, response) => response.end(archive);
    const found = await attempt(await temporaryFolder(), { handler, archive, file: 'nats-server.zip' });
    expect(found.version).toBe('2.10.99');
  });

  it('several processes at once do not spoil the cache', async () => {
    const cacheDir = await temporaryFolder();
    const handler: RequestListener = (_request, response) => response.end(ARCHIVE);
    const found = await Promise.all(Array.from({ length: 8 }, () => attempt(cacheDir, { handler })));
    expect(new Set(found.map((f) => f.path)).size).toBe(1);
    expect(await readdir(cacheDir)).toEqual(['nats-server-2.10.99-linux-x64']);
  });

  const failures: [string, Attempt, RegExp][] = [
    [
      'a wrong checksum',
      { handler: (_request, response) => response.end(Buffer.from('something else')) },
      /SHA-256 is [0-9a-f]{64}, expected [0-9a-f]{64}; the download was thrown away/,
    ],
    [
      'a missing file',
      { handler: (_request, response) => response.writeHead(404).end() },
      /HTTP 404 Not Found/,
    ],
    [
      'a server that never answers',
      { handler: () => undefined, limits: { connectTimeoutMs: 200 } },
      /no answer within 200 ms/,
    ],
    [
      'a body that stalls',
      {
        handler: (_request, response) => {
          response.writeHead(200, { 'content-length': ARCHIVE.length });
          response.write(ARCHIVE.subarray(0, 100));
        },
        limits: { idleTimeoutMs: 200 },
      },
      /stalled for 200 ms after 100 bytes/,
    ],
    [
      'a body that drips for ever',
      {
        handler: (_request, response) => {
          const timer = setInterval(() => response.write('x'), 20);
          response.on('close', () => clearInterval(timer));
        },
        limits: { totalTimeoutMs: 300 },
      },
      /not complete after 300 ms/,
    ],
    [
      'a truncated body',
      {
        handler: (_request, response) => {
          response.writeHead(200, { 'content-length': ARCHIVE.length });
          response.write(ARCHIVE.subarray(0, 100), () => response.destroy());
        },
      },
      /terminated/,
    ],
    [
      'a body that is too large',
      { handler: (_request, response) => response.end(ARCHIVE), limits: { sizeLimitBytes: 100 } },
      /larger than the limit of 100 bytes/,
    ],
    [
      'an archive without the program',
      {
        archive: tarGz({ README: 'nothing' }),
        handler: (_request, response) => response.end(tarGz({ README: 'nothing' })),
      },
      /the archive has no nats-server/,
    ],
    [
      'a platform without a checksum',
      { arch: 'mips', handler: (_request, response) => response.end() },
      /^no pinned checksum for linux-mips$/,
    ],
  ];
  it.each(failures)('%s fails and leaves nothing behind', async (_what, options, reason) => {
    const cacheDir = await temporaryFolder();
    const error = await attempt(cacheDir, options).then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    expect(error).toMatchObject({
      name: 'StepFailure',
      message: expect.stringMatching(reason),
      advice: expect.stringMatching(/NATS_SERVER_BIN|XDG_CACHE_HOME/),
    });
    expect(await readdir(cacheDir)).toEqual([]);
  });
});

describe('the pinned release', () => {
  it('has a file of its version and a whole checksum for every platform', () => {
    const archives = Object.entries(PINNED_RELEASE.archives);
    expect(archives.map(([platform]) => platform)).toEqual(
      expect.arrayContaining(['linux-x64', 'linux-arm64', 'darwin-x64', 'darwin-arm64', 'win32-x64']),
    );
    for (const [, { file, sha256: hash }] of archives) {
      expect(file).toMatch(`nats-server-v${PINNED_RELEASE.version}-`);
      expect(hash).toMatch(/^[0-9a-f]{64}$/);
    }
    expect(new Set(archives.map(([, { sha256: hash }]) => hash)).size).toBe(archives.length);
  });
});
