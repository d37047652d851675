import { createHash } from 'node:crypto';
import { cpSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  openLmdbReader,
  openLmdbStore,
  SeededRandom,
  type StateDigest,
  stateFileProblems,
} from '../engine/index.ts';
import { millrace } from './command.ts';
import { itLong } from './it-long.ts';
import { startTestNats, type TestNats } from './nats.ts';
import { stateDigestOf } from './process.ts';
import { publishRetrying } from './retrying-publisher.ts';
import { Scratch } from './scratch.ts';
import { generate, publish } from './simulated-orders.ts';

const STATE = join('state', 'order-analytics', 'g1', 'p0');
/** As many processes are started; on a busy machine each takes seconds. */
const STATES = process.env.TEST_LONG === '1' ? 20 : 4;
/** Single bits of branch pages; of those that no check names the whole state is read. */
const BRANCH_FLIPS = process.env.TEST_LONG === '1' ? 1_000 : 100;
const PAGE_BYTES = 4_096;
const YEAR = { metrics: ['orders_count'], start: '2025-01-01T00:00:00Z', end: '2025-12-31T00:00:00Z' };

const scratch = new Scratch();
let nats: TestNats;
/** A data folder as a service left it that had read everything. */
let whole: string;
let digest: StateDigest;

beforeAll(async () => {
  nats = await startTestNats();
  whole = await scratch.dir('whole');
  const { events } = generate({ seed: 12, orders: 120, ties: true });
  const { messages } = publish({ events, malformed: [] }, new SeededRandom(1), false);
  const service = await scratch.start({ dataDir: whole, env: { NATS_URL: nats.url } });
  await publishRetrying(
    messages.map(({ subject, data }) => ({ subject, payload: data })),
    { chunk: 100, pause_ms: 20, target: () => Promise.resolve({ url: nats.url }) },
  );
  await service.untilApplied();
  await service.terminate();
  digest = await stateDigestOf(whole);
});

afterAll(async () => {
  await scratch.clean();
  await nats.stop();
});

async function copyOfState(name: string): Promise<string> {
  const dataDir = await scratch.dir(name);
  cpSync(join(whole, 'state'), join(dataDir, 'state'), { recursive: true });
  return dataDir;
}

const fileOf = (dataDir: string): string => join(dataDir, STATE, 'data.mdb');

