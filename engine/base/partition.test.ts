import { expect, it } from 'vitest';
import { partitionOf, requirePartitions } from './partition.ts';

it('is FNV-1a of the bytes of the key, modulo the number of partitions', () => {
  // Values of FNV's own test suite, of 32 bits.
  const known: readonly (readonly [string, number])[] = [
    ['', 0x811c9dc5],
    ['a', 0xe40c292c],
    ['b', 0xe70c2de5],
    ['foobar', 0xbf9cf968],
  ];
  for (const [key, hash] of known) {
    expect(partitionOf(key, 2 ** 32)).toBe(hash);
    expect(partitionOf(key, 32)).toBe(hash % 32);
  }
  expect(partitionOf('Größe-日本-🛒', 32)).toBe(partitionOf(Buffer.from('Größe-日本-🛒'), 32));
});

it('is of a number of partitions that can be', () => {
  expect(() => requirePartitions(1)).not.toThrow();
  for (const wrong of [0, -1, 1.5, Number.NaN, 1_025]) {
    expect(() => requirePartitions(wrong)).toThrow(/1 to 1024 partitions/);
  }
});
