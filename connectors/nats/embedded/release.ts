import { createHash } from 'node:crypto';
import { fileFromTarGz, fileFromZip } from './archive.ts';
import { type CachedServer, executableName, installIntoCache, type Target } from './cache.ts';
import { type DownloadLimits, download } from './download.ts';
import { describeError, StepFailure } from './embedded-errors.ts';

/** One version of the official release; `archives` is keyed by Node's `<platform>-<arch>`. */
export interface PinnedRelease {
  readonly version: string;
  readonly archives: Readonly<Record<string, PinnedArchive>>;
}

export interface PinnedArchive {
  readonly file: string;
  readonly sha256: string;
}

export const RELEASE_BASE_URL = 'https://github.com/nats-io/nats-server/releases/download';

/**
 * Where the checksums come from: linux and windows from the Dockerfiles of github.com/nats-io/nats-docker
 * ("Releases v2.14.5, v2.12.15", 2.14.x/), which pin the release's SHA256SUMS; darwin from three public
 * projects that pin the same release independently of each other and agree, their linux values being those
 * of nats-docker. A platform without a value that could be established so is left out.
 */
export const PINNED_RELEASE: PinnedRelease = {
  version: '2.14.5',
  archives: {
    'linux-x64': {
      file: 'nats-server-v2.14.5-linux-amd64.tar.gz',
      sha256: '5e3b603d47c447bda1f77f9ac16dbf91c90aac4ff3681f8fbbc7201e4ed99355',
    },
    'linux-arm64': {
      file: 'nats-server-v2.14.5-linux-arm64.tar.gz',
      sha256: '673a98d3faa79dde3f9ebf16d6dfac36a5f694e7ad2015e4954dd7939c85cd4c',
    },
    'linux-s390x': {
      file: 'nats-server-v2.14.5-linux-s390x.tar.gz',
      sha256: '829193e8c592e0df5f15402c27417df18d26503d22b77dfc9491982fe0b51a67',
    },
    'linux-ppc64': {
      file: 'nats-server-v2.14.5-linux-ppc64le.tar.gz',
      sha256: '5d8f1a264a3bc4b30899814ae8e898b1268e817074635adddd24b32f388e4cc4',
    },
    'darwin-x64': {
      file: 'nats-server-v2.14.5-darwin-amd64.tar.gz',
      sha256: 'f95c98d6b6ed2b63c5681b46b092c9585c99767d547cf495730c329234625e96',
    },
    'darwin-arm64': {
      file: 'nats-server-v2.14.5-darwin-arm64.tar.gz',
      sha256: 'ddd907854d9a2de834af133fa396915fe6442fe6d8909ae31390d1ea7a0fea50',
    },
    'win32-x64': {
      file: 'nats-server-v2.14.5-windows-amd64.zip',
      sha256: 'f66f840a211ab665083b88e9b7edbcf6296cda143be47e53e6f6bb8520692bbb',
    },
  },
};

export interface ReleaseOptions {
  readonly cacheDir: string;
  readonly target: Target;
  readonly release: PinnedRelease;
  readonly baseUrl: string;
  readonly limits: DownloadLimits;
  readonly progress: (line: string) => void;
}

/**
 * Downloads the pinned release into the cache. Nothing reaches the disk before its SHA-256 is right.
 * Throws a StepFailure that says what was wrong.
 */
export async function installRelease(options: ReleaseOptions): Promise<CachedServer> {
  const { target, release, progress } = options;
  const platform = `${target.platform}-${target.arch}`;
  const pinned = release.archives[platform];
  if (pinned === undefined) {
    throw new StepFailure(
      `no pinned checksum for ${platform}`,
      `install a nats-server for ${platform} and set NATS_SERVER_BIN to its path`,
    );
  }
  const url = `${options.baseUrl}/v${release.version}/${pinned.file}`;
  const byHand = `download ${url} by hand (a proxy is not used here) and set NATS_SERVER_BIN to the nats-server in it`;
  progress(`downloading nats-server ${release.version} from ${url}`);
  let archive: Buffer;
  try {
    archive = await download(url, options.limits, progress);
  } catch (error) {
    throw new StepFailure(`${url}: ${describeError(error)}`, byHand, error);
  }
  const sha256 = createHash('sha256').update(archive).digest('hex');
  if (sha256 !== pinned.sha256) {
    throw new StepFailure(
      `${url}: SHA-256 is ${sha256}, expected ${pinned.sha256}; the download was thrown away`,
      'something on the way changes downloads: try another network, or install nats-server yourself and set NATS_SERVER_BIN',
    );
  }
  try {
    const name = executableName(target.platform);
    const binary = pinned.file.endsWith('.zip') ? fileFromZip(archive, name) : fileFromTarGz(archive, name);
    return await installIntoCache(options.cacheDir, target, binary);
  } catch (error) {
    throw new StepFailure(
      `${pinned.file}: ${describeError(error)}`,
      `see that ${options.cacheDir} can be written (XDG_CACHE_HOME moves it) and may hold programs`,
      error,
    );
  }
}
