import { describe, expect, it } from 'vitest';
import { ulid } from './ulid.ts';

describe('a ULID', () => {
  it('is that of the specification', () => {
    const zero = () => new Uint8Array(10);
    expect(ulid(1_469_918_176_385, zero)).toBe('01ARYZ6S410000000000000000');
    expect(ulid(0, () => new Uint8Array(10).fill(255))).toBe('0000000000ZZZZZZZZZZZZZZZZ');
    expect(ulid(2 ** 48 - 1, zero)).toBe('7ZZZZZZZZZ0000000000000000');
    expect(ulid(1, zero) > ulid(0, () => new Uint8Array(10).fill(255))).toBe(true);
  });
});
