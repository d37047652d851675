import { execFileSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { SeededRandom } from '../../engine/index.ts';
import { binary as millrace, type Run } from '../command.ts';
import { startTestNats, type TestNats } from '../nats.ts';
import type { Millrace } from '../process.ts';
import { Scratch } from '../scratch.ts';
import { Ledger } from './ledger.ts';
import { StallingProxy } from './proxy.ts';
import { ChaosPublisher } from './publisher.ts';

const TENANTS = ['acme', 'globex'] as const;
const DISK_BYTES = 256 * 1_048_576;
const STATE_FILE = 'state/order-analytics';

/** The processes of a run, and what the faults do to them. */
export class World {
  readonly ledger = new Ledger(TENANTS);
  readonly random: SeededRandom;
  /** Nothing was sent before. */
  readonly started_ms = Date.now();
  readonly #scratch = new Scratch();
  readonly #disk: string | undefined;
  readonly dataDir: string;
  readonly proxy: StallingProxy;
  readonly publisher: ChaosPublisher;
  nats: TestNats;
  service: Millrace;

  private constructor(
    parts: Pick<World, 'random' | 'dataDir' | 'proxy' | 'nats'> & {
      readonly repeats: SeededRandom;
      readonly disk: string | undefined;
    },
  ) {
    this.random = parts.random;
    this.dataDir = parts.dataDir;
    this.proxy = parts.proxy;
    this.nats = parts.nats;
    this.#disk = parts.disk;
    this.service = this.#launch();
    this.publisher = new ChaosPublisher(this.ledger, parts.repeats, this.nats.url);
  }

  static async start(seed: number): Promise<World> {
    const nats = await startTestNats();
    const proxy = await StallingProxy.to(nats.port);
    const dataDir = await new Scratch().dir('chaos');
    const disk = mounted(dataDir) ? dataDir : undefined;
    const world = new World({
      random: new SeededRandom(seed),
      repeats: new SeededRandom(seed + 1),
      ...{ dataDir, proxy, nats, disk },
    });
    await world.service.untilOk().catch(async (error: unknown) => {
      await world.close();
      throw error;
    });
    return world;
  }

  #launch(): Millrace {
    const env = { NATS_URL: `nats://127.0.0.1:${this.proxy.port}` };
    return this.#scratch.launch({ dataDir: this.dataDir, env });
  }

  restart(): void {
    this.service = this.#launch();
  }

  /** A new state from the stream, with every order in it: after a fault that did not end well. */
  async startOver(): Promise<void> {
    if (this.service.isRunning) await this.service.kill();
    rmSync(join(this.dataDir, 'state'), { recursive: true, force: true });
    this.restart();
    await this.service.untilOk();
    await this.publisher.send(this.ledger.all);
  }

  /** Of a file system of its own, which can be filled; undefined where none can be mounted. */
  get disk(): string | undefined {
    return this.#disk;
  }

  async restartNats(): Promise<void> {
    const { port, storeDir } = this.nats;
    this.nats = await startTestNats({ port, storeDir });
  }

  /** The file of the current state. */
  stateFile(generation: number): string {
    return join(this.dataDir, STATE_FILE, `g${generation}`, 'p0', 'data.mdb');
  }

  /** A command of the product on the same data folder. */
  command(...words: readonly string[]): Promise<Run> {
    return millrace([...words, '--data-dir', this.dataDir], { NATS_URL: this.nats.url });
  }

  async close(): Promise<void> {
    await this.publisher.close();
    await this.#scratch.clean();
    await this.proxy.close();
    await this.nats.stop();
    if (this.#disk !== undefined) execFileSync('umount', [this.#disk]);
    rmSync(this.dataDir, { recursive: true, force: true });
  }
}

/** Whether a small file system could be mounted there: needs root, and leave to mount. */
function mounted(path: string): boolean {
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${DISK_BYTES},mode=700`, 'tmpfs', path], {
      stdio: 'pipe',
    });
    return true;
  } catch {
    return false;
  }
}
