import { describe, expect, it } from 'vitest';
import { cubeOf, DEFAULT_CUBES, GRANULARITIES } from '../model/index.ts';
import { type PlanRequest, planQuery, type QueryPlan } from './plan.ts';
import { QueryError } from './query-error.ts';
import { bucketsOf, type GranularityName, parseRange } from './time.ts';
import { formatUtc, zoneOf } from './zone.ts';

type Options = Partial<Omit<PlanRequest, 'buckets'>> & { readonly subtract?: boolean };

function plan(
  start: string,
  end: string,
  granularity: GranularityName | 'total',
  timezone = 'UTC',
  { subtract = false, ...rest }: Options = {},
): QueryPlan {
  const buckets = bucketsOf({ range: parseRange(start, end), granularity, zone: zoneOf(timezone) });
  return planQuery({
    dimensions: [],
    cubes: DEFAULT_CUBES,
    watermark_ms: null,
    canSubtract: () => subtract,
    ...rest,
    buckets,
  });
}

function read({ segments }: QueryPlan): string[] {
  return segments.map(
    ({ granularity, start_ms, end_ms }) =>
      `${GRANULARITIES[granularity]?.name} ${formatUtc(start_ms).slice(5, 16)} ${formatUtc(end_ms).slice(5, 16)}`,
  );
}

function cube(dimensions: readonly string[], cubes = DEFAULT_CUBES): string {
  const day = ['2025-08-01T00:00:00Z', '2025-08-02T00:00:00Z', '1d', 'UTC'] as const;
  return plan(...day, { dimensions, cubes }).cube.name;
}

function failure(work: () => unknown): QueryError {
  try {
    work();
  } catch (error) {
    if (error instanceof QueryError) return error;
    throw error;
  }
  throw new Error('no error was thrown');
}

describe('the cube', () => {
  it('is the smallest that covers the dimensions', () => {
    expect(cube([])).toBe('total');
    expect(cube(['currency'])).toBe('total');
    expect(cube(['country', 'country'])).toBe('country');
    expect(cube(['country', 'channel'])).toBe('channel+country');
    expect(cube(['sku', 'country', 'currency'])).toBe('country+sku');
  });

  it('is the first declared of equals', () => {
    const cubes = [cubeOf(['country', 'campaign']), cubeOf(['channel', 'country'])];
    expect(cube(['country'], cubes)).toBe('country+campaign');
  });

  it('counts the same rows: by line only where the lines are asked for', () => {
    const cubes = [cubeOf(['sku', 'country']), cubeOf(['sku', 'category'])];
    expect(failure(() => cube(['country'], cubes)).code).toBe('no_cube');
    expect(failure(() => cube(['category'], cubes)).code).toBe('no_cube');
    expect(cube(['sku'], cubes)).toBe('country+sku');
  });

  it('missing is a 422 that names what is kept and the setting that adds one', () => {
    const error = failure(() => cube(['warehouse', 'campaign']));
    expect(error).toMatchObject({ code: 'no_cube', status: 422 });
    expect(error.message).toContain('warehouse+campaign');
    expect(error.message).toContain('total, channel, country');
    expect(error.message).toContain('CUBES');
  });
});

