import { describe, expect, it } from 'vitest';
import { fc } from '../../test/property.ts';
import { ByteReader, ByteWriter } from './bytes.ts';
import {
  bigintCodec,
  type Codec,
  floatCodec,
  intCodec,
  jsonCodec,
  stringCodec,
  stringKey,
  trustedJsonCodec,
  uintKey,
} from './codec.ts';

function roundTrip<T>(codec: Codec<T>, value: T): T {
  const writer = new ByteWriter();
  codec.write(writer, value);
  const reader = new ByteReader(writer.view());
  const read = codec.read(reader);
  expect(reader.remaining).toBe(0);
  return read;
}

const wellFormed = fc.string({ unit: 'binary' });
/** JSON can say halves of surrogate pairs: `"\\ud800"`. */
const anyText = fc.oneof(
  wellFormed,
  fc
    .array(fc.oneof(fc.integer({ min: 0xd7fe, max: 0xe001 }), fc.nat(0xffff), fc.constantFrom(0, 0xfffd)), {
      maxLength: 100,
    })
    .map((units) => String.fromCharCode(...units)),
);

describe('codecs', () => {
  it('give back what they wrote', () => {
    fc.assert(fc.property(anyText, (value) => roundTrip(stringCodec, value) === value));
    fc.assert(fc.property(anyText, (value) => roundTrip(stringKey, value) === value));
    fc.assert(fc.property(fc.maxSafeInteger(), (value) => roundTrip(intCodec, value) === value));
    fc.assert(fc.property(fc.double(), (value) => Object.is(roundTrip(floatCodec, value), value)));
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 2 ** 48 - 1 }), (value) => roundTrip(uintKey, value) === value),
    );
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(roundTrip(trustedJsonCodec(), value)).toEqual(JSON.parse(JSON.stringify(value)));
      }),
    );
  });

  it('keep what JSON does not know of numbers, and texts that look like it', () => {
    const value = { nan: Number.NaN, ends: [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY], none: null };
    expect(roundTrip(trustedJsonCodec(), value)).toEqual(value);
    expect(roundTrip(trustedJsonCodec(), Number.NaN)).toBe(Number.NaN);
    const hole = roundTrip(trustedJsonCodec<unknown[]>(), [1, undefined, null]);
    expect(hole).toStrictEqual([1, undefined, null]);
    const name = fc.constantFrom('NaN', '-Infinity', 'undefined', 'null', 'x', '');
    const text = fc.tuple(fc.nat(3), name).map(([marks, rest]) => '\0'.repeat(marks) + rest);
    const number = fc.double().map((each) => each + 0);
    fc.assert(
      fc.property(fc.jsonValue(), fc.array(fc.oneof(text, number, fc.constant(null))), (json, others) => {
        const written = { json: JSON.parse(JSON.stringify(json)) as unknown, others };
        expect(roundTrip(trustedJsonCodec(), written)).toEqual(written);
      }),
    );
    // What was written before read as it was.
    const bytes = new ByteWriter().string('{"a":null,"b":"\\u0000x"}').copy();
    expect(trustedJsonCodec().read(new ByteReader(bytes))).toEqual({ a: null, b: '\0x' });
  });

  it('a JSON codec checks what it reads', () => {
    const onlyNumbers = jsonCodec((value) => {
      if (typeof value !== 'number') throw new Error('not a number');
      return value;
    });
    expect(roundTrip(onlyNumbers, 4)).toBe(4);
    const bytes = new ByteWriter().string('"text"').copy();
    expect(() => onlyNumbers.read(new ByteReader(bytes))).toThrow('not a number');
  });
});

describe('bigints', () => {
  it('are kept whole, by their own codec and within JSON', () => {
    fc.assert(fc.property(fc.bigInt(), (value) => roundTrip(bigintCodec, value) === value));
    fc.assert(
      fc.property(fc.array(fc.oneof(fc.bigInt(), anyText, fc.double())), (values) => {
        const normal = values.map((value) => (Object.is(value, -0) ? 0 : value));
        expect(roundTrip(trustedJsonCodec(), normal)).toEqual(normal);
      }),
    );
  });
});
