import { describe, expect, it } from 'vitest';
import { levelFor, levelsOf, placeOf } from './chart-levels.ts';

const POINTS = 100_000;
const times = Array.from({ length: POINTS }, (_, at) => at * 60);
const values = times.map((_, at) => (at === 77_777 ? 5_000 : at === 12_345 ? -7 : at % 100));
const gaps = times.map((_, at) => (at < POINTS / 2 ? null : at % 10));
const columns = [times, values, gaps] as unknown as Parameters<typeof levelsOf>[0];

describe('levels of a chart with many points', () => {
  const levels = levelsOf(columns);

  it('keep both ends, every peak and every gap', () => {
    expect(levels[0]).toBe(columns);
    expect(levels.length).toBeGreaterThan(3);
    for (const [own = [], line = [], other = []] of levels as unknown as (readonly (number | null)[])[][]) {
      expect([own.length, own.length]).toEqual([line.length, other.length]);
      expect([own[0], own.at(-1)]).toEqual([0, (POINTS - 1) * 60]);
      expect(own.every((time, at) => at === 0 || Number(time) >= Number(own[at - 1]))).toBe(true);
      expect([Math.max(...line.map(Number)), Math.min(...line.map(Number))]).toEqual([5_000, -7]);
      expect(other[0]).toBeNull();
      expect(other.at(-1)).not.toBeNull();
    }
  });

  it('are as fine as there is room for', () => {
    expect(levelFor(levels, 0.001, 1_000)).toBe(columns);
    for (const share of [1, 0.5, 0.1, 0.02]) {
      const level = levelFor(levels, share, 1_000);
      expect((level?.[0].length ?? 0) * share).toBeLessThanOrEqual(1_500);
    }
  });

  it('find a time among all', () => {
    expect([placeOf(times, 0), placeOf(times, 60 * 777), placeOf(times, 60 * POINTS)]).toEqual([
      ...[0, 777, POINTS - 1],
    ]);
  });
});
