import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type CachedServer, installIntoCache, type Target } from './cache.ts';
import { type CommandResult, runCommand } from './child-command.ts';
import { describeError, hasCode, StepFailure } from './embedded-errors.ts';
import { compareVersions, MINIMUM_VERSION, parseVersion } from './version.ts';

const QUERY_TIMEOUT_MS = 20_000;
const NETWORK_TIMEOUT_MS = 60_000;
const UNPACK_TIMEOUT_MS = 30_000;
/** A machine may list many mirrors; the first ones of its own release are enough to know. */
const MIRROR_LIMIT = 2;

/** A distribution whose archive carries nats-server, and the suites to ask for it, best first. */
interface Family {
  readonly name: string;
  readonly keyring: string;
  readonly keyringPackage: string;
  readonly component: string;
  /** Stable ones before those that still change: Debian 12's own suite carries 2.9 only. */
  readonly suites: readonly string[];
}

const DEBIAN: Family = {
  name: 'Debian',
  keyring: '/usr/share/keyrings/debian-archive-keyring.gpg',
  keyringPackage: 'debian-archive-keyring',
  component: 'main',
  suites: ['trixie', 'forky', 'sid'],
};

const UBUNTU: Family = {
  name: 'Ubuntu',
  keyring: '/usr/share/keyrings/ubuntu-archive-keyring.gpg',
  keyringPackage: 'ubuntu-keyring',
  component: 'universe',
  suites: ['noble', 'resolute', 'questing', 'plucky'],
};

export interface DebianOptions {
  readonly cacheDir: string;
  readonly target: Target;
  /** Normally `/etc/os-release`. */
  readonly osReleaseFile: string;
  readonly env: NodeJS.ProcessEnv;
  readonly progress: (line: string) => void;
}

/**
 * Takes nats-server out of the distribution's own package, from the mirror this machine is configured for,
 * without root and without touching the machine's package lists: apt checks the archive's signature with
 * the distribution's keyring as always. Throws a StepFailure that names each suite tried.
 */
export async function installFromDistribution(options: DebianOptions): Promise<CachedServer> {
  const { family, codename } = await readDistribution(options);
  await stat(family.keyring).catch((error: unknown) => {
    throw new StepFailure(
      `${family.keyring}: ${describeError(error)}`,
      `install the package ${family.keyringPackage}`,
    );
  });
  const mirrors = await configuredMirrors(codename, options.env);
  // The machine's own suite comes last: where it is new enough, it is mostly one of the others.
  const suites = [...new Set([...family.suites, ...(codename === '' ? [] : [codename])])];
  const tried: string[] = [];
  for (const mirror of mirrors) {
    for (const suite of suites) {
      try {
        return await installFromSuite({ ...options, family, mirror, suite });
      } catch (error) {
        tried.push(`${suite} at ${mirror}: ${describeError(error)}`);
      }
    }
  }
  throw new StepFailure(
    tried.join('; '),
    'see that the package mirror can be reached (apt-get update), or install nats-server yourself and set NATS_SERVER_BIN',
  );
}

async function readDistribution(options: DebianOptions): Promise<{ family: Family; codename: string }> {
  let text = '';
  try {
    text = await readFile(options.osReleaseFile, 'utf8');
  } catch (error) {
    if (!hasCode(error, 'ENOENT')) throw error;
  }
  const field = (name: string): string =>
    new RegExp(`^${name}=["']?(.*?)["']?\\s*$`, 'm').exec(text)?.[1]?.toLowerCase() ?? '';
  const ids = `${field('ID')} ${field('ID_LIKE')}`.split(/\s+/);
  if (ids.includes('ubuntu')) {
    return { family: UBUNTU, codename: field('UBUNTU_CODENAME') || field('VERSION_CODENAME') };
  }
  if (ids.includes('debian')) return { family: DEBIAN, codename: field('VERSION_CODENAME') };
  throw new StepFailure(
    `this is no Debian or Ubuntu (${options.osReleaseFile} says ${field('ID') || 'nothing'})`,
    "install nats-server with the system's own package manager, so that it is on the PATH",
  );
}

/** The archive addresses in apt's configuration, those of the machine's own release first. */
async function configuredMirrors(codename: string, env: NodeJS.ProcessEnv): Promise<string[]> {
  let result: CommandResult;
  try {
    const format = '$(RELEASE) $(COMPONENT) $(REPO_URI)';
    result = await apt('apt-get', ['indextargets', '--format', format], QUERY_TIMEOUT_MS, env);
  } catch (error) {
    throw new StepFailure(
      `apt cannot be asked for its mirror: ${describeError(error)}`,
      'install nats-server yourself and set NATS_SERVER_BIN',
    );
  }
  const rows = result.stdout
    .split('\n')
    .map((line) => line.trim().split(' '))
    .flatMap(([release, component, uri]) =>
      release && component && uri && !uri.startsWith('cdrom:') ? [{ release, component, uri }] : [],
    )
    .filter((row) => !row.release.endsWith('-security'));
  const suiteNames = [codename, 'stable', 'oldstable', 'testing', 'unstable', 'sid'];
  const own = rows.filter((row) => row.component === 'main' && suiteNames.includes(row.release));
  const mirrors = [...new Set((own.length > 0 ? own : rows).map((row) => row.uri))].slice(0, MIRROR_LIMIT);
  if (mirrors.length === 0) {
    throw new StepFailure(
      'apt has no package mirror configured',
      'configure one in /etc/apt/sources.list, or install nats-server yourself and set NATS_SERVER_BIN',
    );
  }
  return mirrors;
}

