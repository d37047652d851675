import { asMillraceError } from '../../engine/index.ts';
import { type ClusterTime, firstWithin } from './cluster-time.ts';
import type { Leases } from './lease.ts';
import type { Placement, TaskKey, TaskReport } from './records.ts';
import type { TaskHost } from './task-host.ts';

/** What a slot has to know of the others. */
export interface SlotSurroundings {
  readonly self: string;
  placement(task: TaskKey): Placement | undefined;
  lives(member: string): boolean;
  /** It lives, and is not about to end. */
  stays(member: string): boolean;
  /** What a living member says of a task. */
  report(task: TaskKey, member: string): TaskReport | undefined;
  /** Up to where the outside has everything of a task, as members say. */
  settled(task: TaskKey): number;
  /** Whether another state may be opened now: copies are heavy. */
  mayOpen(): boolean;
}

export interface SlotParts {
  readonly task: TaskKey;
  readonly leases: Leases;
  readonly around: SlotSurroundings;
  readonly time: ClusterTime;
  readonly host: () => TaskHost;
  /** Something came to its end: look again. */
  readonly onDone: () => void;
  readonly log: (line: string) => void;
  /** An owner that cannot send what it owes gives up the task so long after it was asked to, ms. */
  readonly release_max_ms: number;
}

const RETRY_FIRST_MS = 500;
const RETRY_MAX_MS = 10_000;

type Action = 'open' | 'close' | 'fence' | 'release' | 'acquire' | 'activate';

/**
 * One task in this process, from nothing to owner and back: compares what should be with what is, and does one thing at a
 * time. It never waits for anybody: what cannot be done now is looked at again at the next change, and each second.
 */
export class TaskSlot {
  readonly #parts: SlotParts;
  #host: TaskHost | undefined;
  #isOpen = false;
  #doing: Action | undefined;
  #pause_ms = 0;
  #retry_at_ms = 0;
  #isClosing = false;

  constructor(parts: SlotParts) {
    this.#parts = parts;
  }

  get doing(): Action | undefined {
    return this.#doing;
  }

