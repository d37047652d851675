import { MillraceError } from '../../engine/index.ts';
import { SortedWindow, windowCells } from './sorted-window.ts';
import { stlPeriodic } from './stl.ts';
import { studentQuantile } from './student.ts';

/** How `seasonalEsd` judges a series: `period` is values a season. */
export interface SeasonalEsdOptions {
  /** Values of a period, at least 2. */
  readonly period: number;
  /** At most this share of the values is marked, up to 0.49. By default 0.1. */
  readonly max_anoms?: number;
  /** Which side counts. By default both. */
  readonly direction?: 'pos' | 'neg' | 'both';
  /** Level of significance of the test. By default 0.05. */
  readonly alpha?: number;
  /** Of what is marked, only values at least the median, or a quantile, of the periods' maxima. By default all. */
  readonly threshold?: 'med_max' | 'p95' | 'p99';
}

/** A value that was marked. */
export interface SeasonalOutlier {
  /** From 0. */
  readonly index: number;
  readonly value: number;
  /** Trend and seasonal part together, cut to a whole number. */
  readonly expected: number;
}

/**
 * Seasonal hybrid ESD of a whole series, as published (Hochenbaum, Vallis, Kejariwal, "Automatic anomaly detection in
 * the cloud via statistical learning", 2017) and as the reference implementation in R does it: the seasonal part of a
 * robust STL and the median are subtracted; then the generalised ESD test (Rosner, "Percentage points for a generalized
 * ESD many-outlier procedure", 1983) with median and MAD in the place of mean and deviation. Sorted by index. Throws
 * `bad_period` for a series of less than two periods.
 */
export function seasonalEsd(
  values: readonly number[],
  options: SeasonalEsdOptions,
): readonly SeasonalOutlier[] {
  const { period, max_anoms = 0.1 } = options;
  const count = values.length;
  if (!Number.isSafeInteger(period) || period < 2 || count < 2 * period) {
    throw new MillraceError(
      'bad_period',
      `A period of ${period} needs a series of at least two periods, and has ${count} values.`,
    );
  }
  const series = Float64Array.from(values);
  const { seasonal, trend } = stlPeriodic(series, period);
  const sorted = series.toSorted();
  const median = ((sorted[count >> 1] as number) + (sorted[(count - 1) >> 1] as number)) / 2;
  const remainders = series.map((value, index) => value - (seasonal[index] as number) - median);
  const least = leastOf(series, period, options.threshold);
  return marked(remainders, Math.floor(count * Math.min(0.49, max_anoms)), options)
    .filter((index) => (series[index] as number) >= least)
    .sort((a, b) => a - b)
    .map((index) => ({
      index,
      value: series[index] as number,
      expected: Math.trunc((trend[index] as number) + (seasonal[index] as number)),
    }));
}

/** Indexes of what the generalised ESD test marks: the most extreme value goes, and the test is made of the rest. */
function marked(remainders: Float64Array, most: number, options: SeasonalEsdOptions): number[] {
  const { direction = 'both', alpha = 0.05 } = options;
  const count = remainders.length;
  const order = Array.from(remainders.keys()).sort(
    (a, b) => (remainders[a] as number) - (remainders[b] as number) || a - b,
  );
  const window = new SortedWindow(new Float64Array(windowCells(count)), 0, count);
  for (const index of order) window.add(remainders[index] as number);
  const removed: number[] = [];
  let below = 0;
  let above = 0;
  let outliers = 0;
  for (let step = 1; step <= most; step++) {
    const median = window.median(below, above);
    const scale = window.mad(median, below, above);
    if (scale === 0) break;
    const down = median - (remainders[order[below] as number] as number);
    const up = (remainders[order[count - 1 - above] as number] as number) - median;
    const isDown = direction === 'neg' || (direction === 'both' && down > up);
    removed.push(order[isDown ? below++ : count - 1 - above++] as number);
    const tails = direction === 'both' ? 2 : 1;
    const t = studentQuantile(alpha / (tails * (count - step + 1)), count - step - 1);
    const critical = (t * (count - step)) / Math.sqrt((count - step - 1 + t * t) * (count - step + 1));
    if ((isDown ? down : up) / scale > critical) outliers = step;
  }
  return removed.slice(0, outliers);
}

const QUANTILES = { med_max: 0.5, p95: 0.95, p99: 0.99 } as const;

function leastOf(values: Float64Array, period: number, threshold: SeasonalEsdOptions['threshold']): number {
  if (threshold === undefined) return -Infinity;
  const maxima: number[] = [];
  for (let from = 0; from < values.length; from += period) {
    maxima.push(
      values.subarray(from, from + period).reduce((most, value) => Math.max(most, value), -Infinity),
    );
  }
  maxima.sort((a, b) => a - b);
  // Between two, as R's default quantile.
  const at = QUANTILES[threshold] * (maxima.length - 1);
  const low = maxima[Math.floor(at)] as number;
  return low + (at - Math.floor(at)) * ((maxima[Math.ceil(at)] as number) - low);
}