interface SuiteOptions extends DebianOptions {
  readonly family: Family;
  readonly mirror: string;
  readonly suite: string;
}

async function installFromSuite(options: SuiteOptions): Promise<CachedServer> {
  const { family, mirror, suite, progress, env } = options;
  // Not in the cache: the package lists take 20 MB and must not stay if this process is killed.
  const scratch = await mkdtemp(join(tmpdir(), 'millrace-apt-'));
  try {
    progress(`fetching the nats-server package of ${family.name} ${suite} from ${mirror}`);
    const settings = await prepareScratch(scratch, options);
    const get = (args: string[], timeoutMs: number): Promise<CommandResult> =>
      apt('apt-get', [...settings, ...args], timeoutMs, env, scratch);
    await get(['update'], NETWORK_TIMEOUT_MS);
    const show = ['show', '--no-all-versions', 'nats-server'];
    const shown = await apt('apt-cache', [...settings, ...show], QUERY_TIMEOUT_MS, env, scratch);
    const version = parseVersion(/^Version: (?:\d+:)?(\S+)/m.exec(shown.stdout)?.[1] ?? '');
    if (version === undefined || compareVersions(version, MINIMUM_VERSION) < 0) {
      throw new Error(`it carries ${version ?? 'none'}, ${MINIMUM_VERSION} or newer is needed`);
    }
    progress(`downloading nats-server ${version} of ${family.name} ${suite}`);
    await get(['download', 'nats-server'], NETWORK_TIMEOUT_MS);
    const archive = (await readdir(scratch)).find((name) => name.endsWith('.deb'));
    if (archive === undefined) throw new Error('apt-get download left no package file');
    const unpacked = join(scratch, 'unpacked');
    await apt('dpkg', ['-x', join(scratch, archive), unpacked], UNPACK_TIMEOUT_MS, env, scratch);
    const binary = await readFile(join(unpacked, 'usr', 'sbin', 'nats-server'));
    return await installIntoCache(options.cacheDir, options.target, binary);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

/** Writes a private sources list; returns the settings that make apt use it and nothing of the system's state. */
async function prepareScratch(scratch: string, options: SuiteOptions): Promise<string[]> {
  const { family, mirror, suite } = options;
  await mkdir(join(scratch, 'lists', 'partial'), { recursive: true });
  await mkdir(join(scratch, 'cache', 'archives', 'partial'), { recursive: true });
  const native = await apt('dpkg', ['--print-architecture'], QUERY_TIMEOUT_MS, options.env);
  const attributes = `arch=${native.stdout.trim()} signed-by=${family.keyring}`;
  await writeFile(
    join(scratch, 'sources.list'),
    `deb [${attributes}] ${mirror} ${suite} ${family.component}\n`,
  );
  await writeFile(join(scratch, 'status'), '');
  const settings = {
    'Dir::Etc::SourceList': join(scratch, 'sources.list'),
    'Dir::Etc::SourceParts': '/dev/null',
    // A pin of the machine's owner against other suites is about installing from them.
    'Dir::Etc::Preferences': '/dev/null',
    'Dir::Etc::PreferencesParts': '/dev/null',
    'Dir::State::Lists': join(scratch, 'lists'),
    // An installed older nats-server must not take part in choosing the version.
    'Dir::State::status': join(scratch, 'status'),
    'Dir::Cache': join(scratch, 'cache'),
    // As root, apt would download as the user _apt, who may not enter the scratch folder.
    'APT::Sandbox::User': 'root',
    // By default a suite that cannot be fetched is only a warning.
    'APT::Update::Error-Mode': 'any',
    'Acquire::Languages': 'none',
    'Acquire::Retries': '1',
    'Acquire::http::Timeout': '10',
    'Acquire::https::Timeout': '10',
  };
  return Object.entries(settings).flatMap(([name, value]) => ['-o', `${name}=${value}`]);
}

/** Runs a program of apt or dpkg; throws with its own last words unless it exits with 0. */
async function apt(
  command: string,
  args: readonly string[],
  timeoutMs: number,
  env: NodeJS.ProcessEnv,
  cwd?: string,
): Promise<CommandResult> {
  const result = await runCommand(command, args, {
    timeoutMs,
    env: { ...env, LC_ALL: 'C', DEBIAN_FRONTEND: 'noninteractive' },
    ...(cwd === undefined ? {} : { cwd }),
  });
  if (result.code === 0) return result;
  const lines = result.stderr.split('\n').filter((line) => line.trim() !== '');
  const errors = lines.filter((line) => line.startsWith('E:'));
  const words = (errors.length > 0 ? errors : lines).slice(-2).join(' ').slice(0, 400);
  throw new Error(`${command} ended with ${result.signal ?? `exit code ${result.code}`}: ${words}`);
}
