import type {
  KeyValueChange,
  KeyValueDelete,
  KeyValueEntry,
  KeyValueStore,
  KeyValueWrite,
  SeededRandom,
} from '../../engine/index.ts';
import { type SimulatedProcess, unavailable, type VirtualTime } from './fixture-world.ts';

/** How a network and its servers behave. */
export interface BucketFaults {
  /** Of a thousand requests so many are slow, and of so many the answer is lost, once they were done. */
  readonly slow_permille: number;
  readonly lost_permille: number;
}

/** The client gives up a request after so long, ms. */
const CLIENT_TIMEOUT_MS = 5_000;
/** A leader that was cut off answers reads for so long, from what it had. */
const STALE_LEADER_MS = 10_000;

interface Row {
  readonly text: string;
  readonly revision: number;
}

interface Watcher {
  readonly process: SimulatedProcess;
  readonly onChange: (change: KeyValueChange) => void;
  readonly pending: Map<string, KeyValueChange>;
  isDue: boolean;
  isStopped: boolean;
}

/** A bucket on a cluster of servers, as a model: compare-and-set, watches that lag, elections, lost answers. */
export class SimulatedBucket {
  /** Nobody answers: all servers are stalled, or there is no leader. */
  isAway = false;
  readonly #time: VirtualTime;
  readonly #random: SeededRandom;
  readonly #faults: BucketFaults;
  readonly #rows = new Map<string, Row>();
  #revision = 0;
  readonly #watchers = new Set<Watcher>();
  /** What a process that is cut off can read of the leader that it is with. */
  readonly #stale = new Map<
    SimulatedProcess,
    { readonly rows: Map<string, Row>; readonly until_ms: number }
  >();
  /** Hears of every write, at its moment. */
  onWrite: (key: string, value: unknown, revision: number, by: string) => void = () => undefined;

  constructor(time: VirtualTime, random: SeededRandom, faults: BucketFaults) {
    this.#time = time;
    this.#random = random;
    this.#faults = faults;
  }

  read(key: string): unknown {
    const row = this.#rows.get(key);
    return row === undefined ? undefined : JSON.parse(row.text);
  }

  keys(): readonly string[] {
    return [...this.#rows.keys()];
  }

  /** A process loses the majority; it may sit beside a leader that does not know yet. */
  cutOff(process: SimulatedProcess, withLeader: boolean): void {
    process.isCutOff = true;
    if (withLeader)
      this.#stale.set(process, {
        rows: new Map(this.#rows),
        until_ms: this.#time.now_ms + STALE_LEADER_MS,
      });
  }

  mend(process: SimulatedProcess): void {
    process.isCutOff = false;
    this.#stale.delete(process);
  }

  #delay_ms(): number {
    const { slow_permille } = this.#faults;
    if (this.#random.int(0, 999) < slow_permille) return this.#random.int(300, 3_000);
    return this.#random.int(1, 15);
  }

  /** There and back; `work` happens at the server, at once for all. */
  #request<T>(process: SimulatedProcess, isRead: boolean, work: (rows: Map<string, Row>) => T): Promise<T> {
    return new Promise((resolve, reject) => {
      let isSettled = false;
      const settle = (how: () => void): void =>
        process.deliver(() => {
          if (isSettled) return;
          isSettled = true;
          how();
        });
      this.#time.after(CLIENT_TIMEOUT_MS, () => settle(() => reject(unavailable())));
      this.#time.after(this.#delay_ms(), () => {
        const stale = process.isCutOff ? this.#stale.get(process) : undefined;
        const isStale = stale !== undefined && isRead && this.#time.now_ms < stale.until_ms;
        if ((process.isCutOff || this.isAway) && !isStale) return;
        const result = work(isStale ? stale.rows : this.#rows);
        if (this.#random.int(0, 999) < this.#faults.lost_permille) return;
        this.#time.after(this.#delay_ms(), () => settle(() => resolve(result)));
      });
    });
  }

  #put(by: string, key: string, text: string): KeyValueWrite {
    const revision = ++this.#revision;
    this.#rows.set(key, { text, revision });
    this.onWrite(key, JSON.parse(text), revision, by);
    this.#announce({ kind: 'put', key, value: JSON.parse(text), revision });
    return { ok: true, revision };
  }

  #announce(change: KeyValueChange): void {
    for (const watcher of this.#watchers) {
      watcher.pending.delete(change.key);
      watcher.pending.set(change.key, change);
      this.#flush(watcher, this.#delay_ms());
    }
  }

  #flush(watcher: Watcher, in_ms: number): void {
    if (watcher.isDue || watcher.isStopped) return;
    watcher.isDue = true;
    this.#time.after(in_ms, () => {
      watcher.isDue = false;
      const { process, pending } = watcher;
      if (process.isDead || watcher.isStopped) return;
      if (process.isCutOff || this.isAway || this.#time.now_ms < process.stalled_until_ms) {
        this.#flush(watcher, 250);
        return;
      }
      const changes = [...pending.values()];
      pending.clear();
      for (const change of changes) watcher.onChange(change);
    });
  }

  /** The bucket as a process reaches it. */
  clientOf(process: SimulatedProcess): KeyValueStore {
    const entry = (rows: Map<string, Row>, key: string): KeyValueEntry | undefined => {
      const row = rows.get(key);
      return row === undefined
        ? undefined
        : { key, value: JSON.parse(row.text) as unknown, revision: row.revision };
    };
    const refused = { ok: false } as const;
    return {
      get: (key) => this.#request(process, true, (rows) => entry(rows, key)),
      create: (key, value) => {
        const text = JSON.stringify(value);
        return this.#request(process, false, (rows) => {
          const current = entry(rows, key);
          return current === undefined ? this.#put(process.name, key, text) : { ...refused, current };
        });
      },
      update: (key, value, revision) => {
        const text = JSON.stringify(value);
        return this.#request(process, false, (rows) => {
          const current = entry(rows, key);
          return current?.revision === revision
            ? this.#put(process.name, key, text)
            : { ...refused, current };
        });
      },
      delete: (key, revision) =>
        this.#request(process, false, (rows): KeyValueDelete => {
          const current = entry(rows, key);
          if (revision !== undefined && current?.revision !== revision) return { ...refused, current };
          if (rows.delete(key)) {
            this.#revision++;
            this.#announce({ kind: 'delete', key });
          }
          return { ok: true };
        }),
      ensure: () => Promise.resolve(false),
      incarnation: () => Promise.resolve('simulated'),
      list: () =>
        this.#request(process, true, (rows) =>
          [...rows.keys()].sort().flatMap((key) => entry(rows, key) ?? []),
        ),
      watch: async (onChange) => {
        const watcher: Watcher = { process, onChange, pending: new Map(), isDue: false, isStopped: false };
        const there = await this.#request(process, false, (rows) => {
          this.#watchers.add(watcher);
          return [...rows.keys()].flatMap((key) => entry(rows, key) ?? []);
        });
        for (const one of there) onChange({ kind: 'put', ...one });
        return async () => {
          watcher.isStopped = true;
          this.#watchers.delete(watcher);
        };
      },
    };
  }
}
