import { parseEventTime } from '../events/index.ts';
import { QueryError } from './query-error.ts';
import { DAY_MS, formatUtc, type Zone } from './zone.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

/** Ranges lie within these, ms: no event time is before 2000 or a day ahead of the clock. */
export const MIN_RANGE_MS = Date.UTC(1970, 0, 1);
export const MAX_RANGE_MS = Date.UTC(2100, 0, 1);

/** Buckets × groups of one answer. */
export const MAX_POINTS = 100_000;

export const GRANULARITY_NAMES = ['1m', '5m', '15m', '1h', '1d', '1w', '1M', '1Q', '1Y'] as const;
export type GranularityName = (typeof GRANULARITY_NAMES)[number];

const WORDS = {
  minute: '1m',
  hour: '1h',
  day: '1d',
  week: '1w',
  month: '1M',
  quarter: '1Q',
  year: '1Y',
  total: 'total',
  all: 'total',
} as const;

/** What `granularity` accepts; case matters: `1m` is a minute and `1M` a month. */
export const GRANULARITY_INPUTS = [
  ...GRANULARITY_NAMES,
  ...(Object.keys(WORDS) as readonly (keyof typeof WORDS)[]),
] as const;
export type GranularityInput = (typeof GRANULARITY_INPUTS)[number];

/** `1m`…`1Y` of a name or a word; `total` for one bucket over the whole range, the default. */
export function granularityOf(input: GranularityInput | undefined): GranularityName | 'total' {
  if (input === undefined) return 'total';
  return input in WORDS ? WORDS[input as keyof typeof WORDS] : (input as GranularityName);
}

/** Half-open, ms since the epoch. */
export interface TimeRange {
  readonly start_ms: number;
  readonly end_ms: number;
}

/**
 * A range from RFC 3339 texts with offsets. An `end` with seconds :59 and no fraction means the next
 * whole second, so that `T23:59:59Z` ends the day and not a second before.
 * Throws QueryError `invalid_range`, or `range_not_aligned` for ends that are not on whole minutes,
 * the smallest unit that is kept.
 */
export function parseRange(start: string, end: string): TimeRange {
  const errors = [
    ...(Number.isNaN(parseTime(start)) ? [badTime('start', start)] : []),
    ...(Number.isNaN(parseTime(end)) ? [badTime('end', end)] : []),
  ];
  const [first] = errors;
  if (first !== undefined) throw new QueryError('invalid_range', first.message, errors);
  const start_ms = parseTime(start);
  const end_ms = parseTime(end) + (/:59[Zz+-]/.test(end) ? 1_000 : 0);
  if (start_ms >= end_ms) {
    throw rangeError('invalid_range', 'end', '`end` must be after `start`: the range is [start, end).');
  }
  if (start_ms < MIN_RANGE_MS || end_ms > MAX_RANGE_MS) {
    const path = start_ms < MIN_RANGE_MS ? 'start' : 'end';
    throw rangeError('invalid_range', path, 'The range must lie between 1970 and 2100.');
  }
  if (start_ms % MINUTE_MS !== 0 || end_ms % MINUTE_MS !== 0) {
    const from = formatUtc(Math.floor(start_ms / MINUTE_MS) * MINUTE_MS);
    const to = formatUtc(Math.ceil(end_ms / MINUTE_MS) * MINUTE_MS);
    const path = start_ms % MINUTE_MS === 0 ? 'end' : 'start';
    throw rangeError(
      'range_not_aligned',
      path,
      `Aggregates are kept by whole minutes. The nearest range is ${from} to ${to}.`,
    );
  }
  return { start_ms, end_ms };
}

function parseTime(text: string): number {
  const bytes = Buffer.from(text);
  return parseEventTime(bytes, 0, bytes.length);
}

function badTime(path: string, text: string): { path: string; message: string } {
  return {
    path,
    message: `\`${path}\` must be an RFC 3339 date-time with an offset, e.g. 2025-08-01T00:00:00Z; it is ${JSON.stringify(text)}.`,
  };
}

function rangeError(code: string, path: string, message: string): QueryError {
  return new QueryError(code, message, [{ path, message }]);
}

/** The buckets of a range, in time order. */
export interface TimeBuckets {
  readonly range: TimeRange;
  readonly granularity: GranularityName | 'total';
  readonly zone: Zone;
  readonly length: number;
  /** Each bucket's start by the calendar; the first may lie before the range. */
  readonly starts_ms: readonly number[];
  /** Length + 1: what bucket i contains is [edges[i], edges[i+1]), cut by the range. */
  readonly edges_ms: readonly number[];
  /** The range cuts off a part of it. */
  readonly firstPartial: boolean;
  readonly lastPartial: boolean;
}

export interface BucketOptions {
  readonly range: TimeRange;
  readonly granularity: GranularityName | 'total';
  readonly zone: Zone;
  /** First day of a week: 1 (Monday, the default) to 7 (Sunday). */
  readonly weekStart?: number | undefined;
  /** Month with which quarters and years begin: 1 (January, the default) to 12. */
  readonly fiscalMonth?: number | undefined;
}

