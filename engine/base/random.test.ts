import { describe, expect, it } from 'vitest';
import { SeededRandom } from './random.ts';

describe('SeededRandom', () => {
  it('gives the same numbers for the same seed, others for another', () => {
    const numbers = (seed: number): number[] => {
      const random = new SeededRandom(seed);
      return Array.from({ length: 20 }, () => random.int(0, 1_000_000));
    };
    expect(numbers(1)).toEqual(numbers(1));
    expect(new Set([0, 1, 2, -1, 2 ** 31].map((seed) => numbers(seed).join())).size).toBe(5);
  });

  it('integers cover their range evenly, both ends included', () => {
    const random = new SeededRandom(7);
    const counts = [0, 0, 0, 0, 0];
    for (let left = 10_000; left > 0; left--) (counts[random.int(-2, 2) + 2] as number)++;
    for (const count of counts) expect(Math.abs(count - 2_000)).toBeLessThan(200);
  });

  it('shuffles a copy, and every order comes up', () => {
    const random = new SeededRandom(3);
    const values = [1, 2, 3];
    const orders = new Set(Array.from({ length: 200 }, () => random.shuffled(values).join()));
    expect([orders.size, values]).toEqual([6, [1, 2, 3]]);
    expect(random.chance(0) || !random.chance(1)).toBe(false);
  });
});
