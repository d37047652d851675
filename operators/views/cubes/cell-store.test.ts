import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type KvStore, MemoryDisk, openLmdbStore, SeededRandom } from '../../../engine/index.ts';
import { fc } from '../../../test/property.ts';
import { BLOCK_MAX_BYTES, BlockReader, BlockWriter } from './cell-block.ts';
import { scopePrefix } from './cell-keys.ts';
import { CellStore, NO_LIMIT } from './cell-store.ts';
import { estimateCells, scanCells } from './scan-cells.ts';
import { TouchedCells } from './touched-cells.ts';

const DAY_MS = 86_400_000;
const MEASURES = 40;
const MAX = Number.MAX_SAFE_INTEGER;

describe('a block of cells', () => {
  it('gives back what was written: any codes, any measures, sums of any size', () => {
    const code = fc.oneof(fc.nat(300), fc.nat(2 ** 31 - 1));
    const sum = fc.oneof(
      fc.bigInt({ min: -(2n ** 80n), max: 2n ** 80n }),
      fc.integer().map(BigInt),
      fc.constantFrom(0n, 63n, 64n, -64n, 8_191n, 8_192n, 2n ** 20n, BigInt(MAX), -BigInt(MAX), 2n ** 53n),
    );
    const cell = fc.record({
      bucket: fc.integer(),
      codes: fc.tuple(code, code, code),
      sums: fc.array(fc.tuple(fc.nat(MEASURES - 1), sum), { maxLength: 6 }),
    });
    fc.assert(
      fc.property(fc.array(cell, { maxLength: 30 }), (cells) => {
        const keys = Int32Array.from(cells.flatMap(({ bucket, codes }) => [bucket, ...codes]));
        const sums = new Float64Array(cells.length * MEASURES);
        const wide = new Map<number, bigint>();
        const expected = cells.map((one, at) => {
          const exact = new Map(one.sums.filter(([, value]) => value !== 0n));
          for (const [measure, value] of exact) {
            sums[at * MEASURES + measure] = Number(value);
            if (!Number.isSafeInteger(Number(value))) wide.set(at * MEASURES + measure, value);
          }
          return { key: [one.bucket, ...one.codes], sums: [...exact].sort(([a], [b]) => a - b) };
        });
        const writer = new BlockWriter(MEASURES);
        writer.reset();
        for (const at of cells.keys())
          writer.add({ words: 4, keys, sums, wide }, at, Number.POSITIVE_INFINITY);
        const reader = new BlockReader(2, MEASURES);
        reader.open(Uint8Array.from(writer.view()));
        const found: unknown[] = [];
        while (reader.next()) {
          const present = [...reader.present.subarray(0, reader.presentCount)];
          expect(present).toEqual([...reader.sums.keys()].filter((at) => reader.sums[at] !== 0));
          const exact = present.map((at) => [at, reader.wide.get(at) ?? BigInt(reader.sums[at] as number)]);
          found.push({ key: [...reader.key], sums: exact });
        }
        expect(found).toEqual(expected);
      }),
      { numRuns: 300 },
    );
  });

  it('leaves out what would make it larger than its limit', () => {
    const writer = new BlockWriter(1);
    writer.reset();
    const cells = {
      words: 2,
      keys: new Int32Array(2_000),
      sums: new Float64Array(1_000).fill(1),
      wide: new Map(),
    };
    let taken = 0;
    while (writer.add(cells, taken, 100)) taken++;
    expect(writer.length).toBeLessThanOrEqual(100);
    expect(taken).toBe(25);
    expect(new BlockReader(0, 1)).toMatchObject({ presentCount: 0 });
  });
});

describe.each(['memory', 'lmdb'])('cells on %s', (kind) => {
  let folder: string;
  let store: KvStore;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'millrace-cells-'));
    store = kind === 'memory' ? new MemoryDisk().open() : openLmdbStore(folder, { durable: false });
  });
  afterAll(async () => {
    await store.close();
    await rm(folder, { recursive: true });
  });

  it('are the sums of what was merged, over splits, prefixes and ranges of time', () => {
    const random = new SeededRandom(3);
    const table = store.table('cells');
    const cells = new CellStore(table, 1, MEASURES);
    const touched = new TouchedCells(1, MEASURES);
    const scopes = ['a', 'a b', 'b'];
    const expected = new Map<string, number>();
    const measure = Int32Array.of(0, MEASURES - 1);
    const merge = (adds: number, days: () => number, sign: number): void => {
      for (const scope of scopes) {
        for (let left = adds; left > 0; left--) {
          const [day, currency, code] = [days(), random.int(0, 2), random.int(0, 400)];
          touched.key.set([0, day, currency, code]);
          const amount = random.int(1, 1_000) * sign;
          touched.add(2, measure, Float64Array.of(sign, amount));
          const key = [scope, day, currency, code].join();
          expected.set(key, (expected.get(key) ?? 0) + amount);
        }
        const order = touched.sorted();
        store.transaction(() =>
          cells.merge(scopePrefix(1, scope), touched, order, { from: 0, to: order.length }, NO_LIMIT),
        );
        touched.clear();
      }
    };
    // Time goes on; then the past is built backwards; then anywhere.
    for (let day = 100; day < 110; day++) merge(300, () => day, 1);
    for (let day = 99; day > 90; day--) merge(300, () => day, 1);
    for (let round = 0; round < 5; round++) merge(200, () => random.int(90, 110), 1);
    const read = (scope: string, from: number, to: number): Map<string, number> => {
      const found = new Map<string, number>();
      const cube = { id: 1, name: 'c', dimensions: ['x'], bucket_ms: DAY_MS, measures: MEASURES };
      const info = { ...cube, version: '', from_ms: 0, isDropped: false };
      const scan = { scope, cube: info, start_ms: from * DAY_MS, end_ms: to * DAY_MS };
      scanCells(table, scan, (bucket_ms, [code], currency, { sums }) => {
        found.set([scope, bucket_ms / DAY_MS, currency, code].join(), sums[MEASURES - 1] as number);
      });
      expect(estimateCells(table, scan).blocks).toBeGreaterThanOrEqual(found.size / 500);
      return found;
    };
    for (const scope of scopes) {
      for (const [from, to] of [
        [0, 200],
        [95, 103],
        [104, 105],
        [0, 90],
      ] as const) {
        const inside = [...expected].filter(([key]) => {
          const [of, day] = key.split(',');
          return of === scope && Number(day) >= from && Number(day) < to;
        });
        expect(read(scope, from, to)).toEqual(new Map(inside));
      }
    }
    const sizes = Array.from(table.scan(), ({ value }) => value.length);
    expect(Math.max(...sizes)).toBeLessThanOrEqual(BLOCK_MAX_BYTES);
    expect(sizes.reduce((sum, size) => sum + size, 0) / sizes.length).toBeGreaterThan(BLOCK_MAX_BYTES / 2);
  });
});
