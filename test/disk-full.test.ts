import { execFileSync } from 'node:child_process';
import { closeSync, existsSync, mkdtempSync, openSync, rmSync, statfsSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { orderAnalytics } from '../analytics/index.ts';
import {
  connectNats,
  EVENTS_STREAM,
  type EventMessage,
  ensureStreams,
  JetStreamPublisher,
  JetStreamSource,
  type NatsLink,
  openManager,
  streamFacts,
} from '../connectors/index.ts';
import {
  type KvStore,
  META_TABLE,
  openLmdbReader,
  openLmdbStore,
  readProgress,
  type StateDigest,
  Supervisor,
  stateDigest,
  systemClock,
  Task,
} from '../engine/index.ts';
import { itLong } from './it-long.ts';
import { startTestNats, type TestNats } from './nats.ts';
import { stateDigestOf, until } from './process.ts';
import { publishRetrying } from './retrying-publisher.ts';
import { Scratch } from './scratch.ts';

const MIB = 1_048_576;
const DISK_BYTES = 32 * MIB;
/** In one message of at most 1 MiB, and more of state than a disk that is nearly full has left. */
const ORDERS = 2_500;
const QUERY = {
  metrics: ['orders_count', 'revenue_gross'],
  start: '2025-08-01T00:00:00Z',
  end: '2025-08-02T00:00:00Z',
};

/** Mounts a small file system of its own: needs root, and leave to mount. */
function mountSmallDisk(): string {
  const path = mkdtempSync(join(tmpdir(), 'millrace-test-disk-'));
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${DISK_BYTES}`, 'tmpfs', path], { stdio: 'pipe' });
    return path;
  } catch (error) {
    rmSync(path, { recursive: true });
    throw error;
  }
}

function unmount(path: string): void {
  execFileSync('umount', [path]);
  rmSync(path, { recursive: true });
}

/** Why the test with a real full disk cannot run here; undefined when it can. */
function whyNotMounted(): string | undefined {
  try {
    unmount(mountSmallDisk());
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message.replaceAll(/\s+/g, ' ').trim() : String(error);
  }
}

const whyNot = whyNotMounted();
if (whyNot !== undefined) {
  console.warn(`Skipped: the test with a real full disk, since no tmpfs can be mounted here: ${whyNot}`);
}
const scratch = new Scratch();
let disk: string | undefined;
let nats: TestNats;

beforeAll(async () => {
  nats = await startTestNats();
});

afterAll(async () => {
  try {
    await scratch.clean();
    await nats.stop();
  } finally {
    if (disk !== undefined) unmount(disk);
  }
});

let published = 0;

/**
 * Publishes the next orders, no two alike, so that the state grows with them. In one message: some of them alone
 * could still fit into pages that are free within the file.
 */
async function publishOrders(): Promise<void> {
  const orders = Array.from({ length: ORDERS }, () => {
    const number = published++;
    return {
      event_id: `full-${number}`,
      type: 'order.created',
      time: new Date(Date.UTC(2025, 7, 1) + number * 1_000).toISOString(),
      order_id: `o-${number}`,
      customer_id: `c-${number}`,
      session_id: `s-${number}`,
      currency: 'EUR',
      amount: 100,
      sku: `sku-${number}`,
      campaign: `campaign-${number}-${'long'.repeat(16)}`,
    };
  });
  const message: EventMessage = {
    subject: 'events.default.x',
    payload: Buffer.from(JSON.stringify(orders)),
  };
  await publishRetrying([message], { target: () => Promise.resolve(nats), chunk: 500, pause_ms: 0 });
}

/** Takes all but `leave_bytes` of the disk. */
function fill(path: string, leave_bytes: number): string {
  const ballast = join(path, 'ballast');
  const file = openSync(ballast, 'w');
  const { bavail, bsize } = statfsSync(path);
  const bytes = bavail * bsize - leave_bytes;
  for (let written = 0; written < bytes; ) {
    written += writeSync(file, Buffer.alloc(Math.min(MIB, bytes - written)));
  }
  closeSync(file);
  return ballast;
}

const totals = (orders: number): object => ({ orders_count: orders, revenue_gross: orders * 100 });

describe('a full disk', () => {
  it.skipIf(whyNot !== undefined)(
    `stops the task with disk_full, which goes on when there is space again${whyNot === undefined ? '' : ` (skipped: ${whyNot})`}`,
    async () => {
      const path = mountSmallDisk();
      disk = path;
      const dataDir = join(path, 'data');
      const instance = await scratch.start({ dataDir, env: { NATS_URL: nats.url } });
      await publishOrders();
      await instance.untilApplied();
      // Some left: the write is cut short, which LMDB reports like a failing disk. None left: it fails.
      for (const leave_bytes of [100_000, 0]) {
        const before = published;
        const ballast = fill(path, leave_bytes);
        await publishOrders();
        await instance.untilPipeline('disk_full');
        for (let look = 0; look < 10; look++) {
          const { http, status, subsystems } = await instance.health();
          expect({ http, status }).toEqual({ http: 503, status: 'degraded' });
          expect(subsystems.ingest_pipeline).toMatchObject({ status: 'degraded', code: 'disk_full' });
          expect(await instance.totals('default', QUERY)).toEqual(totals(before));
          await sleep(200);
        }
        rmSync(ballast);
        await instance.untilOk();
        await instance.untilApplied();
        expect(await instance.totals('default', QUERY)).toEqual(totals(published));
      }
      // Room for what the live state writes, and not for another state.
      const ballast = fill(path, 400_000);
      const created = await instance.request('POST', '/jobs/backfill', { body: {} });
      const job = await until(
        async () => {
          const { json } = await instance.request('GET', `/jobs/${String(created.json.job_id)}`);
          return ['queued', 'running'].includes(String(json.status)) ? undefined : json;
        },
        () => `the backfill ends: ${instance.output}`,
        120_000,
      );
      expect(job).toMatchObject({ status: 'failed', error: { code: 'disk_full' } });
      const { json: left } = await instance.request('GET', '/generations');
      expect(left.generations).toMatchObject([{ generation: 1, state: 'current' }]);
      expect(existsSync(join(dataDir, 'state', 'order-analytics', 'g2'))).toBe(false);
      expect(await instance.totals('default', QUERY)).toEqual(totals(published));
      rmSync(ballast);
      await publishOrders();
      await instance.untilOk();
      await instance.untilApplied();
      expect(await instance.totals('default', QUERY)).toEqual(totals(published));
      // The same events, on a disk with space.
      const roomy = await scratch.dir('roomy');
      const other = await scratch.start({ dataDir: roomy, env: { NATS_URL: nats.url } });
      await other.untilApplied();
      expect(await stateDigestOf(dataDir)).toEqual(await stateDigestOf(roomy));
      expect((await instance.terminate()).code).toBe(0);
      await other.terminate();
    },
    300_000,
  );

  // Runs everywhere: the same engine and store, with commits that end in LMDB's errors.
  itLong('is a named error to the supervisor, and nothing is applied in part', async () => {
    const link = await connectNats({ url: nats.url, name: 'test-task' });
    await ensureStreams(link);
    const failing = await supervise(link, 'failing');
    const plain = await supervise(link, 'plain');
    for (const [code, name] of LMDB_ERRORS) {
      failing.failWith(code);
      await publishOrders();
      const before = failing.position();
      const named = (): number => failing.seen.filter((state) => state === `restarting ${name}`).length;
      const times = named() + 3;
      await until(
        () => (named() >= times ? true : undefined),
        () => `${name}, three times`,
        60_000,
      );
      expect(failing.seen.slice(-3)).toEqual(Array(3).fill(`restarting ${name}`));
      expect(failing.position()).toBe(before);
      failing.failWith(undefined);
      await until(
        () => (failing.seen.at(-1) === 'running' ? true : undefined),
        () => 'it runs again',
        60_000,
      );
    }
    const { lastSequence } = await streamFacts(await openManager(link), EVENTS_STREAM.name);
    for (const run of [failing, plain]) {
      await until(
        () => (run.position() === lastSequence ? true : undefined),
        () => 'all is applied',
        120_000,
      );
      await run.supervisor.stop();
    }
    expect(failing.digest()).toEqual(plain.digest());
    await failing.close();
    await plain.close();
    await link.close();
  });
});

/** What LMDB's commits throw, and what it has to become: no space, a quota, a write cut short. */
const LMDB_ERRORS = [
  [28, 'disk_full'],
  [122, 'disk_full'],
  [5, 'state_write_failed'],
] as const;

interface SupervisedRun {
  readonly supervisor: Supervisor;
  /** States as the supervisor reported them, with the code of the error. */
  readonly seen: readonly string[];
  failWith(code: number | undefined): void;
  position(): number | undefined;
  digest(): StateDigest;
  close(): Promise<void>;
}

async function supervise(link: NatsLink, name: string): Promise<SupervisedRun> {
  const path = await scratch.dir(name);
  const store = openLmdbStore(path);
  const reader = openLmdbReader(path, { sharedWithWriter: true });
  const seen: string[] = [];
  let broken: number | undefined;
  const breakable: KvStore = {
    ...store,
    transaction: (work) =>
      store.transaction(() => {
        const result = work();
        if (broken !== undefined) throw Object.assign(new Error('a write failed'), { code: broken });
        return result;
      }),
  };
  const run = async (running: () => void, stop: AbortSignal): Promise<void> => {
    const source = new JetStreamSource({ link, stream: EVENTS_STREAM.name });
    const publisher = new JetStreamPublisher(link);
    const task = new Task({
      topology: orderAnalytics(),
      source,
      store: breakable,
      publisher,
      clock: systemClock,
    });
    try {
      await task.open();
      running();
      await task.run(stop);
    } finally {
      await source.stop();
    }
  };
  const supervisor = new Supervisor({
    clock: systemClock,
    backoff_first_ms: 10,
    backoff_max_ms: 50,
    // A machine that stands still for a while between two failures must not make it look steady.
    steady_ms: 3_000,
    onChange: (state, error) => seen.push(error === undefined ? state : `${state} ${error.code}`),
    spawn: (running) => {
      const stop = new AbortController();
      return { ended: run(running, stop.signal), stop: () => stop.abort() };
    },
  });
  supervisor.start();
  return {
    supervisor,
    seen,
    failWith: (code) => {
      broken = code;
    },
    position: () => reader.snapshot((table) => readProgress(table(META_TABLE))?.sequence),
    digest: () => stateDigest(orderAnalytics(), reader),
    close: async () => {
      await reader.close();
      await store.close();
    },
  };
}
