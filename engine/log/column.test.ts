import { describe, expect, it } from 'vitest';
import { fc } from '../../test/property.ts';
import {
  ColumnEncoder,
  decodeCodes,
  decodeHashes,
  decodeIntegers,
  decodeNumbers,
  LABEL_ROWS,
  labelCodes,
  selectCodes,
  Unpacked,
} from '../columns/index.ts';
import { Reusable } from './chunk-store.ts';

const encoder = new ColumnEncoder();
const scratch = new Unpacked();

/** As a store gives it: a copy at an address of its own. */
function stored(encoded: Uint8Array): Uint8Array | undefined {
  return encoded.length === 0 ? undefined : new Reusable().copyOf(encoded);
}

function codesBack(values: Int32Array): Int32Array {
  const { index, values: distinct } = decodeCodes(
    stored(encoder.codes(values, values.length)),
    values.length,
    scratch,
  );
  return values.map((_unused, row) => distinct[index?.[row] ?? 0] as number);
}

function numbersBack(values: Float64Array): Float64Array {
  const target = new Float64Array(values.length + 2).fill(7);
  decodeNumbers(stored(encoder.numbers(values, values.length)), values.length, scratch, target, 1);
  expect([target[0], target.at(-1)]).toEqual([7, 7]);
  return target.subarray(1, values.length + 1);
}

/** Much faster than a comparison of lists. */
function expectSame(found: Int32Array | Float64Array, given: Int32Array | Float64Array): void {
  const bytes = ({ buffer, byteOffset, byteLength }: typeof given) =>
    Buffer.from(buffer, byteOffset, byteLength);
  if (!bytes(found).equals(bytes(given))) expect(found).toEqual(given);
}

const many = (length: number, value: (row: number) => number): Float64Array =>
  Float64Array.from({ length }, (_unused, row) => value(row));