describe('the cells', () => {
  it('are days for whole UTC days, weeks and months, in one scan', () => {
    for (const granularity of ['1d', '1w', '1M', 'total'] as const) {
      const got = plan('2025-08-01T00:00:00Z', '2025-09-01T00:00:00Z', granularity);
      expect(read(got)).toEqual(['1d 08-01T00:00 09-01T00:00']);
      expect(got.source).toBe('rollup:total@1d');
    }
  });

  it('are quarters of an hour for hours, and minutes for less', () => {
    const day = ['2025-08-01T00:00:00Z', '2025-08-02T00:00:00Z'] as const;
    expect(plan(...day, '1h').source).toBe('rollup:total@15m');
    expect(plan(...day, '15m').source).toBe('rollup:total@15m');
    expect(plan(...day, '5m').source).toBe('rollup:total@1m');
    expect(plan(...day, '1m').source).toBe('rollup:total@1m');
  });

  it('narrow towards the ends of a range', () => {
    expect(read(plan('2025-08-01T09:50:00Z', '2025-08-04T12:20:00Z', 'total'))).toEqual([
      '1m 08-01T09:50 08-01T10:00',
      '15m 08-01T10:00 08-02T00:00',
      '1d 08-02T00:00 08-04T00:00',
      '15m 08-04T00:00 08-04T12:15',
      '1m 08-04T12:15 08-04T12:20',
    ]);
  });

  it("are days inside and quarters at the edges of another zone's months", () => {
    const got = plan('2025-07-01T00:00:00+01:00', '2025-09-01T00:00:00+01:00', '1M', 'Europe/London');
    expect(read(got)).toEqual([
      '15m 06-30T23:00 07-01T00:00',
      '1d 07-01T00:00 07-31T00:00',
      '15m 07-31T00:00 08-01T00:00',
      '1d 08-01T00:00 08-31T00:00',
      '15m 08-31T00:00 08-31T23:00',
    ]);
    expect(got.source).toBe('rollup:total@1d+15m');
  });

  it('are not read before the first possible event', () => {
    expect(read(plan('1980-01-01T00:00:00Z', '2000-01-02T00:00:00Z', '1Y'))).toEqual([
      '1d 01-01T00:00 01-02T00:00',
    ]);
    expect(plan('1980-01-01T00:00:00Z', '1981-01-01T00:00:00Z', '1Y').source).toBe('rollup:total');
  });

  it('are days less what sticks out where sums may be taken away', () => {
    const days = ['2025-08-01T00:00:00+01:00', '2025-08-03T00:00:00+01:00', '1d', 'Europe/London'] as const;
    expect(read(plan(...days))).toEqual(['15m 07-31T23:00 08-02T23:00']);
    const got = plan(...days, { subtract: true });
    expect(read(got)).toEqual([
      '1d 08-01T00:00 08-03T00:00',
      '15m 07-31T23:00 08-01T00:00',
      '15m 08-01T23:00 08-02T00:00',
      '15m 08-02T23:00 08-03T00:00',
    ]);
    const parts = got.segments.map((segment) =>
      segment.parts.map(({ addTo, takeFrom }) => [addTo, takeFrom]),
    );
    expect(parts).toEqual([
      [
        [0, undefined],
        [1, undefined],
      ],
      [[0, undefined]],
      [[1, 0]],
      [[undefined, 1]],
    ]);
  });
});

describe('retention', () => {
  const watermark_ms = Date.parse('2025-08-10T00:00:00Z');

  it('refuses cells that are gone, and says what is kept', () => {
    const minutes = (start: string, end: string) => plan(start, end, '1m', 'UTC', { watermark_ms });
    expect(minutes('2025-08-08T00:00:00Z', '2025-08-08T01:00:00Z').source).toBe('rollup:total@1m');
    const error = failure(() => minutes('2025-08-07T23:59:00Z', '2025-08-08T01:00:00Z'));
    expect(error).toMatchObject({ code: 'granularity_not_retained', status: 422 });
    expect(error.message).toContain('1m from 2025-08-08T00:00:00Z');
    expect(error.message).toContain('1d for ever');
  });

  it('answers whole days, hours and local days of any age; minutes of two days', () => {
    const old = ['2010-12-01T00:00:00Z', '2011-01-01T00:00:00Z'] as const;
    expect(plan(...old, '1d', 'UTC', { watermark_ms }).source).toBe('rollup:total@1d');
    expect(plan(...old, '1h', 'UTC', { watermark_ms }).source).toBe('rollup:total@15m');
    expect(plan(...old, '15m', 'UTC', { watermark_ms }).source).toBe('rollup:total@15m');
    expect(failure(() => plan(...old, '5m', 'UTC', { watermark_ms })).code).toBe('granularity_not_retained');
  });

  it('takes nothing away that is gone where adding alone answers', () => {
    // The quarter of an hour would be whole less its first minute, which is past its two days.
    const start = '2025-08-08T00:01:00Z';
    const at = Date.parse(start) + 2 * 86_400_000;
    const got = plan(start, '2025-08-08T00:15:00Z', 'total', 'UTC', { watermark_ms: at, subtract: true });
    expect(read(got)[0]).toBe('1m 08-08T00:01 08-08T00:15');
  });
});