  /** What this process says of the task; undefined: it has nothing of it. */
  report(): TaskReport | undefined {
    if (this.#host === undefined) return undefined;
    const { state, position, lag_ms, settled, error } = this.#host.status();
    const role = this.#parts.leases.epoch(this.#parts.task) === undefined ? 'standby' : 'owner';
    return {
      role,
      state: this.#isOpen ? state : state === 'failed' ? 'failed' : 'opening',
      lag_ms,
      ...(position === undefined ? {} : { position }),
      ...(settled === undefined ? {} : { settled }),
      ...(error === undefined ? {} : { error }),
    };
  }

  /** Begins what is to be done next, where nothing is under way. */
  step(): void {
    if (this.#isOpen) this.#host?.settle(this.#parts.around.settled(this.#parts.task));
    if (this.#doing === 'activate') this.#endActivation();
    if (this.#doing !== undefined || this.#isClosing) return;
    const action = this.#next();
    if (action === undefined) return;
    // Only what has failed waits; to stop sending never does.
    if (action !== 'fence' && this.#parts.time.monotonic() < this.#retry_at_ms) return;
    this.#doing = action;
    void this.#run(action);
  }

  /** Channels that do not answer must not keep a task here that should be elsewhere. */
  #endActivation(): void {
    const { task, around, leases, log } = this.#parts;
    const at = around.placement(task);
    const isOwner = leases.epoch(task) !== undefined;
    if (isOwner && (at?.owner === around.self || !this.#othersGoOn(at))) return;
    this.#host?.standby().catch((error: unknown) => log(`${task}: ${asMillraceError(error).message}`));
  }

  #next(): Action | undefined {
    const { task, around, leases } = this.#parts;
    const at = around.placement(task);
    const epoch = leases.epoch(task);
    const wanted = at === undefined ? 'none' : roleOf(at, around.self);
    if (this.#host === undefined || !this.#isOpen) {
      // A process that owned it, and was not able to open it, does not keep it from others.
      if (epoch !== undefined && wanted !== 'owner' && this.#othersGoOn(at)) return 'release';
      if (wanted === 'none' && this.#host !== undefined) return 'close';
      return wanted !== 'none' && around.mayOpen() ? 'open' : undefined;
    }
    const active = this.#host.status().active_epoch;
    if (active !== undefined && active !== epoch) return 'fence';
    if (epoch !== undefined) {
      if (wanted !== 'owner' && this.#othersGoOn(at)) return 'release';
      return active === undefined ? 'activate' : undefined;
    }
    const holder = leases.holder(task);
    const isFree = holder === undefined || !around.lives(holder);
    if (isFree && at !== undefined && (wanted === 'owner' || this.#isHeir(at))) return 'acquire';
    // Kept until whoever should have it does: it may be the only state there is.
    return wanted === 'none' && at !== undefined && holder === at.owner ? 'close' : undefined;
  }

  #othersGoOn(at: Placement | undefined): boolean {
    return at !== undefined && this.#parts.around.stays(at.owner);
  }

  /** The owner is gone, and of those that follow this process is the first: a ready one before others. */
  #isHeir(at: Placement): boolean {
    const { task, around } = this.#parts;
    if (around.stays(at.owner)) return false;
    const living = at.standbys.filter((member) => around.stays(member));
    const ready = living.filter((member) => around.report(task, member)?.state === 'ready');
    return (ready[0] ?? living[0]) === around.self;
  }

  async #run(action: Action): Promise<void> {
    try {
      await this.#do(action);
      this.#pause_ms = 0;
      this.#retry_at_ms = 0;
    } catch (thrown) {
      const { code, message } = asMillraceError(thrown);
      this.#pause_ms = Math.min(Math.max(RETRY_FIRST_MS, 2 * this.#pause_ms), RETRY_MAX_MS);
      this.#retry_at_ms = this.#parts.time.monotonic() + this.#pause_ms;
      if (!this.#isClosing) this.#parts.log(`${this.#parts.task}: cannot ${action}: ${code}: ${message}`);
    } finally {
      this.#doing = undefined;
      this.#parts.onDone();
    }
  }

  async #do(action: Action): Promise<void> {
    const { task, leases, log } = this.#parts;
    if (action === 'open') return await this.#open();
    if (action === 'release') return await this.#release();
    if (action === 'acquire') {
      const epoch = await leases.acquire(task);
      if (epoch !== undefined) log(`${task}: owner, epoch ${epoch}`);
      return;
    }
    const host = this.#host;
    if (host === undefined) return;
    if (action === 'activate') {
      const epoch = leases.epoch(task);
      if (epoch !== undefined) await host.activate(epoch);
    } else if (action === 'fence') {
      await host.standby();
      log(`${task}: another process is its owner now; it follows`);
    } else {
      this.#host = undefined;
      this.#isOpen = false;
      await host.close();
      log(`${task}: closed, it is elsewhere`);
    }
  }

  async #open(): Promise<void> {
    const { task, around, leases } = this.#parts;
    const at = around.placement(task);
    const holder = leases.holder(task);
    const others = [holder, at?.owner, ...(at?.standbys ?? [])];
    const peers = [...new Set(others)].filter(
      (member): member is string => member !== undefined && member !== around.self && around.lives(member),
    );
    const host = this.#host ?? this.#parts.host();
    this.#host = host;
    await host.open(peers);
    this.#isOpen = !this.#isClosing;
  }

  async #release(): Promise<void> {
    const { task, leases, time, release_max_ms, log } = this.#parts;
    const host = this.#host;
    if (host !== undefined && this.#isOpen) {
      // What it cannot send in time the next one sends: both have it in their states.
      const sent = host.release();
      if ((await firstWithin(time, release_max_ms, sent)) === undefined) {
        sent.catch((error: unknown) => log(`${task}: not all was sent: ${asMillraceError(error).message}`));
      }
    }
    await leases.release(task);
    log(`${task}: released`);
  }

  /** Gives up what is owned, and closes. */
  async end(): Promise<void> {
    this.#isClosing = true;
    try {
      if (this.#parts.leases.epoch(this.#parts.task) !== undefined) await this.#release();
    } catch (thrown) {
      // Others find out by the lease.
      this.#parts.log(`${this.#parts.task}: not released: ${asMillraceError(thrown).message}`);
    }
    const host = this.#host;
    this.#host = undefined;
    await host?.close();
  }
}

function roleOf({ owner, standbys, next, incoming }: Placement, self: string): 'owner' | 'standby' | 'none' {
  if (owner === self) return 'owner';
  return standbys.includes(self) || next === self || incoming === self ? 'standby' : 'none';
}
