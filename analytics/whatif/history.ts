/** What one item sold, day by day; oldest first. Plain data. */
export interface ItemHistory {
  readonly sku: string;
  /** '' where it has none. */
  readonly category: string;
  readonly units: readonly number[];
  /** Minor units. */
  readonly revenue: readonly number[];
}

/** What was spent on a value of a dimension, and what it sold. Plain data. */
export interface MediumHistory {
  readonly dimension: string;
  readonly value: string;
  readonly spend: readonly number[];
  readonly revenue: readonly number[];
  readonly units: readonly number[];
}

export const sumOf = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0);

/** Days of a week that have a level of their own, where the history has enough of them. */
export const WEEK_DAYS = 7;
const WEEKDAYS_MIN_DAYS = 28;

/** Regressors of a day beside those that are asked about: level, trend, and the days of the week. */
export function calendarRow(day: number, days: number): number[] {
  const row = [1, (day - days / 2) / days];
  if (days < WEEKDAYS_MIN_DAYS) return row;
  for (let place = 1; place < WEEK_DAYS; place++) row.push(day % WEEK_DAYS === place ? 1 : 0);
  return row;
}

/** The correlation of neighbours, within 0 and 0.95. */
export function neighbourCorrelation(values: readonly number[]): number {
  const mean = sumOf(values) / values.length;
  let [cross, square] = [0, 0];
  for (const [at, value] of values.entries()) {
    square += (value - mean) ** 2;
    if (at > 0) cross += (value - mean) * ((values[at - 1] as number) - mean);
  }
  return square <= 0 ? 0 : Math.min(Math.max(cross / square, 0), CORRELATION_MAX);
}
const CORRELATION_MAX = 0.95;

/**
 * By how much less two correlated series say than independent ones: Bartlett's formula for first-order
 * autoregressions (J. R. Stat. Soc. Suppl. 8, 1946).
 */
export function correlationFactor(first: readonly number[], second: readonly number[]): number {
  const both = neighbourCorrelation(first) * neighbourCorrelation(second);
  return (1 + both) / (1 - both);
}
