import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import {
  defineOperator,
  type KvStore,
  ManualClock,
  openLmdbStore,
  type Sides,
  type Source,
  type SourceRecord,
  type Stream,
  Task,
  type Topology,
  topology,
} from '../engine/index.ts';
import { isLong, sizes } from './long.ts';

/** One event of a run: its key never comes again. */
export interface Tick {
  readonly index: number;
  readonly key: string;
  readonly time_ms: number;
}

export interface BoundedCase {
  readonly name: string;
  /** The operators under test, behind the stream of ticks. */
  readonly build: (ticks: Stream<Tick>) => Stream<unknown, Sides>;
  /** Event time between two keys. */
  readonly step_ms: number;
  /** How far the watermark goes past the last event before the end; default: 1,000 seconds. */
  readonly drain_ms?: number;
  /** Commits after that; default: 2. Sweeps take several. */
  readonly drain_commits?: number;
  /** Rows of all tables together while keys come and go, at most. Default: `sizes.bounded_max_rows`. */
  readonly max_rows?: number;
  /** Rows that stay when everything has expired: what an operator knows of itself. */
  readonly rest_rows: number;
  /** Memory above that of before the run, MB: while keys come and go, and when they have gone. Default: 64 and 8. */
  readonly max_live_mb?: number;
  readonly max_rest_mb?: number;
  /** Keys that come; default: `KEYS`. */
  readonly keys?: number;
}

export interface BoundedReport {
  readonly peak_rows: number;
  /** By table. */
  readonly rest: Readonly<Record<string, number>>;
  readonly live_mb: number;
  readonly rest_mb: number;
  /** Size of the state file after a third of the run, and at its end. */
  readonly third_bytes: number;
  readonly end_bytes: number;
  readonly cpu_s: number;
}

export const KEYS = sizes.bounded_keys;
/** Of further modes of an operator that has a case with all. */
export const FEWER_KEYS = sizes.bounded_fewer_keys;
/** What is live at a time, in events. */
export const LIVE = sizes.bounded_live_keys;
export const DAY_MS = 86_400_000;
/** For what is kept to the day: so many events a day. */
export const DAILY_STEP_MS = DAY_MS / LIVE;
export const keyOf = ({ key }: Tick): string => key;
export const timeOf = ({ time_ms }: Tick): number => time_ms;
const BATCH = LIVE / 2;
const COMMIT_KEYS = sizes.bounded_commit_keys;
/** Looks at state and memory in a run: each is a full collection. */
const LOOKS = isLong ? 5 : 2;
const START_MS = Date.UTC(2025, 0, 1);
const MB = 1_048_576;

/** Records that say: take what lies ready. */
class Nudges implements Source {
  readonly partition = '0';
  #due: SourceRecord[] = [];
  #sequence = 0;

  facts() {
    return Promise.resolve({ stream: 'S', incarnation: 'i', firstSequence: 1, lastSequence: KEYS * 4 });
  }

  start(): Promise<void> {
    return Promise.resolve();
  }

  push(): void {
    const sequence = ++this.#sequence;
    this.#due = [
      { sequence, subject: 's', data: new Uint8Array(0), hasHeaders: false, header: () => undefined },
    ];
  }

  take(): Promise<readonly SourceRecord[]> {
    return Promise.resolve(this.#due.splice(0));
  }

  state() {
    return { headSequence: 0, caughtUp: true, connected: true, skipped: 0 };
  }

  stop(): Promise<void> {
    return Promise.resolve();
  }
}

export function topologyOf({ build }: BoundedCase, feed: Feed): Topology {
  const ticks = defineOperator<SourceRecord, Tick>({
    kind: 'ticks',
    summary: 'Events of the test',
    ownsWatermark: true,
    start: ({ emit, emitWatermark }) => ({
      onBatch: () => {
        emit(feed.ticks);
        if (feed.moveTo_ms !== undefined) emitWatermark(feed.moveTo_ms);
      },
    }),
  });
  return topology('bounded', (t) => {
    build(t.source('source').pipe(ticks('ticks', undefined)));
  });
}

export interface Feed {
  ticks: readonly Tick[];
  moveTo_ms: number | undefined;
}

/** A real task on a real store, whose outputs nobody keeps. */
class BoundedRun {
  readonly #of: BoundedCase;
  readonly #store: KvStore;
  readonly #source = new Nudges();
  readonly #clock = new ManualClock(START_MS);
  readonly #feed: Feed = { ticks: [], moveTo_ms: undefined };
  readonly #task: Task;
  readonly #tables: readonly string[];

