import { describe, expect, it } from 'vitest';
import { copyBytes, Scratch } from './fact-bytes.ts';

const view = ({ buffer, byteOffset, length }: Uint8Array): DataView =>
  new DataView(buffer, byteOffset, length);

describe('copyBytes', () => {
  it('copies any number of bytes from anywhere to anywhere, also within one buffer', () => {
    for (const length of [0, 1, 3, 4, 5, 8, 63, 1_023, 1_024, 1_025, 5_000]) {
      for (const from of [0, 1, 2]) {
        const source = Uint8Array.from({ length: 20_000 }, (_, index) => index * 31);
        const other = new Uint8Array(6_000);
        copyBytes(view(source), from, view(other), 3, length);
        expect(Buffer.compare(other.subarray(3, 3 + length), source.subarray(from, from + length))).toBe(0);
        expect(other[3 + length]).toBe(0);
        copyBytes(view(source), from, view(source), 10_001, length);
        const copied = source.subarray(10_001, 10_001 + length);
        expect(Buffer.compare(copied, source.subarray(from, from + length))).toBe(0);
      }
    }
  });
});

describe('Scratch', () => {
  it('grows, keeps what is there, and gives views of what it is now', () => {
    const scratch = new Scratch(4);
    scratch.bytes.set([1, 2, 3, 4]);
    expect([...scratch.first(3)]).toEqual([1, 2, 3]);
    scratch.reserve(10_000);
    scratch.view.setUint8(0, 9);
    expect([...scratch.first(3)]).toEqual([9, 2, 3]);
    expect(scratch.first(3)).toBe(scratch.first(3));
    expect(scratch.first(9_999)).toHaveLength(9_999);
  });
});
