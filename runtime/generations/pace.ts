import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { threadCpuClock } from './background.ts';

const PER_MILLE = 1_000;
const LOOK_INTERVAL_MS = 200;
/** Live traffic counts as there for so long after a sign of it. */
const WAITING_MS = 1_000;
/** Of a core that the thread of the API uses when requests come in. */
const ASKED_SHARE = 0.1;
/** Shorter rests are added up. */
const REST_MIN_MS = 5;
/** How long a rest goes on without a look whether the work is to be given up. */
const REST_LOOK_MS = 100;

/** How the live state stands, for what works beside it. */
export interface LiveLook {
  /** Messages that it has applied. */
  applied(): number;
  /** The stream's end, as far as it is known. */
  head(): number;
}

/**
 * Says how much of a core a build may take: a share while live traffic waits for the machine (events come in, or
 * requests), a whole one otherwise. Its memory is shared with the build's thread.
 */
export class Pace {
  readonly shared = new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT);
  readonly #value = new Int32Array(this.shared);
  readonly #share: number;
  readonly #live: LiveLook;
  #timer: NodeJS.Timeout | undefined;
  #applied: number;
  #waits_until_ms = 0;
  #usage = performance.eventLoopUtilization();

  constructor(share: number, live: LiveLook) {
    this.#share = share;
    this.#live = live;
    this.#applied = live.applied();
    this.#set(share);
  }

  start(): void {
    this.#timer = setInterval(() => this.look(performance.now(), this.#utilization()), LOOK_INTERVAL_MS);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  /** Of this thread since the last call, 0 to 1. */
  #utilization(): number {
    const usage = performance.eventLoopUtilization();
    const { utilization } = performance.eventLoopUtilization(usage, this.#usage);
    this.#usage = usage;
    return utilization;
  }

  /** Looks at the live traffic; `now_ms` never goes back, `utilization` is that of the thread that answers. */
  look(now_ms: number, utilization: number): void {
    const applied = this.#live.applied();
    const isFed = applied !== this.#applied || this.#live.head() > applied;
    this.#applied = applied;
    if (isFed || utilization > ASKED_SHARE) this.#waits_until_ms = now_ms + WAITING_MS;
    this.#set(now_ms < this.#waits_until_ms ? this.#share : 1);
  }

  /** Of a core. */
  get share(): number {
    return Atomics.load(this.#value, 0) / PER_MILLE;
  }

  #set(share: number): void {
    Atomics.store(this.#value, 0, Math.round(share * PER_MILLE));
  }
}

/**
 * Keeps the thread that it is made in within its share, in CPU time: after work it rests until as much time has gone
 * by as that work may take at this share. Time in which it waited, or others had the CPU, has gone by already.
 */
export class Pacer {
  readonly #value: Int32Array;
  readonly #cpu: () => number;
  #cpu_ms: number;
  #since_ms = performance.now();
  #owed_ms = 0;

  /** `cpu`: of this thread, ms. */
  constructor(shared: SharedArrayBuffer, cpu = threadCpuClock()) {
    this.#value = new Int32Array(shared);
    this.#cpu = cpu;
    this.#cpu_ms = cpu();
  }

  /** To be called between two pieces of work. Ends early with what `requireGoingOn` throws. */
  async rest(requireGoingOn: () => void): Promise<void> {
    try {
      await this.#rest(requireGoingOn);
    } finally {
      this.#since_ms = performance.now();
    }
  }

  async #rest(requireGoingOn: () => void): Promise<void> {
    const cpu_ms = this.#cpu();
    const used_ms = cpu_ms - this.#cpu_ms;
    this.#cpu_ms = cpu_ms;
    const share = Atomics.load(this.#value, 0) / PER_MILLE;
    if (share >= 1) {
      this.#owed_ms = 0;
      return;
    }
    // What went by too long is not saved up.
    const passed_ms = performance.now() - this.#since_ms;
    this.#owed_ms = Math.max(0, this.#owed_ms + used_ms / share - passed_ms);
    if (this.#owed_ms < REST_MIN_MS) return;
    const until_ms = performance.now() + this.#owed_ms;
    this.#owed_ms = 0;
    for (let left_ms = until_ms - performance.now(); left_ms > 0; left_ms = until_ms - performance.now()) {
      requireGoingOn();
      await sleep(Math.min(left_ms, REST_LOOK_MS));
      // Nobody waits any more.
      if (Atomics.load(this.#value, 0) >= PER_MILLE) return;
    }
  }
}
