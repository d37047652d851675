import type { QueryStop } from './cancel.ts';
import type { Lane } from './limits.ts';
import { QueryRunError } from './run-error.ts';

export interface PayerLimits {
  readonly running_max: Readonly<Record<Lane, number>>;
  readonly waiting_max: number;
}

/** How many queries that need threads run and wait at once; short ones have places of their own. */
export interface AdmissionLimits {
  readonly all: PayerLimits;
  readonly tenant: PayerLimits;
  readonly key: PayerLimits;
}

export const DEFAULT_ADMISSION: AdmissionLimits = {
  all: { running_max: { short: 16, long: 6 }, waiting_max: 256 },
  tenant: { running_max: { short: 8, long: 3 }, waiting_max: 64 },
  key: { running_max: { short: 4, long: 2 }, waiting_max: 16 },
};

const MIN_RETRY_MS = 1_000;
const MAX_RETRY_MS = 60_000;

/** Who asks, and for how much. */
export interface Caller {
  readonly scope: string;
  /** The API key or token subject; absent: only the tenant is counted. */
  readonly key: string | undefined;
  readonly lane: Lane;
  readonly cost_ms: number;
}

/** A place among the running; to be left once. */
export interface Ticket {
  leave(): void;
}

interface Waiter {
  readonly caller: Caller;
  readonly admit: (ticket: Ticket) => void;
}

interface Count {
  readonly running: Record<Lane, number>;
  waiting: number;
}

type Level = keyof AdmissionLimits;
const LEVELS: readonly Level[] = ['all', 'tenant', 'key'];

/** Counts queries by tenant and key. Who may not run yet waits; of those who may, the tenant with the fewest goes first. */
export class Admission {
  readonly #limits: AdmissionLimits;
  readonly #threads: number;
  readonly #counts = new Map<string, Count>();
  readonly #waiters = new Set<Waiter>();
  /** Estimated CPU of what runs and waits, ms. */
  #cost_ms = 0;

  constructor(limits: AdmissionLimits, threads: number) {
    this.#limits = limits;
    this.#threads = threads;
  }

  get running(): number {
    const { short = 0, long = 0 } = this.#counts.get('all')?.running ?? {};
    return short + long;
  }

  get waiting(): number {
    return this.#waiters.size;
  }

  /** A place at once, or undefined. */
  tryEnter(caller: Caller): Ticket | undefined {
    if (!this.#mayRun(caller)) return undefined;
    this.#count(caller, (count) => count.running[caller.lane]++);
    this.#cost_ms += caller.cost_ms;
    let isLeft = false;
    const leave = (): void => {
      if (isLeft) return;
      isLeft = true;
      this.#count(caller, (count) => count.running[caller.lane]--);
      this.#cost_ms -= caller.cost_ms;
      this.#admit();
    };
    return { leave };
  }

  /** A place as soon as there is one. Throws `too_many_queries`, or why `stop` ended the wait. */
  enter(caller: Caller, stop: QueryStop): Promise<Ticket> {
    const ticket = this.tryEnter(caller);
    if (ticket !== undefined) return Promise.resolve(ticket);
    return new Promise((resolve, reject) => {
      this.#requireRoom(caller);
      const release = stop.onStop((reason) => {
        this.#drop(waiter);
        reject(reason);
      });
      const waiter: Waiter = {
        caller,
        admit: (admitted) => {
          release();
          resolve(admitted);
        },
      };
      this.#waiters.add(waiter);
      this.#count(caller, (count) => count.waiting++);
      this.#cost_ms += caller.cost_ms;
    });
  }

  #drop(waiter: Waiter): void {
    if (!this.#waiters.delete(waiter)) return;
    this.#count(waiter.caller, (count) => count.waiting--);
    this.#cost_ms -= waiter.caller.cost_ms;
  }

  #admit(): void {
    for (;;) {
      let next: Waiter | undefined;
      for (const waiter of this.#waiters) {
        if (!this.#mayRun(waiter.caller)) continue;
        if (next === undefined || this.#runningOf(waiter.caller) < this.#runningOf(next.caller))
          next = waiter;
      }
      if (next === undefined) return;
      this.#drop(next);
      const ticket = this.tryEnter(next.caller);
      if (ticket !== undefined) next.admit(ticket);
    }
  }

  #runningOf(caller: Caller): number {
    const { short = 0, long = 0 } = this.#counts.get(idOf('tenant', caller))?.running ?? {};
    return short + long;
  }

  #mayRun(caller: Caller): boolean {
    return LEVELS.every((level) => {
      if (level === 'key' && caller.key === undefined) return true;
      const running = this.#counts.get(idOf(level, caller))?.running[caller.lane] ?? 0;
      return running < this.#limits[level].running_max[caller.lane];
    });
  }

  #requireRoom(caller: Caller): void {
    const full = LEVELS.find((level) => {
      if (level === 'key' && caller.key === undefined) return false;
      const waiting = this.#counts.get(idOf(level, caller))?.waiting ?? 0;
      return waiting >= this.#limits[level].waiting_max;
    });
    if (full === undefined) return;
    const { waiting_max } = this.#limits[full];
    const whose = full === 'all' ? 'of all tenants' : `of this ${full}`;
    const retryAfter_ms = Math.min(MAX_RETRY_MS, Math.max(MIN_RETRY_MS, this.#cost_ms / this.#threads));
    throw new QueryRunError(
      'too_many_queries',
      `${waiting_max} queries ${whose} wait already. Ask again later, or fewer at once.`,
      { details: { of: full, waiting_max }, retryAfter_ms: Math.ceil(retryAfter_ms) },
    );
  }

  #count(caller: Caller, change: (count: Count) => void): void {
    for (const level of LEVELS) {
      if (level === 'key' && caller.key === undefined) continue;
      const id = idOf(level, caller);
      const count = this.#counts.get(id) ?? { running: { short: 0, long: 0 }, waiting: 0 };
      change(count);
      // Who runs and waits for nothing is forgotten: keys come and go.
      if (count.running.short + count.running.long + count.waiting === 0) this.#counts.delete(id);
      else this.#counts.set(id, count);
    }
  }
}

function idOf(level: Level, { scope, key }: Caller): string {
  if (level === 'all') return 'all';
  return level === 'tenant' ? `tenant ${scope}` : `key ${key}`;
}