describe('a stored column', () => {
  it('finds the rows of some codes, whatever its form', () => {
    const anyCodes = fc
      .integer({ min: 1, max: 400 })
      .chain((distinct) => fc.array(fc.nat(distinct - 1), { minLength: 1, maxLength: 900 }));
    fc.assert(
      fc.property(anyCodes, fc.nat(400), fc.integer({ min: 1, max: 5 }), (codes, least, every) => {
        const values = Int32Array.from(codes);
        const accepts = (code: number): boolean => code >= least && code % every === 0;
        const rows = new Uint32Array(codes.length);
        const column = stored(encoder.codes(values, values.length));
        const count = selectCodes(column, codes.length, accepts, scratch, rows);
        const expected = codes.flatMap((code, row) => (accepts(code) ? [row] : []));
        expect([...rows.subarray(0, count)]).toEqual(expected);
      }),
      { numRuns: 500 },
    );
  });

  it('labels the rows by their codes, whatever its form', () => {
    const anyCodes = fc
      .integer({ min: 1, max: 400 })
      .chain((distinct) => fc.array(fc.nat(distinct - 1), { minLength: 1, maxLength: 300 }));
    fc.assert(
      fc.property(anyCodes, fc.nat(255), fc.integer({ min: 1, max: 5 }), (codes, bits, every) => {
        const values = Int32Array.from(codes);
        const labelOf = (code: number): number => (code % every === 0 ? (code * 7) & bits : 0);
        const labels = new Uint8Array(Math.ceil(codes.length / LABEL_ROWS) * LABEL_ROWS);
        for (let row = 0; row < codes.length; row++) labels[row] = row & 3;
        const column = stored(encoder.codes(values, values.length));
        const isAny = labelCodes(column, codes.length, labelOf, scratch, labels);
        expect([...labels.subarray(0, codes.length)]).toEqual(
          codes.map((code, row) => labelOf(code) | (row & 3)),
        );
        expect(isAny).toBe(codes.some((code) => labelOf(code) !== 0));
      }),
      { numRuns: 500 },
    );
  });

  it.each([1, 2, 4])('finds the rows of the first code in a last byte that is not full: %s bits', (width) => {
    const distinct = 2 ** width;
    for (let rows = distinct; rows < distinct + 20; rows++) {
      // The code of index 0, which the padding has too.
      const values = Int32Array.from({ length: rows }, (_, row) => 7 + (row % distinct));
      const target = new Uint32Array(rows);
      const column = stored(encoder.codes(values, rows));
      const count = selectCodes(column, rows, (code) => code === 7, scratch, target);
      const expected = [...values.keys()].filter((row) => values[row] === 7);
      expect([...target.subarray(0, count)]).toEqual(expected);
      expect(count).toBe(expected.length);
    }
  });

  it('gives back any codes', () => {
    const code = fc.oneof(
      fc.constantFrom(0, 1, 2, 5, 300, 2 ** 31 - 1, 1 << 21, (1 << 21) - 1),
      fc.nat(2 ** 31 - 1),
    );
    fc.assert(
      fc.property(fc.array(code, { minLength: 1, maxLength: 300 }), (codes) => {
        const values = Int32Array.from(codes);
        expectSame(codesBack(values), values);
      }),
    );
  });

  it('gives back as many codes as a chunk has, however many differ', () => {
    for (const distinct of [1, 2, 3, 4, 5, 16, 17, 256, 257, 30_000, 65_536]) {
      for (const factor of [1, 65_537]) {
        const values = Int32Array.from(
          { length: 65_536 },
          (_unused, row) => ((row * 7) % distinct) * factor * 0.4,
        );
        expectSame(codesBack(values), values);
      }
    }
  });

  it('gives back any hashes', () => {
    const word = fc.oneof(fc.constantFrom(0, 1, -1, -(2 ** 31)), fc.integer());
    fc.assert(
      fc.property(
        fc.array(fc.tuple(word, word), { minLength: 1, maxLength: 40 }),
        fc.nat(400),
        (pairs, extra) => {
          const hi = Int32Array.from([0, ...pairs.map(([first]) => first)]);
          const lo = Int32Array.from([0, ...pairs.map(([, second]) => second)]);
          const ids = Int32Array.from(
            { length: pairs.length + extra },
            (_unused, row) => (row * 3) % hi.length,
          );
          const bytes = stored(encoder.hashes(ids, ids.length, hi, lo));
          const back = decodeHashes(bytes, ids.length, scratch);
          for (const [row, id] of ids.entries()) {
            const at = back.index === null ? 0 : (back.index[row] as number);
            expect([back.hi[at], back.lo[at]]).toEqual([hi[id], lo[id]]);
          }
        },
      ),
    );
  });

  it('gives back any numbers, none among them', () => {
    const number = fc.oneof(
      fc.constantFrom(Number.NaN, 0, 1, 2.5, Number.MAX_SAFE_INTEGER, -Number.MAX_SAFE_INTEGER, 1e300),
      fc.integer({ min: -100, max: 100 }),
      fc.integer().map((step) => step * 1_000),
    );
    fc.assert(
      fc.property(fc.array(number, { minLength: 1, maxLength: 200 }), (numbers) => {
        const values = Float64Array.from(numbers);
        expectSame(numbersBack(values), values);
      }),
      { numRuns: 300 },
    );
  });

  it('gives back integers as they are', () => {
    fc.assert(
      fc.property(
        fc.array(fc.nat(2 ** 31 - 1), { minLength: 1, maxLength: 50 }),
        fc.nat(31),
        (given, shift) => {
          const values = Int32Array.from(given, (value) => value >>> shift);
          const back = decodeIntegers(stored(encoder.integers(values, values.length)), scratch);
          expect([...back]).toEqual([...values]);
        },
      ),
    );
  });

  it('takes the narrowest form that holds its values', () => {
    const rows = 65_536;
    const size = (value: (row: number) => number): number => {
      const values = many(rows, value);
      expectSame(numbersBack(values), values);
      return encoder.numbers(values, rows).length / rows;
    };
    expect(size(() => Number.NaN)).toBe(0);
    expect(size(() => 12.5)).toBeLessThan(0.001);
    expect(size((row) => (row % 2) * 495)).toBeCloseTo(1 / 8, 2);
    expect(size((row) => (row % 3 === 0 ? Number.NaN : (row % 11) * 1.5))).toBeCloseTo(1 / 2, 2);
    expect(size((row) => 500 + ((row * 7_919) % 20_000))).toBeCloseTo(2, 2);
    expect(size((row) => 1_750_000_000_000 + ((row * 7_919) % 86_400_000))).toBeCloseTo(4, 2);
    expect(size((row) => 1_750_000_000_000 + (row % 86_400) * 1_000)).toBeCloseTo(2, 2);
    expect(size((row) => (row * 7_919) % 1_000_003)).toBeCloseTo(3, 2);
    expect(size((row) => (row % 20 === 0 ? row * 1_001 : Number.NaN))).toBeCloseTo((2 + 4) / 20, 2);
    expect(size((row) => row + 0.25)).toBeCloseTo(8, 2);
    const codes = Int32Array.from({ length: rows }, (_unused, row) => (row * 7_919) % 2_000);
    expect(encoder.codes(codes, rows).length / rows).toBeCloseTo(2.1, 1);
    const unique = Int32Array.from({ length: rows }, (_unused, row) => Math.imul(row, 0x9e3779b1) >>> 1);
    expect(encoder.codes(unique, rows).length / rows).toBeCloseTo(4, 2);
  });
});
