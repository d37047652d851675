import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { homedir } from 'node:os';
import { join } from 'node:path';

/** A Kafka cluster for tests: the mock cluster of librdkafka, which kcat carries. */
export interface TestKafka {
  readonly broker: string;
  readonly pid: number;
  stop(): void;
}

const CACHE = join(homedir(), '.cache', 'millrace', 'kcat');
const START_TIMEOUT_MS = 60_000;

/** Why there is no Kafka for tests here; undefined: there is one. */
export function kafkaMissing(): string | undefined {
  try {
    createRequire(import.meta.url).resolve('kafkajs');
  } catch {
    return 'the package kafkajs is not installed';
  }
  return kcat() === undefined ? 'kcat is neither in PATH nor can it be had from apt' : undefined;
}

let found: { readonly path: string | undefined; readonly env: NodeJS.ProcessEnv } | undefined;

function kcat(): string | undefined {
  found ??= lookForKcat();
  return found.path;
}

function lookForKcat(): NonNullable<typeof found> {
  const inPath = (process.env.PATH ?? '').split(':').map((folder) => join(folder, 'kcat'));
  const path = inPath.find((file) => existsSync(file));
  if (path !== undefined) return { path, env: process.env };
  try {
    return unpacked();
  } catch {
    return { path: undefined, env: process.env };
  }
}

/** Debian's packages, unpacked into a folder of the cache: nothing is installed. */
function unpacked(): NonNullable<typeof found> {
  const root = join(CACHE, 'root');
  const path = join(root, 'usr', 'bin', 'kcat');
  if (!existsSync(path)) {
    mkdirSync(root, { recursive: true });
    const packages = ['kcat', 'librdkafka1', 'libyajl2', 'libavro23', 'libserdes1', 'libjansson4'];
    execFileSync('apt-get', ['download', ...packages.slice(0, 3)], { cwd: CACHE, stdio: 'ignore' });
    for (const optional of packages.slice(3)) {
      try {
        execFileSync('apt-get', ['download', optional], { cwd: CACHE, stdio: 'ignore' });
      } catch {
        // Not every build of kcat needs it.
      }
    }
    for (const file of readdirSync(CACHE).filter((name) => name.endsWith('.deb'))) {
      execFileSync('dpkg', ['-x', join(CACHE, file), root], { stdio: 'ignore' });
    }
  }
  const libraries = readdirSync(join(root, 'usr', 'lib')).map((name) => join(root, 'usr', 'lib', name));
  const env = { ...process.env, LD_LIBRARY_PATH: libraries.join(':') };
  execFileSync(path, ['-V'], { env, stdio: 'ignore' });
  return { path, env };
}

/** Starts a cluster of one broker on loopback; topics are made by who asks for them, with four partitions. */
export async function startTestKafka(): Promise<TestKafka> {
  const path = kcat();
  if (path === undefined) throw new Error('no kcat');
  // A producer of its own that is never told anything: the cluster lives as long as it does.
  const args = ['-P', '-t', 'unused', '-b', 'mock:1', '-X', 'test.mock.num.brokers=1', '-d', 'mock'];
  const child = spawn(path, args, { env: found?.env, stdio: ['pipe', 'ignore', 'pipe'] });
  const kill = (): void => void child.kill('SIGKILL');
  process.on('exit', kill);
  const broker = await new Promise<string>((resolve, reject) => {
    const late = setTimeout(() => reject(new Error('kcat says no address')), START_TIMEOUT_MS);
    let text = '';
    child.stderr.on('data', (data: Buffer) => {
      // Read to the end, or it stops; only the beginning says something.
      if (text.length < 10_000) text += data.toString();
      const [, address] = /bootstrap\.servers=([\d.:]+)/.exec(text) ?? [];
      if (address === undefined) return;
      clearTimeout(late);
      resolve(address);
    });
    child.once('error', reject);
  });
  return {
    broker,
    pid: child.pid ?? -1,
    stop: () => {
      process.off('exit', kill);
      kill();
    },
  };
}

/** What tests produce and ask with. */
export interface TestClient {
  producer(): {
    connect(): Promise<void>;
    disconnect(): Promise<void>;
    send(options: object): Promise<unknown>;
  };
  admin(): {
    connect(): Promise<void>;
    disconnect(): Promise<void>;
    fetchOffsets(
      options: object,
    ): Promise<
      readonly { readonly partitions: readonly { readonly partition: number; readonly offset: string }[] }[]
    >;
  };
}

export function testClient({ broker }: TestKafka): TestClient {
  process.env.KAFKAJS_NO_PARTITIONER_WARNING = '1';
  const { Kafka } = createRequire(import.meta.url)('kafkajs') as {
    Kafka: new (options: object) => TestClient;
  };
  return new Kafka({ clientId: 'test', brokers: [broker], logLevel: 0 });
}
