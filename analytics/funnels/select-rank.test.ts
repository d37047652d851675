import { describe, expect, it } from 'vitest';
import { SeededRandom } from '../../engine/index.ts';
import { selectRanks } from './select-rank.ts';

describe('the values of some ranks', () => {
  it.each([
    ['few', 7, 1_000],
    ['many', 30_000, 90_000_000],
    ['many that are equal', 30_000, 3],
    ['all equal', 5_000, 0],
    ['very large ones', 5_000, 2 ** 45],
  ])('are those of a sorted list: %s', (_name, count, max) => {
    const random = new SeededRandom(3);
    const values = Float64Array.from({ length: count }, () =>
      Math.floor((random.int(0, 9_999) / 10_000) ** 4 * max),
    );
    const sorted = values.toSorted();
    const ranks = [1, 2, Math.ceil(count / 2), Math.ceil(0.9 * count), Math.ceil(0.9 * count), count];
    expect(selectRanks(values, ranks)).toEqual(ranks.map((rank) => sorted[rank - 1]));
  });
});
