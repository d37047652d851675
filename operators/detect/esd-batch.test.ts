import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type SeasonalEsdOptions, seasonalEsd } from './esd-batch.ts';
import { Draws } from './fixture-series.ts';
import { stlPeriodic } from './stl.ts';
import { studentQuantile, studentTail } from './student.ts';

const REFERENCE = join(import.meta.dirname, '../../../shared/data/shesd');
const hasReference = existsSync(REFERENCE);

interface Case {
  readonly name: string;
  readonly series: string;
  readonly args: SeasonalEsdOptions;
  readonly index0: number | readonly number[];
  readonly expected_value?: number | readonly number[];
}

const read = (name: string): unknown => JSON.parse(readFileSync(join(REFERENCE, name), 'utf8'));
const { cases } = (hasReference ? read('cases.json') : { cases: [] }) as { cases: readonly Case[] };

describe('seasonalEsd', () => {
  it.skipIf(!hasReference)(
    'marks what the reference implementation marks (needs ../shared/data/shesd)',
    () => {
      const series = read('series.json') as Record<string, readonly number[]>;
      expect(cases.length).toBeGreaterThan(5);
      for (const { name, series: of, args, index0, expected_value } of cases) {
        const found = seasonalEsd(series[of] ?? [], args);
        expect({ name, indexes: found.map(({ index }) => index) }).toEqual({
          name,
          indexes: [index0].flat(),
        });
        if (expected_value === undefined) continue;
        expect(found.map(({ expected }) => expected)).toEqual([expected_value].flat());
      }
    },
  );

  it('marks spikes and dips that were put into a day’s course, and the side that is asked for', () => {
    const draws = new Draws(31);
    const values = Array.from({ length: 24 * 20 }, (_, hour) => {
      return 100 + 40 * Math.sin((hour / 24) * 2 * Math.PI) + 3 * draws.normal();
    });
    values[100] = 220;
    values[301] = 20;
    const indexes = (direction: 'pos' | 'neg' | 'both'): number[] =>
      seasonalEsd(values, { period: 24, max_anoms: 0.02, direction }).map(({ index }) => index);
    expect(indexes('both')).toEqual([100, 301]);
    expect(indexes('pos')).toEqual([100]);
    expect(indexes('neg')).toEqual([301]);
    expect(seasonalEsd(values, { period: 24, threshold: 'p99' }).map(({ index }) => index)).toEqual([100]);
  });

  it('refuses less than two periods', () => {
    const badPeriod = expect.objectContaining({ code: 'bad_period' });
    expect(() => seasonalEsd([1, 2, 3], { period: 2 })).toThrowError(badPeriod);
    expect(() => seasonalEsd([1, 2, 3, 4], { period: 1 })).toThrowError(badPeriod);
  });
});

describe('stlPeriodic', () => {
  it('takes a line and a season apart', () => {
    const season = [5, -3, 1, -3];
    const values = Float64Array.from(
      { length: 80 },
      (_, index) => 10 + 0.5 * index + (season[index % 4] ?? 0),
    );
    const { seasonal, trend } = stlPeriodic(values, 4);
    for (let index = 4; index < 76; index++) {
      expect(seasonal[index]).toBeCloseTo(season[index % 4] ?? 0, 1);
      expect(trend[index]).toBeCloseTo(10 + 0.5 * index, 1);
    }
  });
});

describe('Student’s t', () => {
  it('has the tabled quantiles', () => {
    // R: qt(1 - tail, df)
    const table: readonly (readonly [number, number, number])[] = [
      [0.025, 10, 2.2281388519649385],
      [0.005, 5, 4.032142983555229],
      [0.05, 1, 6.313751514675043],
      [0.025, 1_000_000, 1.9599663776],
      [1e-6, 30, 5.871117120418882],
    ];
    for (const [tail, df, t] of table) {
      expect(studentQuantile(tail, df) / t).toBeCloseTo(1, 4);
      expect(studentTail(studentQuantile(tail, df), df) / tail).toBeCloseTo(1, 9);
    }
  });
});
