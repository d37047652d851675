import type { Tested } from './base.ts';

/** How far from the forecast of a step the truth lies, in 80 and 95 of 100 cases. */
export interface Spread {
  readonly half_80: number;
  readonly half_95: number;
}

/** Student's t, two-sided, by degrees of freedom from 1. */
const T_80 = [3.078, 1.886, 1.638, 1.533, 1.476, 1.44, 1.415, 1.397, 1.383, 1.372, 1.363, 1.356];
const T_95 = [12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179];
const NORMAL_80 = 1.282;
const NORMAL_95 = 1.96;
/** With so many pooled errors their own quantile counts for half; the errors of an origin resemble each other. */
const HALF_TRUST_80_ERRORS = 12;
const HALF_TRUST_95_ERRORS = 200;
/** Steps on both sides, as a share of a step's own distance, whose errors are taken together. */
const POOLED_REACH = 0.35;

/**
 * The spread of each step, from errors at the origins of a back-test. Errors of neighbouring steps are taken
 * together, a later step is never surer than an earlier one, and steps beyond what was tested grow as a random walk.
 * `size` is that of values at the end of the history: errors grow and shrink with it where `isRelative`.
 */
export function spreadsOf(
  origins: readonly Tested[],
  horizon: number,
  { size, isRelative }: { readonly size: number; readonly isRelative: boolean },
): readonly Spread[] {
  const errors = errorsByStep(origins, horizon, isRelative);
  const scales = scalesOf(errors);
  const pooled = errors
    .flatMap((each, at) => each.map((error) => Math.abs(error) / Math.max(scales[at] ?? 0, Number.MIN_VALUE)))
    .sort((a, b) => a - b);
  const unit = isRelative ? size : 1;
  return scales.map((scale, at) => {
    const freedom = freedomOf(origins, at + 1);
    const q80 = tailOf(pooled, 0.8, quantileOf(T_80, NORMAL_80, freedom), HALF_TRUST_80_ERRORS);
    const q95 = tailOf(pooled, 0.95, quantileOf(T_95, NORMAL_95, freedom), HALF_TRUST_95_ERRORS);
    return { half_80: q80 * scale * unit, half_95: Math.max(q80, q95) * scale * unit };
  });
}

/**
 * How many errors of a step are independent: those of forecasts whose spans overlap by more than a quarter are taken
 * for one, so that a few long spans in a short history do not pass for many.
 */
function freedomOf(origins: readonly Tested[], step: number): number {
  const [first, last] = [origins[0], origins[origins.length - 1]];
  if (first === undefined || last === undefined) return MIN_FREEDOM;
  const span = first.before_end - last.before_end + last.actual.length;
  return Math.max(MIN_FREEDOM, Math.min(origins.length - 1, span / (INDEPENDENT_SHARE * step)));
}
const MIN_FREEDOM = 2;
const INDEPENDENT_SHARE = 0.75;

/** Between the degrees of freedom of a table, and towards the normal distribution behind it. */
function quantileOf(table: readonly number[], normal: number, freedom: number): number {
  const last = table.length;
  const end = table[last - 1] ?? normal;
  if (freedom >= last) return normal + ((end - normal) * last) / freedom;
  const low = Math.floor(freedom);
  const [from, to] = [table[low - 1] ?? end, table[low] ?? end];
  return from + (to - from) * (freedom - low);
}

/** The quantile of pooled sizes of errors, drawn to that of the distribution the fewer there are. */
function tailOf(pooled: readonly number[], share: number, theory: number, half_trust: number): number {
  if (pooled.length === 0) return theory;
  const place = Math.min(Math.ceil((pooled.length + 1) * share), pooled.length) - 1;
  const seen = pooled[place] as number;
  const trust = pooled.length / (pooled.length + half_trust);
  return trust * seen + (1 - trust) * theory;
}

function errorsByStep(
  origins: readonly Tested[],
  horizon: number,
  isRelative: boolean,
): readonly (readonly number[])[] {
  const errors: number[][] = Array.from({ length: horizon }, () => []);
  for (const { actual, forecast, size } of origins) {
    const unit = isRelative ? Math.max(size, Number.MIN_VALUE) : 1;
    for (const [at, value] of actual.entries()) {
      if (!Number.isNaN(value)) errors[at]?.push((value - (forecast[at] ?? 0)) / unit);
    }
  }
  return errors;
}

/** The root mean square of errors of each step and its neighbours, never falling. */
function scalesOf(errors: readonly (readonly number[])[]): readonly number[] {
  const scales: number[] = [];
  let [last, tested] = [0, 0];
  for (let at = 0; at < errors.length; at++) {
    const reach = Math.max(1, Math.round(POOLED_REACH * (at + 1)));
    const near = errors.slice(Math.max(0, at - reach), at + reach + 1).flat();
    const own = errors[at] as readonly number[];
    if (own.length > 0) {
      const square = near.reduce((sum, error) => sum + error * error, 0) / near.length;
      last = Math.max(last, Math.sqrt(square));
      tested = at + 1;
      scales.push(last);
    } else {
      scales.push(last * Math.sqrt((at + 1) / Math.max(tested, 1)));
    }
  }
  return scales;
}

/** Forecasts below this share of the size of a series are taken for as large, where demand is divided by them. */
const LEAST_SHARE = 0.05;

/**
 * The upper ends of intervals of demand that comes now and then. A step without any is among the 80 of 100, so they begin
 * at 0, and end at a quantile of what came ÷ what was said (split conformal: of n, the one of rank ⌈share × (n + 1)⌉, of
 * few the largest): what came is no symmetric error around a mean, and its values are few, so that the quantile of sizes
 * of errors holds more than it says.
 */
export function demandEndsOf(
  origins: readonly Tested[],
  means: readonly number[],
  size: number,
): readonly { readonly upper_80: number; readonly upper_95: number }[] {
  // Before the first demand nothing is said and the series has no size yet: then its size of today is taken.
  const unitOf = (said: number, before: number): number =>
    Math.max(said, LEAST_SHARE * before) || LEAST_SHARE * size || 1;
  const ratios = origins
    .flatMap(({ actual, forecast, size: before }) =>
      actual.flatMap((value, at) => (Number.isNaN(value) ? [] : [value / unitOf(forecast[at] ?? 0, before)])),
    )
    .sort((a, b) => a - b);
  const nearest = (share: number): number => {
    const place = Math.min(Math.max(Math.ceil(share * (ratios.length + 1)), 1), ratios.length);
    return Math.max(ratios[place - 1] ?? 1, 1);
  };
  const [q80, q95] = [nearest(0.8), nearest(0.95)];
  return means.map((mean) => {
    const unit = Math.max(mean, LEAST_SHARE * size);
    return { upper_80: Math.max(q80 * unit, mean), upper_95: Math.max(q95 * unit, mean) };
  });
}

/** Without a back-test: as a random walk whose mean squared change from step to step is `change`. */
export function walkSpread(change: number, step: number): Spread {
  const scale = Math.sqrt(change * step);
  return { half_80: NORMAL_80 * scale, half_95: NORMAL_95 * scale };
}
