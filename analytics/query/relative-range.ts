import { z } from 'zod';
import { bucketsOf, type GranularityName, type TimeRange } from './time.ts';
import { DAY_MS, type Zone } from './zone.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;

const UNITS = { h: '1h', d: '1d', w: '1w', m: '1M', q: '1Q', y: '1Y' } as const;
const PERIODS = { week: '1w', month: '1M', quarter: '1Q', year: '1Y' } as const;
/** The most that `last_<n><unit>` asks for. */
const MAX_PERIODS = 1_000;

const PATTERN =
  /^(today|yesterday|(this|previous)_(week|month|quarter|year)|last_([1-9]\d{0,2}|1000)(h|d|w|m|q|y))$/;

/** A range that is said against the time when it is asked for, by the calendar of a zone. */
export const relativeRangeSchema = z
  .string()
  .max(32)
  .regex(PATTERN, 'must be today, yesterday, this_month, previous_week, last_30d, last_24h or the like')
  .describe(
    'Instead of `start` and `end`: `today`, `yesterday`, `this_` and `previous_` `week|month|quarter|year`, or ' +
      '`last_<n>` with `h`, `d`, `w`, `m`, `q` or `y`: that many periods of the calendar, the one that runs now as the last',
  );

export interface RelativeOptions {
  readonly now_ms: number;
  readonly zone: Zone;
  readonly weekStart?: number | undefined;
  readonly fiscalMonth?: number | undefined;
}

/**
 * The range that a text of `relativeRangeSchema` means now: half-open, on whole minutes. What runs now ends with the
 * minute of now, as `today` of a summary does.
 */
export function relativeRange(text: string, options: RelativeOptions): TimeRange {
  const { now_ms } = options;
  const end_ms = (Math.floor(now_ms / MINUTE_MS) + 1) * MINUTE_MS;
  const match = PATTERN.exec(text);
  if (match === null) throw new RangeError(`"${text}" is no relative range`);
  const [, word = '', side, period, count = '1', unit = 'd'] = match;
  if (word === 'today') return { start_ms: startBefore('1d', 0, options), end_ms };
  if (word === 'yesterday') {
    return { start_ms: startBefore('1d', 1, options), end_ms: startBefore('1d', 0, options) };
  }
  if (side !== undefined) {
    const granularity = PERIODS[period as keyof typeof PERIODS];
    const start_ms = startBefore(granularity, 0, options);
    if (side === 'this') return { start_ms, end_ms };
    return { start_ms: startBefore(granularity, 1, options), end_ms: start_ms };
  }
  const periods = Math.min(Number(count), MAX_PERIODS);
  return { start_ms: startBefore(UNITS[unit as keyof typeof UNITS], periods - 1, options), end_ms };
}

const LONGEST_MS: Partial<Record<GranularityName, number>> = {
  '1h': HOUR_MS,
  '1d': DAY_MS,
  '1w': 7 * DAY_MS,
  '1M': 31 * DAY_MS,
  '1Q': 92 * DAY_MS,
  '1Y': 366 * DAY_MS,
};

/** The start of the period that lies `before` periods before the one of now. */
function startBefore(granularity: GranularityName, before: number, options: RelativeOptions): number {
  const { now_ms, zone, weekStart, fiscalMonth } = options;
  const longest_ms = LONGEST_MS[granularity] ?? DAY_MS;
  const start_ms = Math.max(0, now_ms - (before + 2) * longest_ms);
  const range = { start_ms, end_ms: now_ms + 1 };
  const { starts_ms } = bucketsOf({ range, granularity, zone, weekStart, fiscalMonth });
  return starts_ms[Math.max(0, starts_ms.length - 1 - before)] as number;
}
