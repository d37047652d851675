import { type Compare, DAY_MS, type TimeBuckets, wallYearBefore, wholeDays } from '../query/index.ts';

/**
 * For each bucket the index of the one that it is compared with; undefined: it has none. By the wall clock: a day
 * with the same date of the year before (29 February has none), an hour with the same hour of the day so many days
 * before. Weeks, ranges that are not whole days, and months beside a span of other length go by their number.
 */
export function bucketPairs(now: TimeBuckets, before: TimeBuckets, compare: Compare): (number | undefined)[] {
  const shift = shiftOf(now, compare);
  if (shift === undefined) return now.starts_ms.map((_, at) => (at < before.length ? at : undefined));
  // An hour that comes twice is two buckets.
  const byWall = new Map<number, number[]>();
  for (const [at, start_ms] of before.starts_ms.entries()) {
    const wall_ms = wallOf(before, start_ms);
    byWall.set(wall_ms, [...(byWall.get(wall_ms) ?? []), at]);
  }
  return now.starts_ms.map((start_ms) => {
    const wall_ms = shift(wallOf(now, start_ms));
    return wall_ms === undefined ? undefined : byWall.get(wall_ms)?.shift();
  });
}

function wallOf({ zone }: TimeBuckets, time_ms: number): number {
  return time_ms + zone.offsetAt(time_ms);
}

function shiftOf(
  { granularity, range, zone }: TimeBuckets,
  compare: Compare,
): ((wall_ms: number) => number | undefined) | undefined {
  if (granularity === 'total' || granularity === '1w') return undefined;
  if (compare === 'previous_year')
    return (wall_ms) => {
      const day = new Date(wall_ms);
      return day.getUTCMonth() === 1 && day.getUTCDate() === 29 ? undefined : wallYearBefore(wall_ms);
    };
  const days = wholeDays(range, zone);
  if (days === undefined || !['1m', '5m', '15m', '1h', '1d'].includes(granularity)) return undefined;
  return (wall_ms) => wall_ms - days * DAY_MS;
}
