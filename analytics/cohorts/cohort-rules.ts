import {
  bucketAt,
  bucketsOf,
  DAY_MS,
  type GranularityName,
  MAX_RANGE_MS,
  QueryError,
  type TimeBuckets,
  type TimeRange,
  type Zone,
} from '../query/index.ts';
import type { QuerySettings } from '../query-head/index.ts';
import type { COHORT_BUCKETS, RETENTION_PERIODS, RetentionQuery } from './cohort-schema.ts';

/** A query with what follows from it. */
export interface CohortRules {
  readonly startEvent: { readonly event: string; readonly filters: RetentionQuery['return']['filters'] };
  readonly isFirstTime: boolean;
  readonly bucket: (typeof COHORT_BUCKETS)[number];
  readonly period: (typeof RETENTION_PERIODS)[number];
  readonly group_by: readonly string[];
  /** Of the start events. */
  readonly range: TimeRange;
  readonly cohorts: TimeBuckets;
  /** Periods of the calendar, from the one with the range's start on; empty for rolling ones. */
  readonly calendar: TimeBuckets | undefined;
  /** ms of a rolling period. */
  readonly rolling_ms: number;
  readonly periods: number;
  /** Returns from here on are in no period. */
  readonly horizon_ms: number;
}

const GRANULARITY: Readonly<Record<string, GranularityName>> = {
  day: '1d',
  week: '1w',
  month: '1M',
  quarter: '1Q',
};
const ROLLING_MS = { day: DAY_MS, week: 7 * DAY_MS, month: 30 * DAY_MS } as const;
/** The longest that a period of the calendar is. */
const LONGEST_MS = { day: DAY_MS + 7_200_000, week: 7 * DAY_MS + 7_200_000, month: 31 * DAY_MS } as const;
/** Cohorts × periods of one answer, before they are told apart by values. */
const MAX_CELLS = 20_000;

/** Throws QueryError `too_many_points`. */
export function cohortRules(
  query: Pick<RetentionQuery, 'periods' | 'alignment' | 'period'> & {
    readonly criteria: Partial<RetentionQuery['criteria']>;
  },
  range: TimeRange,
  zone: Zone,
  { weekStart, fiscalMonth }: QuerySettings,
): CohortRules {
  const { criteria, periods, alignment } = query;
  const isCampaign = criteria.type === 'campaign';
  const bucket = criteria.bucket ?? (isCampaign ? 'none' : 'month');
  const period = query.period ?? (bucket === 'none' || bucket === 'quarter' ? 'month' : bucket);
  const first = { weekStart, fiscalMonth };
  const cohorts = bucketsOf({ range, zone, ...first, granularity: GRANULARITY[bucket] ?? 'total' });
  if (cohorts.length * periods > MAX_CELLS) throw tooMany(cohorts.length, periods);
  const isRolling = alignment === 'rolling';
  const reach_ms = isRolling ? ROLLING_MS[period] * periods : LONGEST_MS[period] * (periods + 1);
  const horizon_ms = Math.min(MAX_RANGE_MS, range.end_ms + reach_ms);
  const until = { start_ms: range.start_ms, end_ms: horizon_ms };
  return {
    startEvent: {
      event: criteria.start?.event ?? 'order.created',
      filters: criteria.start?.filters,
    },
    isFirstTime: criteria.mode === 'first_time',
    ...{ bucket, period, range, cohorts, periods, horizon_ms },
    group_by: criteria.group_by ?? (isCampaign ? ['campaign'] : []),
    calendar: isRolling
      ? undefined
      : bucketsOf({ range: until, zone, ...first, granularity: GRANULARITY[period] as GranularityName }),
    rolling_ms: ROLLING_MS[period],
  };
}

/** In which period after a start event a return lies; undefined: in none that is asked for. */
export function periodOf(
  { calendar, rolling_ms, periods }: CohortRules,
  start_ms: number,
  return_ms: number,
): number | undefined {
  if (return_ms < start_ms) return undefined;
  let period = Math.floor((return_ms - start_ms) / rolling_ms);
  if (calendar !== undefined) {
    const at = bucketAt(calendar, return_ms);
    if (at < 0) return undefined;
    period = at - bucketAt(calendar, start_ms);
  }
  return period < periods ? period : undefined;
}

/**
 * Whether a period of a cohort is over for every member at the watermark, and whether it has begun for any. A member
 * may start at any time of the cohort's bucket.
 */
export function periodState(
  rules: CohortRules,
  cohort: number,
  period: number,
  watermark_ms: number | null,
): 'complete' | 'incomplete' | 'ahead' {
  if (watermark_ms === null) return 'ahead';
  const { cohorts, calendar, rolling_ms } = rules;
  const first_ms = cohorts.edges_ms[cohort] as number;
  const last_ms = (cohorts.edges_ms[cohort + 1] as number) - 1;
  let [begins_ms, ends_ms] = [first_ms + period * rolling_ms, last_ms + (period + 1) * rolling_ms];
  if (calendar !== undefined) {
    const edge = (at: number): number => calendar.starts_ms[at] ?? Number.POSITIVE_INFINITY;
    begins_ms = edge(bucketAt(calendar, first_ms) + period);
    ends_ms = edge(bucketAt(calendar, last_ms) + period + 1);
  }
  if (begins_ms >= watermark_ms) return 'ahead';
  return ends_ms <= watermark_ms ? 'complete' : 'incomplete';
}

function tooMany(cohorts: number, periods: number): QueryError {
  const message =
    `The answer would have ${cohorts} cohorts × ${periods} periods; at most ${MAX_CELLS} are given at once. ` +
    'Ask for a coarser bucket, a shorter range or fewer periods.';
  return new QueryError('too_many_points', message, [{ path: 'periods', message }]);
}
