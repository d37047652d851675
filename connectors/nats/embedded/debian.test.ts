import { existsSync, readFileSync } from 'node:fs';
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { type DebianOptions, installFromDistribution } from './debian.ts';
import { temporaryFolder, writeExecutable } from './fixture-embedded.ts';
import { compareVersions, MINIMUM_VERSION, probeVersion } from './version.ts';

const isDebian =
  existsSync('/etc/os-release') &&
  /^ID(_LIKE)?=.*(debian|ubuntu)/m.test(readFileSync('/etc/os-release', 'utf8')) &&
  existsSync('/usr/bin/apt-get');
if (!isDebian) console.warn('debian.test.ts: this is no Debian or Ubuntu, its package cannot be fetched');

async function options(more: Partial<DebianOptions> = {}): Promise<DebianOptions> {
  return {
    cacheDir: join(await temporaryFolder(), 'cache'),
    target: { platform: process.platform, arch: process.arch },
    osReleaseFile: '/etc/os-release',
    env: process.env,
    progress: () => undefined,
    ...more,
  };
}

/** A folder for temporary files that no other test uses, to see that nothing is left in it. */
async function ownTmpdir(): Promise<string> {
  const folder = await temporaryFolder();
  vi.stubEnv('TMPDIR', folder);
  onTestFinished(() => void vi.unstubAllEnvs());
  return folder;
}

describe.skipIf(!isDebian)("the distribution's package, from the machine's mirror", () => {
  it('is fetched without root into the cache', { timeout: 300_000 }, async () => {
    const lines: string[] = [];
    const tmp = await ownTmpdir();
    const chosen = await options({ progress: (line) => lines.push(line) });
    const found = await installFromDistribution(chosen);
    expect(compareVersions(found.version, MINIMUM_VERSION)).toBeGreaterThanOrEqual(0);
    expect(await probeVersion(found.path)).toBe(found.version);
    // The package lists are gone, the binary is all that stays.
    const folder = `nats-server-${found.version}-${process.platform}-${process.arch}`;
    expect(await readdir(chosen.cacheDir)).toEqual([folder]);
    expect(await readdir(join(chosen.cacheDir, folder))).toEqual(['nats-server']);
    expect((await readdir(tmp)).filter((name) => name.startsWith('millrace-apt-'))).toEqual([]);
    expect(lines[0]).toMatch(/^fetching the nats-server package of (Debian|Ubuntu) \w+ from \w+:/);
  });

  /** An apt-get whose only mirror is a closed port; everything else is the real one's. */
  it('fails with each suite that was tried when the mirror is away', { timeout: 300_000 }, async () => {
    const bin = await temporaryFolder();
    const tmp = await ownTmpdir();
    const script =
      '#!/bin/sh\n[ "$1" = indextargets ] && { echo "bookworm main http://127.0.0.1:1/debian"; exit; }\nexec /usr/bin/apt-get "$@"\n';
    await writeExecutable(join(bin, 'apt-get'), script);
    const osReleaseFile = join(bin, 'os-release');
    await writeFile(osReleaseFile, 'ID=debian\nVERSION_CODENAME=bookworm\n');
    const env = { ...process.env, PATH: `${bin}:${process.env.PATH}` };
    const chosen = await options({ env, osReleaseFile });
    await expect(installFromDistribution(chosen)).rejects.toThrow(
      /trixie at http:\/\/127\.0\.0\.1:1\/debian: apt-get ended with exit code 100.*forky at .*sid at .*bookworm at /,
    );
    expect((await readdir(tmp)).filter((name) => name.startsWith('millrace-apt-'))).toEqual([]);
  });
});

describe('what keeps the Debian route from starting', () => {
  it.each([
    ['no os-release file', undefined, /this is no Debian or Ubuntu .*says nothing/],
    ['another distribution', 'ID=alpine\nID_LIKE=""\n', /this is no Debian or Ubuntu .*says alpine/],
  ])('%s', async (_what, text, reason) => {
    const osReleaseFile = join(await temporaryFolder(), 'os-release');
    if (text !== undefined) await writeFile(osReleaseFile, text);
    await expect(installFromDistribution(await options({ osReleaseFile }))).rejects.toThrow(reason);
  });

  it.skipIf(!isDebian)('no apt-get', async () => {
    const env = { PATH: await temporaryFolder() };
    await expect(installFromDistribution(await options({ env }))).rejects.toThrow(
      'apt cannot be asked for its mirror: spawn apt-get ENOENT',
    );
  });

  it.skipIf(!isDebian)('no mirror', async () => {
    const bin = await temporaryFolder();
    await writeExecutable(join(bin, 'apt-get'), '#!/bin/sh\necho bookworm main cdrom:///\n');
    await expect(installFromDistribution(await options({ env: { PATH: bin } }))).rejects.toThrow(
      'apt has no package mirror configured',
    );
  });
});
