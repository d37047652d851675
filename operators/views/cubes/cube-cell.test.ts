import { describe, expect, it } from 'vitest';
import { ByteReader, ByteWriter } from '../../../engine/index.ts';
import { fc } from '../../../test/property.ts';
import { distinctOf, distributionOf, type ExactSum, narrow } from '../../aggregates/index.ts';
import {
  type Cell,
  type CellDetail,
  emptyDetail,
  readCell,
  readCellKey,
  readDetail,
  writeCell,
  writeCellKey,
  writeDetail,
} from './cube-cell.ts';

const MEASURES = 40;
const sum: fc.Arbitrary<ExactSum> = fc.oneof(
  { weight: 3, arbitrary: fc.constant(0 as ExactSum) },
  fc.maxSafeInteger(),
  fc.bigInt({ min: -(2n ** 80n), max: 2n ** 80n }).map(narrow),
);
const detail: fc.Arbitrary<CellDetail> = fc
  .tuple(
    fc.array(fc.option(fc.array(fc.integer(), { minLength: 1, maxLength: 5 }), { nil: undefined }), {
      maxLength: 6,
    }),
    fc.array(fc.maxSafeNat(), { maxLength: 9 }),
  )
  .map(([observed, members]) => ({
    distributions: observed.map((list) => (list === undefined ? undefined : distributionOf(list))),
    distinct: distinctOf(members),
  }));

const encoded = (value: CellDetail): Buffer => {
  const writer = new ByteWriter();
  writeDetail(writer, value);
  return writer.copy();
};

describe('a cell', () => {
  it('comes back with its sums and its inline detail', () => {
    fc.assert(
      fc.property(
        fc.array(sum, { minLength: MEASURES, maxLength: MEASURES }),
        fc.option(detail, { nil: undefined }),
        (sums, inline) => {
          const cell: Cell = { sums, detail: inline, spilled: false };
          const writer = new ByteWriter();
          writeCell(writer, cell, inline === undefined ? undefined : encoded(inline));
          const read = readCell(writer.copy(), MEASURES, true);
          expect(read.sums).toEqual(sums);
          expect(encoded(read.detail ?? emptyDetail()).equals(encoded(inline ?? emptyDetail()))).toBe(true);
          expect(read.spilled).toBe(false);
          expect(readCell(writer.copy(), MEASURES, false).sums).toEqual(sums);
        },
      ),
    );
  });

  it('says that its detail lies elsewhere', () => {
    const writer = new ByteWriter();
    writeCell(writer, { sums: [1, 0], detail: undefined, spilled: true }, undefined);
    expect(readCell(writer.copy(), 2, true)).toEqual({ sums: [1, 0], detail: undefined, spilled: true });
  });

  it('a detail comes back as its own row', () => {
    fc.assert(
      fc.property(detail, (value) => {
        const reader = new ByteReader(encoded(value));
        const read = readDetail(reader);
        expect(read.distributions).toEqual(value.distributions);
        expect(encoded(read).equals(encoded(value))).toBe(true);
        expect(reader.remaining).toBe(0);
      }),
    );
  });
});

describe('cell keys', () => {
  const text = fc.string({ unit: fc.constantFrom('a', 'b', 'ü', '漢', '\0') });
  const key = fc.record({
    scope: text,
    cube: text,
    granularity: fc.nat(3),
    bucket_ms: fc.integer({ min: 0, max: 2 ** 32 - 1 }).map((minutes) => minutes * 60_000),
    values: fc.tuple(text, text),
    unit: text,
  });

  it('come back, and sort by scope, cube, granularity and bucket', () => {
    const bytes = (one: Parameters<typeof writeCellKey>[1]): Buffer =>
      writeCellKey(new ByteWriter(), one).copy();
    fc.assert(
      fc.property(key, key, (a, b) => {
        expect(readCellKey(bytes(a), 2)).toEqual(a);
        const later = { ...b, scope: a.scope, cube: a.cube, granularity: a.granularity };
        if (a.bucket_ms < later.bucket_ms) expect(Buffer.compare(bytes(a), bytes(later))).toBe(-1);
      }),
    );
  });
});
