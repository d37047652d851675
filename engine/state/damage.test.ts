import { copyFileSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { asMillraceError, SeededRandom } from '../base/index.ts';
import { RowChecksums, shortHash } from './checksum.ts';
import type { KvStore } from './kv.ts';
import { livePageProblems, requireWholeFile, stateFileProblems } from './lmdb-file.ts';
import { openLmdbReader, openLmdbStore } from './store-lmdb.ts';

const folder = mkdtempSync(join(tmpdir(), 'millrace-damage-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const FILE = join(folder, 'whole', 'data.mdb');
const PAGE_BYTES = 4_096;
const BRANCH_FLIPS = process.env.TEST_LONG === '1' ? 2_000 : 120;
const LONG_MS = 900_000;
const key = (row: number): Uint8Array => Buffer.from(`row ${String(row).padStart(6, '0')}`);

function fill(store: KvStore, from: number, to: number): void {
  store.transaction(() => {
    for (let row = from; row < to; row++) {
      store.table('short').put(key(row), Buffer.from(`value of ${row}`));
      if (row % 10 === 0) store.table('long').put(key(row), Buffer.alloc(9_000 + row, row));
    }
  });
}

beforeAll(async () => {
  const store = openLmdbStore(join(folder, 'whole'), { durable: false });
  for (let commit = 0; commit < 20; commit++) fill(store, commit * 50, commit * 50 + 50);
  store.transaction(() => store.table('long').removeRange({ start: key(900) }));
  await store.close();
});

function codeOf(work: () => unknown): string {
  try {
    work();
    return 'none';
  } catch (error) {
    return asMillraceError(error).code;
  }
}

/** Everything that a state says, or the code of why it cannot be read. */
async function read(path: string): Promise<string> {
  const reader = openLmdbReader(path);
  try {
    return reader.snapshot((table) =>
      ['short', 'long']
        .flatMap((name) => Array.from(table(name).scan(), (entry) => [name, entry.key, entry.value].join()))
        .join(),
    );
  } catch (error) {
    return asMillraceError(error).code;
  } finally {
    await reader.close();
  }
}

function copyOf(name: string, change: (bytes: Buffer) => void): string {
  const path = mkdtempSync(join(folder, `${name}-`));
  const bytes = readFileSync(FILE);
  change(bytes);
  writeFileSync(join(path, 'data.mdb'), bytes);
  return path;
}

describe('a damaged file', () => {
  it('that is shorter than its pages is refused before it is mapped', async () => {
    expect(() => requireWholeFile(FILE)).not.toThrow();
    const { length } = readFileSync(FILE);
    for (const size of [length - 40 * PAGE_BYTES, length >> 1, 3 * PAGE_BYTES, PAGE_BYTES, 100]) {
      const path = mkdtempSync(join(folder, 'short-'));
      copyFileSync(FILE, join(path, 'data.mdb'));
      truncateSync(join(path, 'data.mdb'), size);
      expect(() => openLmdbReader(path)).toThrow(/was cut short/);
      expect(() => openLmdbStore(path)).toThrow(expect.objectContaining({ code: 'state_truncated' }));
    }
  });

  it('never gives a row that is not what was written: flipped bits are named, or change nothing', async () => {
    const whole = await read(join(folder, 'whole'));
    expect(whole.length).toBeGreaterThan(100_000);
    const random = new SeededRandom(12);
    const found = { named: 0, unused: 0 };
    for (let run = 0; run < 60; run++) {
      const path = copyOf('flipped', (bytes) => {
        for (let flip = 0; flip < 3; flip++) {
          const at = random.int(2 * PAGE_BYTES, bytes.length - 1);
          bytes[at] = (bytes[at] as number) ^ (1 << random.int(0, 7));
        }
      });
      // LMDB itself dies of broken pages: they are looked at before it is opened.
      if (stateFileProblems(path).length > 0) {
        found.named++;
        continue;
      }
      const now = await read(path);
      if (now === 'state_damaged') found.named++;
      else {
        expect(now).toBe(whole);
        found.unused++;
      }
    }
    expect(found.named).toBeGreaterThan(30);
  });

  it(
    'shows each flipped bit of a branch page, or it changes nothing that is read',
    async () => {
      const whole = await read(join(folder, 'whole'));
      const bytes = readFileSync(FILE);
      const branches = Array.from({ length: bytes.length / PAGE_BYTES }, (_unused, page) => page).filter(
        (page) => page > 1 && bytes.readUInt16LE(page * PAGE_BYTES + 18) === 1,
      );
      expect(branches.length).toBeGreaterThan(0);
      const random = new SeededRandom(3);
      const path = mkdtempSync(join(folder, 'branch-'));
      const found = { named: 0, unused: 0 };
      for (let run = 0; run < BRANCH_FLIPS; run++) {
        const start = (branches[random.int(0, branches.length - 1)] as number) * PAGE_BYTES;
        // The header with the directory, or the rows; between them nothing is in use.
        const [lower, upper] = [20, 22].map((at) => bytes.readUInt16LE(start + at) + 24) as [number, number];
        const within = run % 2 === 0 ? random.int(0, lower - 1) : random.int(upper, PAGE_BYTES - 1);
        const flipped = Buffer.from(bytes);
        flipped[start + within] = (flipped[start + within] as number) ^ (1 << random.int(0, 7));
        writeFileSync(join(path, 'data.mdb'), flipped);
        if (stateFileProblems(path).length > 0) found.named++;
        else {
          expect(await read(path)).toBe(whole);
          found.unused++;
        }
      }
      expect(found.named).toBeGreaterThan(BRANCH_FLIPS / 4);
    },
    LONG_MS,
  );

  it('is told from one that is written to while it is looked at', async () => {
    const path = copyOf('live', () => undefined);
    const [store, reader] = [
      openLmdbStore(path, { durable: false }),
      openLmdbReader(path, { sharedWithWriter: true }),
    ];
    let [pages, commits] = [0, 0];
    const look = (): readonly string[] =>
      livePageProblems(path, () => {
        if (++pages % 3 !== 0) return;
        const from = (commits++ % 20) * 50;
        store.transaction(() => store.table('long').removeRange({ start: key(from), end: key(from + 50) }));
        fill(store, from, from + 50);
      });
    expect(reader.snapshot(look)).toEqual([]);
    expect(commits).toBeGreaterThan(3);
    await reader.close();
    // Nothing keeps in place what this one sees.
    expect(look()).not.toEqual([]);
    await store.close();
  });

  it('with two values that have changed places is named', async () => {
    const path = copyOf('moved', (bytes) => {
      const [one, other] = [Buffer.from('value of 501'), Buffer.from('value of 502')];
      const [at, to] = [bytes.indexOf(one), bytes.indexOf(other)];
      bytes.copyWithin(at, to, to + other.length + 4);
    });
    expect(await read(path)).toBe('state_damaged');
  });

  it('reads on with a writer, and a state without checksums stays as it is', async () => {
    expect(stateFileProblems(join(folder, 'whole'))).toEqual([]);
    const store = openLmdbStore(join(folder, 'whole'), { durable: false });
    expect(store.tableNames()).toEqual(['long', 'short']);
    expect(Buffer.from(store.table('short').get(key(7)) ?? []).toString()).toBe('value of 7');
    await store.close();
  });
});

describe('a checksum', () => {
  it('is MurmurHash3, and sees each single flipped bit of key and value, short and long', () => {
    // Of the reference implementation (SMHasher).
    expect(shortHash(0, Buffer.from('test'), 4) >>> 0).toBe(0xba6bd213);
    expect(shortHash(0x9747b28c, Buffer.from('Hello, world!'), 13) >>> 0).toBe(0x24884cba);
    const sums = new RowChecksums('t');
    for (const length of [0, 1, 3, 4, 37, 255, 256, 700]) {
      const value = Buffer.from(Array.from({ length }, (_unused, at) => at * 7));
      const row = Buffer.from(sums.add(key(1), value));
      expect(Buffer.from(sums.valueOf(key(1), row))).toEqual(value);
      expect(() => sums.valueOf(key(2), row)).toThrow(/not what was written/);
      expect(() => new RowChecksums('u').valueOf(key(1), row)).toThrow(/not what was written/);
      for (let bit = 0; bit < row.length * 8; bit++) {
        row[bit >> 3] = (row[bit >> 3] as number) ^ (1 << (bit & 7));
        expect(codeOf(() => sums.valueOf(key(1), row))).toBe('state_damaged');
        row[bit >> 3] = (row[bit >> 3] as number) ^ (1 << (bit & 7));
      }
    }
    expect(() => sums.valueOf(key(1), Uint8Array.of(1, 2))).toThrow(/not what was written/);
  });

  it('of a long value is compared once by a reader that asks for that, and again for another value', () => {
    const sums = new RowChecksums('t');
    const rowOf = (fill: number): Buffer => Buffer.from(sums.add(key(1), Buffer.alloc(9_000, fill)));
    const damaged = (row: Buffer): Buffer =>
      Buffer.from(row.map((byte, at) => (at === 5_000 ? byte ^ 1 : byte)));
    // Never seen: compared.
    expect(codeOf(() => sums.valueOnce(key(1), damaged(rowOf(1))))).toBe('state_damaged');
    expect(Buffer.from(sums.valueOnce(key(1), rowOf(1)))).toEqual(Buffer.alloc(9_000, 1));
    // Another value under the key, and the same under another key, are others.
    expect(codeOf(() => sums.valueOnce(key(1), damaged(rowOf(2))))).toBe('state_damaged');
    expect(codeOf(() => sums.valueOnce(key(2), rowOf(1)))).toBe('state_damaged');
    // What compares always finds what flips later.
    expect(codeOf(() => sums.valueOf(key(1), damaged(rowOf(1))))).toBe('state_damaged');
    // A short one is always compared.
    const short = Buffer.from(sums.add(key(3), Buffer.alloc(100, 3)));
    sums.valueOnce(key(3), short);
    short[50] = 4;
    expect(codeOf(() => sums.valueOnce(key(3), short))).toBe('state_damaged');
  });
});
