import { randomUUID } from 'node:crypto';
import { chmod, mkdir, open, readdir, rename, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';
import { describeError, hasCode, StepFailure } from './embedded-errors.ts';
import { compareVersions, MINIMUM_VERSION, probeVersion } from './version.ts';

/** A platform and CPU in Node's names: `linux-x64`, `darwin-arm64`, `win32-x64`. */
export interface Target {
  readonly platform: NodeJS.Platform;
  readonly arch: string;
}

export interface CachedServer {
  readonly path: string;
  readonly version: string;
}

/** `$XDG_CACHE_HOME/millrace`, or `~/.cache/millrace`. The XDG specification ignores relative paths. */
export function defaultCacheDir(env: NodeJS.ProcessEnv): string {
  const xdg = env.XDG_CACHE_HOME;
  const base = xdg !== undefined && isAbsolute(xdg) ? xdg : join(env.HOME || homedir(), '.cache');
  return join(base, 'millrace');
}

export function executableName(platform: NodeJS.Platform): string {
  return platform === 'win32' ? 'nats-server.exe' : 'nats-server';
}

/** The newest server in the cache that runs and is new enough. Throws a StepFailure when there is none. */
export async function findCached(cacheDir: string, target: Target): Promise<CachedServer> {
  const rejected: string[] = [];
  for (const version of await cachedVersions(cacheDir, target)) {
    const path = cachePath(cacheDir, version, target);
    try {
      return { path, version: await probeVersion(path) };
    } catch (error) {
      rejected.push(describeError(error));
    }
  }
  throw new StepFailure(
    rejected.length === 0
      ? `no nats-server >= ${MINIMUM_VERSION} for ${target.platform}-${target.arch} in ${cacheDir}`
      : rejected.join('; '),
    `put a nats-server at ${cachePath(cacheDir, '<version>', target)}`,
  );
}

async function cachedVersions(cacheDir: string, target: Target): Promise<string[]> {
  let names: string[];
  try {
    names = await readdir(cacheDir);
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return [];
    throw error;
  }
  const suffix = `-${target.platform}-${target.arch}`;
  return names
    .filter((name) => name.startsWith('nats-server-') && name.endsWith(suffix))
    .map((name) => name.slice('nats-server-'.length, -suffix.length))
    .filter((version) => /^\d+\.\d+\.\d+$/.test(version) && compareVersions(version, MINIMUM_VERSION) >= 0)
    .sort((a, b) => compareVersions(b, a));
}

/**
 * Puts a binary into the cache once it has been seen to run. The file appears by a rename, so processes
 * that install the same version at the same time never see half of it: the last one wins. Throws when the
 * cache cannot be written or the binary does not run on this machine or is too old.
 */
export async function installIntoCache(
  cacheDir: string,
  target: Target,
  content: Uint8Array,
): Promise<CachedServer> {
  await mkdir(cacheDir, { recursive: true });
  // A folder of its own, because `--version` has to find the executable under its proper name on Windows.
  const scratch = join(cacheDir, `.installing-${randomUUID()}`);
  const fresh = join(scratch, executableName(target.platform));
  try {
    await mkdir(scratch);
    const file = await open(fresh, 'wx', 0o755);
    try {
      await file.writeFile(content);
      // Renaming before the content is on disk could leave an empty binary after a power cut.
      await file.sync();
    } finally {
      await file.close();
    }
    await chmod(fresh, 0o755);
    const version = await probeVersion(fresh);
    const path = cachePath(cacheDir, version, target);
    await mkdir(join(path, '..'), { recursive: true });
    await rename(fresh, path);
    return { path, version };
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

function cachePath(cacheDir: string, version: string, target: Target): string {
  const folder = `nats-server-${version}-${target.platform}-${target.arch}`;
  return join(cacheDir, folder, executableName(target.platform));
}
