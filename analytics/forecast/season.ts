import { isPositive, meanOf } from './point-method.ts';

/** A history without its season, and how the season comes back. */
export interface Deseasoned {
  readonly values: readonly number[];
  /** The season's part of the value `step` steps after the history, from 1, put onto a value without it. */
  readonly restore: (value: number, step: number) => number;
  readonly isSeasonal: boolean;
}

/** Of the normal distribution, 90 % two-sided. */
const CRITICAL = 1.645;
/** A factor of a season below this is taken for noise of values near 0. */
const MIN_FACTOR = 0.01;

function autocorrelations(history: readonly number[], lags: number): readonly number[] {
  const mean = meanOf(history);
  const off = history.map((value) => value - mean);
  const total = off.reduce((sum, value) => sum + value * value, 0);
  if (total <= 0) return [];
  return Array.from({ length: lags }, (_, index) => {
    let sum = 0;
    for (let at = index + 1; at < off.length; at++) {
      sum += (off[at] as number) * (off[at - index - 1] as number);
    }
    return sum / total;
  });
}

/**
 * Whether a history repeats itself after `period` steps: the test of the benchmarks of the M4 competition (Makridakis,
 * Spiliotis & Assimakopoulos, Int. J. Forecasting 36, 2020), the autocorrelation against Bartlett's 90 % limit.
 * Three seasons are needed.
 */
export function hasSeason(history: readonly number[], period: number): boolean {
  if (period < 2 || history.length < 3 * period) return false;
  const lags = autocorrelations(history, period);
  const last = lags[period - 1];
  if (last === undefined) return false;
  const before = lags.slice(0, -1).reduce((sum, value) => sum + value * value, 0);
  return Math.abs(last) > CRITICAL * Math.sqrt((1 + 2 * before) / history.length);
}

/** The moving mean of a season around each value; undefined where it does not fit. */
function centredMeans(history: readonly number[], period: number): readonly (number | undefined)[] {
  const half = Math.floor(period / 2);
  const isEven = period % 2 === 0;
  return history.map((_, at) => {
    if (at < half || at + half >= history.length) return undefined;
    let sum = 0;
    for (let off = -half; off <= half; off++) {
      const weight = isEven && Math.abs(off) === half ? 0.5 : 1;
      sum += weight * (history[at + off] as number);
    }
    return sum / period;
  });
}

/**
 * The season of each place by classical decomposition: factors with mean 1 where `isFactor`, else sums with mean 0.
 * Place 0 is that of the first value.
 */
export function seasonOf(history: readonly number[], period: number, isFactor: boolean): readonly number[] {
  const means = centredMeans(history, period);
  const each: number[][] = Array.from({ length: period }, () => []);
  for (const [at, mean] of means.entries()) {
    if (mean === undefined) continue;
    const value = history[at] as number;
    (each[at % period] as number[]).push(isFactor ? value / mean : value - mean);
  }
  const raw = each.map(meanOf);
  const overall = meanOf(raw);
  return isFactor
    ? raw.map((value) => Math.max(value / overall, MIN_FACTOR))
    : raw.map((value) => value - overall);
}

/** Without the season where the test finds one: by factors where all values are positive, else by sums. */
export function deseasoned(history: readonly number[], period: number): Deseasoned {
  if (!hasSeason(history, period)) {
    return { values: history, restore: (value) => value, isSeasonal: false };
  }
  const isFactor = isPositive(history);
  const season = seasonOf(history, period, isFactor);
  const at = (index: number): number => season[index % period] as number;
  return {
    values: history.map((value, index) => (isFactor ? value / at(index) : value - at(index))),
    restore: (value, step) => {
      const part = at(history.length + step - 1);
      return isFactor ? value * part : value + part;
    },
    isSeasonal: true,
  };
}
