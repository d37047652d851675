import { describe, expect, it } from 'vitest';
import { fc } from '../../test/property.ts';
import { ByteReader, ByteWriter } from './bytes.ts';

const MAX = Number.MAX_SAFE_INTEGER;
const uint = fc.oneof(
  fc.maxSafeNat(),
  fc.constantFrom(0, 127, 128, 16_383, 16_384, 2 ** 32, 2 ** 32 - 1, MAX),
);
const int = fc.oneof(fc.maxSafeInteger(), fc.constantFrom(0, -1, 63, -63, 64, -64, 8_191, -8_192, MAX, -MAX));
/** Text that has UTF-8, with what codecs trip over: NUL, a byte order mark, astral characters, many characters. */
const text = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.string({ unit: fc.constantFrom('a', '\0', '\ufeff', 'é', '漢', '💶') }),
  fc.string({ unit: 'grapheme', minLength: 60, maxLength: 70 }),
  fc.string({ unit: fc.constantFrom('x', 'ü'), minLength: 120, maxLength: 300 }),
);

const written = (write: (writer: ByteWriter) => void): Buffer => {
  const writer = new ByteWriter();
  write(writer);
  return writer.copy();
};

describe('integers', () => {
  it('varint gives back every integer from 0 to 2^53-1', () => {
    fc.assert(
      fc.property(uint, (value) => {
        const reader = new ByteReader(written((writer) => writer.varint(value)));
        expect(reader.varint()).toBe(value);
        expect(reader.remaining).toBe(0);
      }),
    );
  });

  it('varint takes one byte below 128 and eight for 2^53-1', () => {
    expect(written((writer) => writer.varint(127)).length).toBe(1);
    expect(written((writer) => writer.varint(128)).length).toBe(2);
    expect(written((writer) => writer.varint(MAX)).length).toBe(8);
  });

  it('zigzag gives back every safe integer', () => {
    fc.assert(
      fc.property(int, (value) => {
        expect(new ByteReader(written((writer) => writer.zigzag(value))).zigzag()).toBe(value);
      }),
    );
  });

  it('zigzag takes one byte from -63 to 63', () => {
    for (const value of [-63, 0, 63]) expect(written((writer) => writer.zigzag(value)).length).toBe(1);
  });

  it('u48 gives back its integer and sorts like it', () => {
    const u48 = fc.integer({ min: 0, max: 2 ** 48 - 1 });
    fc.assert(
      fc.property(u48, u48, (a, b) => {
        const [left, right] = [written((writer) => writer.u48(a)), written((writer) => writer.u48(b))];
        expect(new ByteReader(left).u48()).toBe(a);
        expect(Buffer.compare(left, right)).toBe(Math.sign(a - b));
      }),
    );
  });
});

describe('strings', () => {
  it('come back as they were, each reading exactly its own bytes', () => {
    fc.assert(
      fc.property(fc.array(text, { maxLength: 6 }), (values) => {
        const reader = new ByteReader(
          written((writer) => values.forEach((value) => void writer.string(value))),
        );
        expect(values.map(() => reader.string())).toEqual(values);
        expect(reader.remaining).toBe(0);
      }),
    );
  });

  it('ordered strings come back as they were, each reading exactly its own bytes', () => {
    fc.assert(
      fc.property(fc.array(text, { maxLength: 6 }), (values) => {
        const reader = new ByteReader(
          written((writer) => values.forEach((value) => void writer.orderedString(value))),
        );
        expect(values.map(() => reader.orderedString())).toEqual(values);
        expect(reader.remaining).toBe(0);
      }),
    );
  });

  it('a byte order mark survives beside a NUL', () => {
    const value = '\ufeffa\0b';
    expect(new ByteReader(written((writer) => writer.orderedString(value))).orderedString()).toBe(value);
  });

  it('composite keys of ordered strings sort as the UTF-8 bytes of their parts', () => {
    const pair = fc.tuple(text, text);
    const bytes = (value: string): Buffer => Buffer.from(value);
    fc.assert(
      fc.property(pair, pair, ([a1, a2], [b1, b2]) => {
        const key = (one: string, two: string): Buffer =>
          written((writer) => writer.orderedString(one).orderedString(two));
        const order = Buffer.compare(bytes(a1), bytes(b1)) || Buffer.compare(bytes(a2), bytes(b2));
        expect(Buffer.compare(key(a1, a2), key(b1, b2))).toBe(order);
      }),
    );
  });
});

describe('mixed', () => {
  const value = fc.oneof(
    fc.record({ kind: fc.constant('varint' as const), value: uint }),
    fc.record({ kind: fc.constant('zigzag' as const), value: int }),
    fc.record({ kind: fc.constant('f64' as const), value: fc.double({ noNaN: true }) }),
    fc.record({ kind: fc.constant('u32' as const), value: fc.integer({ min: 0, max: 2 ** 32 - 1 }) }),
    fc.record({ kind: fc.constant('u8' as const), value: fc.integer({ min: 0, max: 255 }) }),
  );

  it('a sequence of values comes back, also from the middle of a larger buffer', () => {
    fc.assert(
      fc.property(fc.array(value, { maxLength: 200 }), fc.integer({ min: 0, max: 9 }), (values, offset) => {
        const bytes = written((writer) => {
          for (const entry of values) writer[entry.kind](entry.value);
        });
        const shifted = new Uint8Array(bytes.length + offset + 3).fill(0xff);
        shifted.set(bytes, offset);
        const reader = new ByteReader(shifted.subarray(offset, offset + bytes.length));
        for (const entry of values) expect(reader[entry.kind]()).toBe(entry.value);
        expect(reader.remaining).toBe(0);
      }),
    );
  });

  it('a number that is none has one form', () => {
    const other = new Float64Array(new BigUint64Array([0xfff8_0000_dead_beefn]).buffer)[0] as number;
    expect(written((writer) => writer.f64(other))).toEqual(written((writer) => writer.f64(Number.NaN)));
  });

  it('what was written is copied to any place of other bytes', () => {
    for (const length of [0, 1, 127, 128, 1_000]) {
      const target = new Uint8Array(length + 2).fill(9);
      new ByteWriter().bytes(new Uint8Array(length).fill(7)).copyTo(target, 1);
      expect([...target]).toEqual([9, ...new Array<number>(length).fill(7), 9]);
    }
  });

  it('bytes are given back as a view, and reset begins anew', () => {
    const writer = new ByteWriter().u32(7);
    const data = new Uint8Array(1_000).map((_, index) => index);
    writer.reset().bytes(data);
    expect(writer.length).toBe(1_000);
    expect(Buffer.compare(new ByteReader(writer.view()).bytes(1_000), data)).toBe(0);
  });

  it('reading past the end is an error, never a silent zero', () => {
    const bytes = written((writer) => writer.string('abc'));
    const cut = (): ByteReader => new ByteReader(bytes.subarray(0, 3));
    expect(() => cut().string()).toThrow(/shorter than its codec/);
    expect(() => new ByteReader(Buffer.from([0x80])).varint()).toThrow(/shorter than its codec/);
    expect(() => new ByteReader(Buffer.from('abc')).orderedString()).toThrow(/no end of string/);
    expect(() => new ByteReader(Buffer.from([1, 0, 0xff])).orderedString()).toThrow(/no end of string/);
  });
});
