import { MillraceError, type SeededRandom } from '../../engine/index.ts';
import type { SimulatedProcess, VirtualTime } from './fixture-world.ts';
import { type TaskKey, taskKey } from './records.ts';
import type { HostedTask, TaskHost, TaskHosts } from './task-host.ts';

/** What is true of a task in the world: who may write to its channels, and what was written. */
export interface TaskTruth {
  /** The highest epoch that has fenced its channels. */
  fence: number;
  /** When somebody has written last, ms of virtual time. */
  sent_at_ms: number;
  /** Writes of owners that were fenced: refused by the chain. */
  refused: number;
}

export class HostWorld {
  readonly truth = new Map<TaskKey, TaskTruth>();
  readonly time: VirtualTime;
  readonly random: SeededRandom;
  /** Of a thousand: activations that fail, and releases that never end. */
  readonly broken_permille: number;

  constructor(time: VirtualTime, random: SeededRandom, broken_permille = 0) {
    this.time = time;
    this.random = random;
    this.broken_permille = broken_permille;
  }

  of(task: TaskKey): TaskTruth {
    const known = this.truth.get(task);
    if (known !== undefined) return known;
    const truth = { fence: 0, sent_at_ms: 0, refused: 0 };
    this.truth.set(task, truth);
    return truth;
  }

  /** Those that a process hosts, with what it has on its disk, which outlives it. */
  hostsOf(process: SimulatedProcess, disk: Set<TaskKey>, hosted: Map<TaskKey, SimulatedHost>): TaskHosts {
    return (task) => {
      const host = new SimulatedHost(taskKey(task), this, process, disk, hosted);
      hosted.set(taskKey(task), host);
      return host;
    };
  }
}

const SEND_MS = 500;

/** A task that takes time to open and to follow, and sends while it is the owner, against the fence. */
export class SimulatedHost implements TaskHost {
  readonly #task: TaskKey;
  readonly #world: HostWorld;
  readonly #process: SimulatedProcess;
  readonly #disk: Set<TaskKey>;
  readonly #hosted: Map<TaskKey, SimulatedHost>;
  #state: HostedTask['state'] = 'opening';
  #epoch: number | undefined;
  #isClosed = false;

  constructor(
    task: TaskKey,
    world: HostWorld,
    process: SimulatedProcess,
    disk: Set<TaskKey>,
    hosted: Map<TaskKey, SimulatedHost>,
  ) {
    this.#task = task;
    this.#world = world;
    this.#process = process;
    this.#disk = disk;
    this.#hosted = hosted;
  }

  get epoch(): number | undefined {
    return this.#epoch;
  }

  async open(peers: readonly string[]): Promise<void> {
    const { random } = this.#world;
    const copy_ms = peers.length > 0 ? random.int(200, 2_000) : random.int(500, 6_000);
    await this.#process.sleep(this.#disk.has(this.#task) ? random.int(20, 200) : copy_ms);
    if (this.#isClosed) return;
    this.#disk.add(this.#task);
    this.#state = 'behind';
    void this.#process.sleep(random.int(50, 1_500)).then(() => {
      this.#state = 'ready';
    });
  }

  async activate(epoch: number): Promise<void> {
    const { random, broken_permille } = this.#world;
    await this.#process.sleep(random.int(5, 100));
    if (this.#isClosed) return;
    if (random.int(0, 999) < broken_permille)
      throw new MillraceError('channel_away', 'the cut has no leader', { retriable: true });
    const truth = this.#world.of(this.#task);
    if (truth.fence > epoch) throw new MillraceError('fenced', 'a higher epoch has it');
    truth.fence = epoch;
    this.#epoch = epoch;
    void this.#send(epoch);
  }

  async #send(epoch: number): Promise<void> {
    const truth = this.#world.of(this.#task);
    while (this.#epoch === epoch && !this.#isClosed) {
      if (truth.fence > epoch) {
        truth.refused++;
        this.#epoch = undefined;
        return;
      }
      truth.sent_at_ms = this.#world.time.now_ms;
      await this.#process.sleep(SEND_MS);
    }
  }

  async standby(): Promise<void> {
    this.#epoch = undefined;
  }

  settle(): void {}

  async release(): Promise<void> {
    const { random, broken_permille } = this.#world;
    if (random.int(0, 999) < broken_permille) await new Promise(() => undefined);
    await this.#process.sleep(random.int(5, 300));
    this.#epoch = undefined;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#epoch = undefined;
    if (this.#hosted.get(this.#task) === this) this.#hosted.delete(this.#task);
  }

  status(): HostedTask {
    return { state: this.#state, active_epoch: this.#epoch, lag_ms: this.#state === 'ready' ? 20 : null };
  }
}
