import { Temporal } from 'temporal-polyfill';
import { describe, expect, it } from 'vitest';
import { fc } from '../../test/property.ts';
import { QueryError } from './query-error.ts';
import { bucketsOf, type GranularityName, granularityOf, parseRange } from './time.ts';
import { formatUtc, zoneOf } from './zone.ts';

const HOUR_MS = 3_600_000;

function buckets(start: string, end: string, granularity: GranularityName, timezone = 'UTC', weekStart = 1) {
  return bucketsOf({ range: parseRange(start, end), granularity, zone: zoneOf(timezone), weekStart });
}

function labels(...args: Parameters<typeof buckets>): string[] {
  const made = buckets(...args);
  return made.starts_ms.map((start_ms) => made.zone.format(start_ms));
}

function hours(...args: Parameters<typeof buckets>): number[] {
  const { edges_ms, length } = buckets(...args);
  return Array.from({ length }, (_, i) => ((edges_ms[i + 1] ?? 0) - (edges_ms[i] ?? 0)) / HOUR_MS);
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

describe('parseRange', () => {
  const resolved = (start: string, end: string): string[] => {
    const { start_ms, end_ms } = parseRange(start, end);
    return [formatUtc(start_ms), formatUtc(end_ms)];
  };

  it('takes an end of :59 seconds without a fraction as the next whole second', () => {
    expect(resolved('2025-01-01T00:00:00Z', '2025-01-31T23:59:59Z')[1]).toBe('2025-02-01T00:00:00Z');
    expect(resolved('2025-01-01T00:00:00Z', '2025-01-31T23:59:59+01:00')[1]).toBe('2025-01-31T23:00:00Z');
    expect(resolved('2025-01-01T00:00:00Z', '2025-01-01T10:59:00Z')[1]).toBe('2025-01-01T10:59:00Z');
    expect(resolved('2025-01-01T00:00:00Z', '2025-01-01T10:00:00-00:59')[1]).toBe('2025-01-01T10:59:00Z');
    expect(failure(() => parseRange('2025-01-01T00:00:59Z', '2025-01-02T00:00:00Z')).code).toBe(
      'range_not_aligned',
    );
  });

  it('names the nearest range for ends within a minute', () => {
    const error = failure(() => parseRange('2025-01-01T00:00:30Z', '2025-01-01T23:59:59.999Z'));
    expect(error).toMatchObject({ code: 'range_not_aligned', status: 422 });
    expect(error.message).toContain('2025-01-01T00:00:00Z to 2025-01-02T00:00:00Z');
    expect(error.errors[0]?.path).toBe('start');
  });

  it('refuses what is no range', () => {
    const bad = (start: string, end: string): string => failure(() => parseRange(start, end)).code;
    expect(bad('2025-01-01T00:00:00', '2025-01-02T00:00:00Z')).toBe('invalid_range');
    expect(bad('2025-01-01', '2025-01-02')).toBe('invalid_range');
    expect(bad('2025-02-30T00:00:00Z', '2025-03-02T00:00:00Z')).toBe('invalid_range');
    expect(bad('2025-01-02T00:00:00Z', '2025-01-01T00:00:00Z')).toBe('invalid_range');
    expect(bad('2025-01-02T00:00:00Z', '2025-01-02T00:00:00Z')).toBe('invalid_range');
    expect(bad('1969-01-01T00:00:00Z', '2025-01-02T00:00:00Z')).toBe('invalid_range');
    expect(bad('2025-01-01T00:00:00Z', '9999-01-02T00:00:00Z')).toBe('invalid_range');
    expect(failure(() => parseRange('x', 'y')).errors.map(({ path }) => path)).toEqual(['start', 'end']);
  });
});

describe('granularityOf', () => {
  it('knows words, and that case matters', () => {
    expect(
      (['minute', 'hour', 'day', 'week', 'month', 'quarter', 'year'] as const).map(granularityOf),
    ).toEqual(['1m', '1h', '1d', '1w', '1M', '1Q', '1Y']);
    expect(granularityOf('1m')).not.toBe(granularityOf('1M'));
    expect([granularityOf(undefined), granularityOf('all'), granularityOf('total')]).toEqual(
      Array(3).fill('total'),
    );
  });
});

describe('buckets', () => {
  it('labels UTC with Z', () => {
    expect(labels('2025-08-01T00:00:00Z', '2025-08-03T00:00:00Z', '1d')).toEqual([
      '2025-08-01T00:00:00Z',
      '2025-08-02T00:00:00Z',
    ]);
    expect(labels('2025-08-01T00:00:00Z', '2025-08-02T00:00:00Z', '1d', 'Etc/UTC')).toEqual([
      '2025-08-01T00:00:00Z',
    ]);
  });

  it("gives London's days of 23 and 25 hours", () => {
    const spring = ['2025-03-29T00:00:00Z', '2025-04-01T00:00:00+01:00', '1d', 'Europe/London'] as const;
    expect(labels(...spring)).toEqual([
      '2025-03-29T00:00:00+00:00',
      '2025-03-30T00:00:00+00:00',
      '2025-03-31T00:00:00+01:00',
    ]);
    expect(hours(...spring)).toEqual([24, 23, 24]);
    const autumn = ['2025-10-25T00:00:00+01:00', '2025-10-28T00:00:00Z', '1d', 'Europe/London'] as const;
    expect(hours(...autumn)).toEqual([24, 25, 24]);
  });

  it('lists both of the hours that autumn repeats, with their offsets', () => {
    const got = labels('2025-10-26T00:00:00+01:00', '2025-10-26T03:00:00Z', '1h', 'Europe/London');
    expect(got).toEqual([
      '2025-10-26T00:00:00+01:00',
      '2025-10-26T01:00:00+01:00',
      '2025-10-26T01:00:00+00:00',
      '2025-10-26T02:00:00+00:00',
    ]);
  });

  it("begins São Paulo's day without midnight at 01:00", () => {
    const range = [
      '2018-11-03T00:00:00-03:00',
      '2018-11-06T00:00:00-02:00',
      '1d',
      'America/Sao_Paulo',
    ] as const;
    expect(labels(...range)).toEqual([
      '2018-11-03T00:00:00-03:00',
      '2018-11-04T01:00:00-02:00',
      '2018-11-05T00:00:00-02:00',
    ]);
    expect(hours(...range)).toEqual([24, 23, 24]);
  });

  it('leaves out the day that Samoa skipped', () => {
    const got = labels('2011-12-29T10:00:00Z', '2012-01-01T10:00:00Z', '1d', 'Pacific/Apia');
    expect(got.map((label) => label.slice(0, 10))).toEqual(['2011-12-29', '2011-12-31', '2012-01-01']);
  });

  it('makes hours of the wall clock where the offset has half hours', () => {
    expect(labels('2025-01-01T00:30:00+05:30', '2025-01-01T02:00:00+05:30', '1h', 'Asia/Kolkata')).toEqual([
      '2025-01-01T00:00:00+05:30',
      '2025-01-01T01:00:00+05:30',
    ]);
    // Lord Howe falls back by 30 minutes at 02:00: the hour that begins at 01:00 lasts 90.
    const back = [
      '2025-04-06T00:00:00+11:00',
      '2025-04-06T03:00:00+10:30',
      '1h',
      'Australia/Lord_Howe',
    ] as const;
    expect(hours(...back)).toEqual([1, 1.5, 1]);
  });

  it('follows weeks, months, quarters and years of the zone', () => {
    expect(labels('2025-08-01T00:00:00Z', '2025-08-12T00:00:00Z', '1w')).toEqual([
      '2025-07-28T00:00:00Z',
      '2025-08-04T00:00:00Z',
      '2025-08-11T00:00:00Z',
    ]);
    expect(labels('2025-08-01T00:00:00Z', '2025-08-05T00:00:00Z', '1w', 'UTC', 7)).toEqual([
      '2025-07-27T00:00:00Z',
      '2025-08-03T00:00:00Z',
    ]);
    expect(labels('2024-11-15T00:00:00Z', '2025-02-01T00:00:00Z', '1M', 'America/New_York')).toEqual([
      '2024-11-01T00:00:00-04:00',
      '2024-12-01T00:00:00-05:00',
      '2025-01-01T00:00:00-05:00',
    ]);
    expect(labels('2024-11-15T00:00:00Z', '2025-04-02T00:00:00Z', '1Q')).toEqual([
      '2024-10-01T00:00:00Z',
      '2025-01-01T00:00:00Z',
      '2025-04-01T00:00:00Z',
    ]);
    expect(labels('2024-11-15T00:00:00Z', '2025-04-02T00:00:00Z', '1Y')).toEqual([
      '2024-01-01T00:00:00Z',
      '2025-01-01T00:00:00Z',
    ]);
  });

  it('says which bucket the range cuts, and cuts what it contains', () => {
    const cut = buckets('2025-08-01T10:00:00Z', '2025-08-03T05:00:00Z', '1d');
    expect([cut.firstPartial, cut.lastPartial]).toEqual([true, true]);
    expect(cut.edges_ms.map(formatUtc)).toEqual([
      '2025-08-01T10:00:00Z',
      '2025-08-02T00:00:00Z',
      '2025-08-03T00:00:00Z',
      '2025-08-03T05:00:00Z',
    ]);
    const whole = buckets('2025-08-01T00:00:00Z', '2025-08-03T00:00:00Z', '1d');
    expect([whole.firstPartial, whole.lastPartial]).toEqual([false, false]);
  });

  it('refuses more buckets than an answer may have', () => {
    expect(failure(() => buckets('2020-01-01T00:00:00Z', '2025-01-01T00:00:00Z', '1m')).code).toBe(
      'too_many_points',
    );
  });

  it('agrees with Temporal on days in every kind of zone', () => {
    const zones = ['Europe/London', 'America/St_Johns', 'Africa/Casablanca', 'Asia/Tehran', 'Pacific/Apia'];
    fc.assert(
      fc.property(fc.constantFrom(...zones), fc.integer({ min: 10_957, max: 22_000 }), (name, day) => {
        const date = Temporal.PlainDate.from('1970-01-01').add({ days: day });
        const expected = date.toZonedDateTime(name);
        const zone = zoneOf(name);
        expect(zone.startOfDay(day)).toBe(expected.epochMilliseconds);
        expect(zone.offsetAt(expected.epochMilliseconds)).toBe(expected.offsetNanoseconds / 1e6);
      }),
      { numRuns: 300 },
    );
  });

  it('tiles any range without gap or overlap', () => {
    const names: GranularityName[] = ['15m', '1h', '1d', '1w', '1M'];
    const minutes = fc.integer({ min: 0, max: 60 * 24 * 60 });
    fc.assert(
      fc.property(
        fc.constantFrom(...names),
        fc.constantFrom('UTC', 'Europe/London', 'Australia/Lord_Howe', 'America/Sao_Paulo', 'Asia/Kathmandu'),
        minutes,
        fc.integer({ min: 1, max: 20 * 24 * 60 }),
        (granularity, timezone, from, length) => {
          const start_ms = Date.UTC(2018, 9, 1) + from * 60_000;
          const range = { start_ms, end_ms: start_ms + length * 60_000 };
          const made = bucketsOf({ range, granularity, zone: zoneOf(timezone) });
          expect(made.edges_ms).toHaveLength(made.length + 1);
          expect([made.edges_ms[0], made.edges_ms.at(-1)]).toEqual([range.start_ms, range.end_ms]);
          for (let index = 0; index < made.length; index++) {
            expect(made.edges_ms[index]).toBeLessThan(made.edges_ms[index + 1] as number);
            if (index > 0) expect(made.starts_ms[index]).toBe(made.edges_ms[index]);
          }
          expect(made.starts_ms[0]).toBeLessThanOrEqual(start_ms);
        },
      ),
      { numRuns: 150 },
    );
  });
});

describe('zoneOf', () => {
  it('takes IANA names in any case, and nothing else', () => {
    expect(zoneOf('europe/london').id).toBe('Europe/London');
    for (const bad of ['Nope/City', '+05:30', '', 'x'.repeat(100)]) {
      const error = failure(() => zoneOf(bad));
      expect(error.code).toBe('unknown_timezone');
      expect(error.errors[0]?.path).toBe('timezone');
    }
  });
});
