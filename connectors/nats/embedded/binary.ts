import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import { delimiter, join, resolve } from 'node:path';
import { type CachedServer, defaultCacheDir, executableName, findCached, type Target } from './cache.ts';
import { installFromDistribution } from './debian.ts';
import { DEFAULT_DOWNLOAD_LIMITS, type DownloadLimits } from './download.ts';
import { describeError, type FailedStep, NatsServerError, StepFailure } from './embedded-errors.ts';
import { installRelease, PINNED_RELEASE, type PinnedRelease, RELEASE_BASE_URL } from './release.ts';
import { MINIMUM_VERSION, probeVersion } from './version.ts';

export interface ResolveOptions {
  /** `NATS_SERVER_BIN`, `PATH`, `XDG_CACHE_HOME` and `HOME` are read from it; default: the process's. */
  readonly env?: NodeJS.ProcessEnv;
  /** Default: `$XDG_CACHE_HOME/millrace`, else `~/.cache/millrace`. */
  readonly cacheDir?: string;
  readonly platform?: NodeJS.Platform;
  readonly arch?: string;
  readonly release?: PinnedRelease;
  readonly releaseBaseUrl?: string;
  readonly downloadLimits?: DownloadLimits;
  /** Default: `/etc/os-release`. */
  readonly osReleaseFile?: string;
  /** Gets one line of text at a time, for a person, while something is fetched. */
  readonly progress?: (line: string) => void;
}

export interface ResolvedServer {
  readonly path: string;
  /** `major.minor.patch`. */
  readonly version: string;
  readonly from: 'env' | 'path' | 'cache' | 'release' | 'debian';
}

interface Step {
  readonly name: string;
  readonly from: ResolvedServer['from'];
  readonly fetches: boolean;
  find(): Promise<CachedServer>;
}

/**
 * Finds a nats-server >= 2.10: `NATS_SERVER_BIN`, the PATH, the cache, the official release, the package of
 * Debian or Ubuntu; the first that works. Throws a NatsServerError: `nats_server_bin_unusable` when
 * `NATS_SERVER_BIN` is set and cannot be used, since that binary was asked for and no other; else
 * `nats_server_unavailable`, which lists each step, why it failed and what to do.
 */
export async function resolveNatsServer(options: ResolveOptions = {}): Promise<ResolvedServer> {
  const env = options.env ?? process.env;
  const asked = env.NATS_SERVER_BIN;
  if (asked !== undefined && asked !== '') return useAskedFor(asked);

  const failed: FailedStep[] = [
    {
      step: 'NATS_SERVER_BIN',
      reason: 'not set',
      advice: `set it to the path of a nats-server >= ${MINIMUM_VERSION}`,
    },
  ];
  const progress = options.progress ?? (() => undefined);
  let told = 1;
  for (const step of steps(options, env, progress)) {
    // Before anything is fetched the reader learns why; a start that finds a binary at once stays quiet.
    if (step.fetches) {
      for (const f of failed.slice(told)) progress(`no nats-server from ${f.step}: ${f.reason}`);
      told = failed.length;
    }
    try {
      return { ...(await step.find()), from: step.from };
    } catch (error) {
      failed.push({
        step: step.name,
        reason: describeError(error),
        advice: error instanceof StepFailure ? error.advice : 'see the reason',
      });
    }
  }
  const list = failed.map((f, i) => `  ${i + 1}. ${f.step}: ${f.reason}\n     What to do: ${f.advice}.`);
  throw new NatsServerError(
    'nats_server_unavailable',
    `No nats-server >= ${MINIMUM_VERSION} was found. Tried in this order:\n${list.join('\n')}\nOr set NATS_URL to use a NATS server that is already running.`,
    { steps: failed },
  );
}

async function useAskedFor(asked: string): Promise<ResolvedServer> {
  const path = resolve(asked);
  try {
    return { path, version: await probeVersion(path), from: 'env' };
  } catch (error) {
    const reason = describeError(error);
    throw new NatsServerError(
      'nats_server_bin_unusable',
      `NATS_SERVER_BIN is set to ${asked}, which cannot be used: ${reason}. Set it to a nats-server >= ${MINIMUM_VERSION}, or unset it to have one found.`,
      {
        cause: error,
        steps: [{ step: 'NATS_SERVER_BIN', reason, advice: 'correct it or unset it' }],
      },
    );
  }
}

function steps(options: ResolveOptions, env: NodeJS.ProcessEnv, progress: (line: string) => void): Step[] {
  const target: Target = {
    platform: options.platform ?? process.platform,
    arch: options.arch ?? process.arch,
  };
  const cacheDir = options.cacheDir ?? defaultCacheDir(env);
  return [
    { name: 'PATH', from: 'path', fetches: false, find: () => findOnPath(env, target) },
    { name: 'cache', from: 'cache', fetches: false, find: () => findCached(cacheDir, target) },
    {
      name: 'official release',
      from: 'release',
      fetches: true,
      find: () =>
        installRelease({
          cacheDir,
          target,
          release: options.release ?? PINNED_RELEASE,
          baseUrl: options.releaseBaseUrl ?? RELEASE_BASE_URL,
          limits: options.downloadLimits ?? DEFAULT_DOWNLOAD_LIMITS,
          progress,
        }),
    },
    {
      name: 'Debian or Ubuntu package',
      from: 'debian',
      fetches: true,
      find: () =>
        installFromDistribution({
          cacheDir,
          target,
          osReleaseFile: options.osReleaseFile ?? '/etc/os-release',
          env,
          progress,
        }),
    },
  ];
}

async function findOnPath(env: NodeJS.ProcessEnv, target: Target): Promise<CachedServer> {
  const rejected: string[] = [];
  for (const folder of (env.PATH ?? env.Path ?? '').split(delimiter)) {
    if (folder === '') continue;
    const path = resolve(join(folder, executableName(target.platform)));
    try {
      await access(path, constants.X_OK);
    } catch {
      // Not in this folder, as for most of them.
      continue;
    }
    try {
      return { path, version: await probeVersion(path) };
    } catch (error) {
      rejected.push(describeError(error));
    }
  }
  throw new StepFailure(
    rejected.length === 0 ? 'no nats-server on it' : rejected.join('; '),
    `install nats-server >= ${MINIMUM_VERSION} into a folder on it`,
  );
}