/** Throws QueryError `too_many_points` beyond MAX_POINTS buckets. */
export function bucketsOf(options: BucketOptions): TimeBuckets {
  const { range, granularity, zone } = options;
  if (granularity === 'total') {
    const edges_ms = [range.start_ms, range.end_ms];
    const starts_ms = [range.start_ms];
    return {
      range,
      granularity,
      zone,
      length: 1,
      starts_ms,
      edges_ms,
      firstPartial: false,
      lastPartial: false,
    };
  }
  const expected = Math.floor((range.end_ms - range.start_ms) / WIDTH_MS[granularity]);
  if (expected > MAX_POINTS) throw tooManyPoints(expected, 1);
  const bounds = STEPS.has(granularity) ? stepBounds(options) : dayBounds(options);
  const starts_ms = bounds.slice(0, -1);
  const firstPartial = (starts_ms[0] as number) < range.start_ms;
  const lastPartial = (bounds.at(-1) as number) > range.end_ms;
  const edges_ms = [range.start_ms, ...bounds.slice(1, -1), range.end_ms];
  return {
    range,
    granularity,
    zone,
    length: starts_ms.length,
    starts_ms,
    edges_ms,
    firstPartial,
    lastPartial,
  };
}

/** In which of the buckets a time lies; -1: in none. */
export function bucketAt(
  { edges_ms, length }: Pick<TimeBuckets, 'edges_ms' | 'length'>,
  time_ms: number,
): number {
  let [low, high] = [0, length + 1];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((edges_ms[middle] as number) <= time_ms) low = middle + 1;
    else high = middle;
  }
  return low - 1 >= length ? -1 : low - 1;
}

export function tooManyPoints(buckets: number, groups: number): QueryError {
  return new QueryError(
    'too_many_points',
    `The answer would have ${buckets} buckets × ${groups} groups; at most ${MAX_POINTS} points are ` +
      `given at once. Ask for a coarser granularity, a shorter range, a filter, or a lower \`limit\` of ` +
      'groups.',
  );
}

/** Typical widths, for the limit above. */
const WIDTH_MS: Record<GranularityName, number> = {
  '1m': MINUTE_MS,
  '5m': 5 * MINUTE_MS,
  '15m': 15 * MINUTE_MS,
  '1h': HOUR_MS,
  '1d': DAY_MS,
  '1w': 7 * DAY_MS,
  '1M': 30 * DAY_MS,
  '1Q': 91 * DAY_MS,
  '1Y': 365 * DAY_MS,
};
const STEPS: ReadonlySet<GranularityName> = new Set<GranularityName>(['1m', '5m', '15m', '1h']);

/**
 * Bounds at whole steps of the wall clock. Across a change of offset by less than a step (Lord Howe
 * moves by 30 minutes) the bucket that contains it is shorter or longer; nothing is counted twice.
 */
function stepBounds({ range, granularity, zone }: BucketOptions): number[] {
  const step_ms = WIDTH_MS[granularity as GranularityName];
  const bounds: number[] = [];
  // The longest step on both sides holds the bounds that enclose the range, and a change of offset.
  const from_ms = Math.max(range.start_ms - 2 * HOUR_MS, MIN_RANGE_MS - DAY_MS);
  const to_ms = range.end_ms + 2 * HOUR_MS;
  for (const { start_ms, end_ms, offset_ms } of zone.regimes(from_ms, to_ms)) {
    const low = Math.max(start_ms, from_ms);
    const high = Math.min(end_ms, to_ms);
    let at = Math.ceil((low + offset_ms) / step_ms) * step_ms - offset_ms;
    for (; at < high && (bounds.at(-1) ?? 0) < range.end_ms; at += step_ms) {
      if (at <= range.start_ms) bounds.length = 0;
      bounds.push(at);
    }
  }
  return bounds;
}

/** Bounds at the starts of local days, weeks, months, quarters or years. */
function dayBounds({ range, granularity, zone, weekStart = 1, fiscalMonth = 1 }: BucketOptions): number[] {
  const period = PERIODS[granularity as '1d'];
  const first: First = { weekStart, fiscalMonth };
  let day = period.floor(zone.localDay(range.start_ms), first);
  let at = zone.startOfDay(day);
  const bounds: number[] = [];
  for (;;) {
    // A day that a zone skipped (Samoa, 2011-12-30) has no length and is no bucket.
    if (bounds.at(-1) !== at) bounds.push(at);
    if (at <= range.start_ms) bounds.splice(0, bounds.length - 1);
    if (at >= range.end_ms) return bounds;
    day = period.next(day, first);
    at = zone.startOfDay(day);
  }
}

/** With what periods begin. */
interface First {
  readonly weekStart: number;
  readonly fiscalMonth: number;
}

interface Period {
  /** The first day of the period that contains a day; days are counted from 1970-01-01. */
  floor(day: number, first: First): number;
  next(day: number, first: First): number;
}

/** Periods of whole months; `months` divides 12. They begin with the fiscal month, and every `months` from it. */
function monthly(months: number): Period {
  const shifted = (day: number, { fiscalMonth }: First, by: number): number => {
    const date = new Date(day * DAY_MS);
    const since = date.getUTCMonth() - (fiscalMonth - 1);
    const month = fiscalMonth - 1 + Math.floor(since / months) * months + by;
    return Date.UTC(date.getUTCFullYear(), month, 1) / DAY_MS;
  };
  return {
    floor: (day, first) => shifted(day, first, 0),
    next: (day, first) => shifted(day, first, months),
  };
}

const PERIODS: Record<'1d' | '1w' | '1M' | '1Q' | '1Y', Period> = {
  '1d': { floor: (day) => day, next: (day) => day + 1 },
  '1w': {
    // Day 0 was a Thursday, the fourth day of the ISO week.
    floor: (day, { weekStart }) => day - ((((day + 4 - weekStart) % 7) + 7) % 7),
    next: (day) => day + 7,
  },
  '1M': monthly(1),
  '1Q': monthly(3),
  '1Y': monthly(12),
};
