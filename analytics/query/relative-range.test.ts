import { describe, expect, it } from 'vitest';
import { relativeRange, relativeRangeSchema } from './relative-range.ts';
import { zoneOf } from './zone.ts';

const NOW_MS = Date.UTC(2025, 2, 31, 10, 20, 30);

function resolved(text: string, zone = 'UTC', now_ms = NOW_MS, rest = {}): string[] {
  const made = zoneOf(zone);
  const { start_ms, end_ms } = relativeRange(text, { now_ms, zone: made, ...rest });
  return [made.format(start_ms), made.format(end_ms)];
}

describe('a relative range', () => {
  it('ends with the minute of now where its period still runs', () => {
    expect(resolved('today')).toEqual(['2025-03-31T00:00:00Z', '2025-03-31T10:21:00Z']);
    expect(resolved('this_week')).toEqual(['2025-03-31T00:00:00Z', '2025-03-31T10:21:00Z']);
    expect(resolved('this_week', 'UTC', NOW_MS, { weekStart: 7 })[0]).toBe('2025-03-30T00:00:00Z');
    expect(resolved('this_year', 'UTC', NOW_MS, { fiscalMonth: 4 })[0]).toBe('2024-04-01T00:00:00Z');
    expect(resolved('last_24h')).toEqual(['2025-03-30T11:00:00Z', '2025-03-31T10:21:00Z']);
    expect(resolved('last_1d')).toEqual(resolved('today'));
    expect(resolved('last_3m')).toEqual(['2025-01-01T00:00:00Z', '2025-03-31T10:21:00Z']);
  });

  it('is whole where its period is over', () => {
    expect(resolved('yesterday')).toEqual(['2025-03-30T00:00:00Z', '2025-03-31T00:00:00Z']);
    expect(resolved('previous_month')).toEqual(['2025-02-01T00:00:00Z', '2025-03-01T00:00:00Z']);
    expect(resolved('previous_quarter')).toEqual(['2024-10-01T00:00:00Z', '2025-01-01T00:00:00Z']);
  });

  it('goes by the calendar of the zone, across a change of its clock', () => {
    expect(resolved('yesterday', 'Europe/Berlin')).toEqual([
      '2025-03-30T00:00:00+01:00',
      '2025-03-31T00:00:00+02:00',
    ]);
    expect(resolved('last_7d', 'America/New_York')[0]).toBe('2025-03-25T00:00:00-04:00');
  });

  it('takes nothing else', () => {
    for (const text of ['last_0d', 'last_5', 'tomorrow', 'last_2000d', 'LAST_5d', '']) {
      expect(relativeRangeSchema.safeParse(text).success, text).toBe(false);
    }
    expect(relativeRangeSchema.safeParse('last_1000d').success).toBe(true);
    expect(resolved('last_1000d')[0]).toBe('2022-07-06T00:00:00Z');
  });
});