describe('a state that is damaged', () => {
  it('with flipped bits: verify finds each whose digest is another one, and nothing is served from it', async () => {
    const random = new SeededRandom(7);
    const verdicts: string[] = [];
    for (let run = 0; run < STATES; run++) {
      const dataDir = await copyOfState(`flipped-${run}`);
      const bytes = readFileSync(fileOf(dataDir));
      for (let flip = 0; flip < 3; flip++) {
        const at = random.int(8_192, bytes.length - 1);
        bytes[at] = (bytes[at] as number) ^ (1 << random.int(0, 7));
      }
      writeFileSync(fileOf(dataDir), bytes);
      const { code } = await millrace(['state', 'verify', '--data-dir', dataDir]);
      expect([0, 1]).toContain(code);
      // Where verify finds nothing, nothing that is read is another thing.
      if (code === 0) expect((await stateDigestOf(dataDir)).digest).toBe(digest.digest);
      verdicts.push(code === 0 ? 'sound' : 'problems');
    }
    expect(verdicts.filter((verdict) => verdict === 'problems').length).toBeGreaterThan(STATES / 2);
  });

  it('in branch pages: each flipped bit is named, or nothing that is read is another thing', async () => {
    const dataDir = await copyOfState('branches');
    const bytes = readFileSync(fileOf(dataDir));
    const written = await allOf(dataDir);
    const pages = branchesOf(bytes);
    expect(pages.length).toBeGreaterThan(0);
    const random = new SeededRandom(11);
    let named = 0;
    // How many bits of a branch mean something follows from its keys: it goes on until it has seen enough of them.
    const isEnough = (run: number): boolean =>
      run >= BRANCH_FLIPS && (named > BRANCH_FLIPS / 4 || run >= 4 * BRANCH_FLIPS);
    for (let run = 0; !isEnough(run); run++) {
      const start = (pages[random.int(0, pages.length - 1)] as number) * PAGE_BYTES;
      const [lower, upper] = [20, 22].map((at) => bytes.readUInt16LE(start + at) + 24) as [number, number];
      const at = start + (run % 2 === 0 ? random.int(0, lower - 1) : random.int(upper, PAGE_BYTES - 1));
      const flipped = Buffer.from(bytes);
      flipped[at] = (flipped[at] as number) ^ (1 << random.int(0, 7));
      writeFileSync(fileOf(dataDir), flipped);
      if (stateFileProblems(join(dataDir, STATE)).length > 0) named++;
      else expect(await allOf(dataDir)).toBe(written);
    }
    expect(named).toBeGreaterThan(BRANCH_FLIPS / 4);
  }, 900_000);

  it('where a branch leads searches past rows: verify names it, and a service that runs serves nothing from it', async () => {
    const dataDir = await copyOfState('past');
    const bytes = readFileSync(fileOf(dataDir));
    // The first key of a branch's second row: those that are searched by it lie elsewhere now.
    const isNamed = branchesOf(bytes).some((page) => {
      const row = page * PAGE_BYTES + bytes.readUInt16LE(page * PAGE_BYTES + 26) + 24;
      const at = row + 8 + bytes.readUInt16LE(row + 6) - 1;
      bytes[at] = (bytes[at] as number) ^ 0x80;
      writeFileSync(fileOf(dataDir), bytes);
      if (stateFileProblems(join(dataDir, STATE)).length > 0) return true;
      bytes[at] = (bytes[at] as number) ^ 0x80;
      return false;
    });
    expect(isNamed).toBe(true);
    const { code, out } = await millrace(['state', 'verify', '--data-dir', dataDir]);
    expect([code, out]).toEqual([1, expect.stringMatching(/order of keys|does not lead to/)]);
    const service = await scratch.start({ dataDir, env: { NATS_URL: nats.url, PAGE_CHECK_INTERVAL: '1s' } });
    await service.untilHealth(
      ({ subsystems }) => subsystems.query_engine?.code === 'state_damaged',
      'the pages are gone through',
    );
    const answer = await service.request('POST', '/kpis/query', { body: YEAR });
    expect(answer).toMatchObject({ status: 503, json: { code: 'state_damaged' } });
    expect((await service.terminate()).code).toBe(0);
  });

  itLong('by rollups that are not those of the rows: verify adds both up', async () => {
    const dataDir = await copyOfState('totals');
    const store = openLmdbStore(join(dataDir, STATE));
    const cells = store.table('cubes/cells');
    const last = Array.from(cells.scan(), ({ key }) => Uint8Array.from(key)).at(-1);
    store.transaction(() => cells.remove(last ?? new Uint8Array(0)));
    await store.close();
    const { code, out } = await millrace(['state', 'verify', '--data-dir', dataDir]);
    expect(code).toBe(1);
    expect(out).toMatch(/the rollups.* do not add up to the rows of the event log/);
  });

  it('cut short: the start names it and serves nothing; a rebuild gives the same state, and keeps the old one', async () => {
    const dataDir = await copyOfState('short');
    truncateSync(fileOf(dataDir), statSync(fileOf(dataDir)).size >> 1);
    const verified = await millrace(['state', 'verify', '--data-dir', dataDir]);
    expect(verified).toMatchObject({ code: 1, out: expect.stringContaining('behind the end of the file') });
    const env = { NATS_URL: nats.url };
    const service = await scratch.start({ dataDir, env });
    const failed = await service.untilPipeline('state_truncated');
    expect(failed.http).toBe(503);
    expect(failed.subsystems.query_engine).toMatchObject({ status: 'failed', code: 'state_truncated' });
    const answer = await service.request('POST', '/kpis/query', { body: YEAR });
    expect(answer).toMatchObject({ status: 503, json: { code: 'state_truncated' } });
    await service.terminate();

    const rebuilt = await millrace(['state', 'rebuild', '--data-dir', dataDir, '--nats-url', nats.url]);
    expect(rebuilt).toMatchObject({ code: 0, out: expect.stringContaining('generation 2') });
    expect(await stateDigestOf(dataDir)).toEqual(digest);
    expect(statSync(fileOf(dataDir)).size).toBeGreaterThan(0);
    const again = await scratch.start({ dataDir, env });
    await again.untilOk();
    expect((await again.terminate()).code).toBe(0);
  });

  itLong('where only queries read it: the query and the health name it', async () => {
    const dataDir = await copyOfState('row');
    const bytes = readFileSync(fileOf(dataDir));
    const env = { NATS_URL: nats.url };
    // The last copy of a text that the chunks of the log hold, and no other table.
    const at = damageLog(dataDir, bytes);
    expect(at).toBeGreaterThan(0);
    writeFileSync(fileOf(dataDir), bytes);
    const service = await scratch.start({ dataDir, env });
    const named = await service.untilHealth(
      ({ subsystems }) => subsystems.query_engine?.code === 'state_damaged',
      'the health reads the damaged row',
    );
    expect(named.http).toBe(503);
    await service.terminate();
  });
});

/** The branch pages that are there, in use or not. */
function branchesOf(bytes: Buffer): number[] {
  const pages = Array.from({ length: bytes.length / PAGE_BYTES }, (_unused, page) => page);
  return pages.filter((page) => {
    const at = page * PAGE_BYTES;
    return page > 1 && bytes.readUInt16LE(at + 18) === 1 && Number(bytes.readBigUInt64LE(at)) === page;
  });
}

/** All that a state says, as a hash. */
async function allOf(dataDir: string): Promise<string> {
  const reader = openLmdbReader(join(dataDir, STATE));
  try {
    const hash = createHash('sha256');
    for (const name of reader.tableNames()) {
      hash.update(name);
      reader.snapshot((table) => {
        for (const { key, value } of table(name).scan()) hash.update(key).update(value);
      });
    }
    return hash.digest('hex');
  } finally {
    await reader.close();
  }
}

/** Flips a bit in a large value of the log's chunks; where. */
function damageLog(dataDir: string, bytes: Buffer): number {
  const store = openLmdbStore(join(dataDir, STATE));
  const values = Array.from(store.table('log/chunks').scan(), ({ value }) => Buffer.from(value));
  void store.close();
  const longest = values.reduce((a, b) => (a.length >= b.length ? a : b));
  const at = bytes.indexOf(longest.subarray(0, 512));
  if (at > 0) bytes[at + 100] = (bytes[at + 100] as number) ^ 4;
  return at;
}
