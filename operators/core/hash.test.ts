import { describe, expect, it } from 'vitest';
import { fc } from '../../test/property.ts';
import { fnv1a, fnv1aOfString, hash53, hashInteger, hashJson, murmur128 } from './hash.ts';

function murmur(text: string | Uint8Array, seed = 0): string {
  const bytes = typeof text === 'string' ? Buffer.from(text) : text;
  const out = new Uint32Array(4);
  murmur128(bytes, 0, bytes.length, seed, out);
  return [...out].map((word) => word.toString(16).padStart(8, '0')).join('');
}

/** MurmurHash3_x86_128 a second time, from its definition, in bigints masked to 32 bits. */
function reference(bytes: Uint8Array, seed: number): string {
  const mask = (value: bigint): bigint => value & 0xffff_ffffn;
  const rotate = (value: bigint, bits: bigint): bigint => mask((value << bits) | (value >> (32n - bits)));
  const c = [0x239b961bn, 0xab0e9789n, 0x38b34ae5n, 0xa1e38b93n] as const;
  const keyTurns = [15n, 16n, 17n, 18n] as const;
  const blockTurns = [19n, 17n, 15n, 13n] as const;
  const adds = [0x561ccd1bn, 0x0bcaa747n, 0x96cd1c35n, 0x32ac3b17n] as const;
  const h = [0, 1, 2, 3].map(() => BigInt(seed >>> 0));
  const key = (k: bigint, i: number): bigint =>
    mask(rotate(mask(k * (c[i] as bigint)), keyTurns[i] as bigint) * (c[(i + 1) % 4] as bigint));
  const word = (at: number): bigint =>
    [3, 2, 1, 0].reduce((value, byte) => (value << 8n) | BigInt(bytes[at + byte] ?? 0), 0n);
  const whole = bytes.length - (bytes.length % 16);
  for (let at = 0; at < whole; at += 16) {
    for (let i = 0; i < 4; i++) {
      h[i] = (h[i] as bigint) ^ key(word(at + 4 * i), i);
      h[i] = mask(rotate(h[i] as bigint, blockTurns[i] as bigint) + (h[(i + 1) % 4] as bigint));
      h[i] = mask((h[i] as bigint) * 5n + (adds[i] as bigint));
    }
  }
  for (let i = 0; i < 4; i++)
    if (bytes.length - whole > 4 * i) h[i] = (h[i] as bigint) ^ key(word(whole + 4 * i), i);
  for (let i = 0; i < 4; i++) h[i] = (h[i] as bigint) ^ BigInt(bytes.length);
  const spread = (): void => {
    for (let i = 1; i < 4; i++) h[0] = mask((h[0] as bigint) + (h[i] as bigint));
    for (let i = 1; i < 4; i++) h[i] = mask((h[i] as bigint) + (h[0] as bigint));
  };
  spread();
  for (let i = 0; i < 4; i++) {
    let value = h[i] as bigint;
    value = mask((value ^ (value >> 16n)) * 0x85ebca6bn);
    value = mask((value ^ (value >> 13n)) * 0xc2b2ae35n);
    h[i] = value ^ (value >> 16n);
  }
  spread();
  return h.map((value) => value.toString(16).padStart(8, '0')).join('');
}

describe('murmur128', () => {
  it('of nothing with seed 0 is zero, as published', () => {
    expect(murmur('')).toBe('0'.repeat(32));
  });

  it('passes the SMHasher verification: hash of the hashes of 0..255 keys', () => {
    const hashes = Buffer.alloc(256 * 16);
    for (let length = 0; length < 256; length++) {
      const key = Uint8Array.from({ length }, (_, index) => index);
      const out = new Uint32Array(4);
      murmur128(key, 0, length, 256 - length, out);
      for (let word = 0; word < 4; word++) hashes.writeUInt32LE(out[word] as number, length * 16 + word * 4);
    }
    const out = new Uint32Array(4);
    murmur128(hashes, 0, hashes.length, 0, out);
    // SMHasher's main.cpp: Murmur3C, "MurmurHash3 for x86, 128-bit".
    expect(out[0]).toBe(0xb3ece62a);
  });

  it('is the algorithm, for any bytes and seed, anywhere in a buffer', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 70 }),
        fc.integer(),
        fc.integer({ min: 0, max: 5 }),
        (bytes, seed, offset) => {
          const buffer = new Uint8Array(bytes.length + offset + 4).fill(0xaa);
          buffer.set(bytes, offset);
          const out = new Uint32Array(4);
          murmur128(buffer, offset, offset + bytes.length, seed, out);
          const found = [...out].map((word) => word.toString(16).padStart(8, '0')).join('');
          expect(found).toBe(reference(bytes, seed));
        },
      ),
    );
  });

  it('its first 53 bits are a safe integer', () => {
    expect(hash53(Uint32Array.of(0xffff_ffff, 0xffff_ffff, 0, 0))).toBe(2 ** 53 - 1);
    expect(hash53(Uint32Array.of(1, 0x800, 0, 0))).toBe(2 ** 21 + 1);
  });
});

describe('fnv1a', () => {
  it.each([
    ['', 0x811c9dc5],
    ['a', 0xe40c292c],
    ['foobar', 0xbf9cf968],
  ])('of %j is the published value', (text, expected) => {
    expect(fnv1aOfString(text) >>> 0).toBe(expected);
    expect(fnv1a(Buffer.from(`xx${text}x`), 2, 2 + Buffer.byteLength(text)) >>> 0).toBe(expected);
  });
});

describe('hashJson', () => {
  it('does not depend on the order of members', () => {
    const shuffled = (value: unknown): unknown => {
      if (Array.isArray(value)) return value.map(shuffled);
      if (typeof value !== 'object' || value === null) return value;
      return Object.fromEntries(
        Object.entries(value)
          .reverse()
          .map(([name, member]) => [name, shuffled(member)]),
      );
    };
    fc.assert(fc.property(fc.jsonValue(), (value) => hashJson(value) === hashJson(shuffled(value))));
  });

  it('tells values, types, orders of items and places of members apart', () => {
    const values = [
      '1',
      1,
      true,
      false,
      null,
      [],
      {},
      [1],
      [[1]],
      [1, 2],
      [2, 1],
      { a: 1 },
      { b: 1 },
      { a: { b: 1 } },
      { a: '1' },
      1.5,
      2 ** 53,
      -1,
      '',
    ];
    expect(new Set(values.map(hashJson)).size).toBe(values.length);
  });

  it('integers of all sizes spread', () => {
    const integers = [
      0,
      1,
      -1,
      2 ** 31,
      2 ** 32,
      2 ** 32 + 1,
      -(2 ** 32),
      Number.MAX_SAFE_INTEGER,
      Number.MIN_SAFE_INTEGER,
    ];
    expect(new Set(integers.map(hashInteger)).size).toBe(integers.length);
  });
});