  constructor(of: BoundedCase, store: KvStore) {
    this.#of = of;
    this.#store = store;
    const built = topologyOf(of, this.#feed);
    this.#tables = built
      .describe()
      .nodes.flatMap(({ name, state }) => (Object.keys(state).length === 0 ? [] : [name]));
    this.#task = new Task({
      topology: built,
      source: this.#source,
      store,
      publisher: { publish: () => Promise.resolve() },
      clock: this.#clock,
      limits: {
        barrier_interval_ms: Number.POSITIVE_INFINITY,
        idle_barrier_interval_ms: Number.POSITIVE_INFINITY,
      },
    });
  }

  open(): Promise<void> {
    return this.#task.open();
  }

  async batch(first: number, count: number): Promise<void> {
    const { step_ms } = this.#of;
    const ticks: Tick[] = [];
    for (let index = first; index < first + count; index++) {
      ticks.push({ index, key: `key-${index}`, time_ms: START_MS + index * step_ms });
    }
    await this.#step(ticks, START_MS + (first + count - 1) * step_ms);
  }

  commit(): void {
    this.#task.commit();
  }

  async drain(): Promise<void> {
    const { keys = KEYS, step_ms, drain_ms = 1_000_000, drain_commits = 2 } = this.#of;
    const end_ms = START_MS + keys * step_ms + drain_ms;
    for (let commit = 0; commit < drain_commits; commit++) {
      await this.#step([], end_ms + commit);
      this.#task.commit();
    }
  }

  async #step(ticks: readonly Tick[], moveTo_ms: number): Promise<void> {
    this.#feed.ticks = ticks;
    this.#feed.moveTo_ms = moveTo_ms;
    this.#clock.advance(moveTo_ms - this.#clock.now());
    this.#source.push();
    await this.#task.step(0);
    this.#feed.ticks = [];
    // What is owed to the outside is sent meanwhile.
    await new Promise((resolve) => setImmediate(resolve));
  }

  /** Rows of the operators under test, by table. */
  rows(): Record<string, number> {
    const found: Record<string, number> = {};
    for (const name of this.#store.tableNames()) {
      if (name !== 'outbox' && !this.#tables.includes(name.split('/')[0] as string)) continue;
      let rows = 0;
      for (const _ of this.#store.table(name).scan()) rows++;
      if (rows > 0) found[name] = rows;
    }
    return found;
  }

  sizeBytes(): number {
    return this.#store.sizeBytes();
  }

  close(): void {
    this.#task.close();
  }
}

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

/** Memory in use by objects and buffers after a full collection, MB. */
async function memory_mb(): Promise<number> {
  collect();
  // Finalizers of buffers run in a turn of their own.
  await new Promise((resolve) => setImmediate(resolve));
  collect();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return (heapUsed + arrayBuffers) / MB;
}

function total(rows: Readonly<Record<string, number>>): number {
  return Object.values(rows).reduce((sum, count) => sum + count, 0);
}

/** Feeds keys that expire, in order, with the watermark at the newest and a commit every `COMMIT_KEYS`. */
export async function runBounded(of: BoundedCase): Promise<BoundedReport> {
  const folder = await mkdtemp(join(tmpdir(), 'millrace-test-bounded-'));
  const store = openLmdbStore(folder, { durable: false });
  try {
    const run = new BoundedRun(of, store);
    await run.open();
    const before_mb = await memory_mb();
    const cpu = process.cpuUsage();
    const { keys = KEYS } = of;
    const look_keys = Math.ceil(keys / LOOKS / COMMIT_KEYS) * COMMIT_KEYS;
    let peak_rows = 0;
    let live_mb = 0;
    let third_bytes = 0;
    for (let come = BATCH; come <= keys; come += BATCH) {
      await run.batch(come - BATCH, BATCH);
      if (come % COMMIT_KEYS !== 0) continue;
      const isLook = come % look_keys === 0;
      // Just before the commit it is highest.
      if (isLook) live_mb = Math.max(live_mb, (await memory_mb()) - before_mb);
      run.commit();
      if (isLook) peak_rows = Math.max(peak_rows, total(run.rows()));
      if (third_bytes === 0 && come >= keys / 3) third_bytes = run.sizeBytes();
    }
    await run.drain();
    const rest = run.rows();
    const { user, system } = process.cpuUsage(cpu);
    const rest_mb = (await memory_mb()) - before_mb;
    const end_bytes = run.sizeBytes();
    run.close();
    return { peak_rows, rest, live_mb, rest_mb, third_bytes, end_bytes, cpu_s: (user + system) / 1e6 };
  } finally {
    await store.close();
    await rm(folder, { recursive: true, force: true });
  }
}

const CASE_TIMEOUT_MS = 300_000;
/** A state file grows no more than this after a third of the run: what was freed is used again. */
const MAX_GROWTH_BYTES = 4 * MB;

/** State and memory of each case stay bounded while keys come and go, and return when the last ones have gone. */
export function itIsBounded(cases: readonly BoundedCase[]): void {
  describe.each(cases)('$name', (of) => {
    const {
      keys = KEYS,
      max_rows = sizes.bounded_max_rows,
      rest_rows,
      max_live_mb = 64,
      max_rest_mb = 8,
    } = of;
    it(
      `keeps nothing of ${keys.toLocaleString('en')} keys that have expired`,
      async () => {
        const report = await runBounded(of);
        const told = JSON.stringify(report);
        expect(report.peak_rows, told).toBeGreaterThan(0);
        expect(report.peak_rows, told).toBeLessThanOrEqual(max_rows);
        expect(total(report.rest), told).toBe(rest_rows);
        expect(report.live_mb, told).toBeLessThan(max_live_mb);
        expect(report.rest_mb, told).toBeLessThan(max_rest_mb);
        expect(report.end_bytes - report.third_bytes, told).toBeLessThan(MAX_GROWTH_BYTES);
      },
      CASE_TIMEOUT_MS,
    );
  });
}
