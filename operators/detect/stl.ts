/** A series taken apart: values = seasonal + trend + remainder. */
export interface Decomposition {
  readonly seasonal: Float64Array;
  readonly trend: Float64Array;
}

const OUTER_LOOPS = 15;

/** A smoothing by loess: of so many neighbours, of a degree, computed at every so many points. */
interface Smoothing {
  readonly span: number;
  readonly degree: 0 | 1;
  readonly jump: number;
}

const nextOdd = (value: number): number => {
  const whole = Math.ceil(value);
  return whole % 2 === 0 ? whole + 1 : whole;
};

const smoothing = (span: number, degree: 0 | 1): Smoothing => ({ span, degree, jump: Math.ceil(span / 10) });

/**
 * Seasonal-trend decomposition by loess (Cleveland, Cleveland, McRae, Terpenning, "STL", Journal of Official Statistics
 * 6, 1990), robust, with a periodic seasonal part, as R's `stl(x, "periodic", robust = TRUE)`: one inner and 15 outer
 * loops, the default spans and jumps. Needs at least two periods.
 */
export function stlPeriodic(values: Float64Array, period: number): Decomposition {
  const count = values.length;
  const cycle = smoothing(10 * count + 1, 0);
  const trendSpan = nextOdd((1.5 * period) / (1 - 1.5 / cycle.span));
  const parts = { cycle, trend: smoothing(trendSpan, 1), low: smoothing(nextOdd(period), 1) };
  const trend = new Float64Array(count);
  const seasonal = new Float64Array(count);
  let weights: Float64Array | undefined;
  for (let loop = 0; loop <= OUTER_LOOPS; loop++) {
    innerLoop(values, period, parts, weights, seasonal, trend);
    if (loop < OUTER_LOOPS) weights = robustness(values, seasonal, trend);
  }
  return { seasonal: periodicMean(seasonal, period), trend };
}

function innerLoop(
  values: Float64Array,
  period: number,
  parts: { readonly cycle: Smoothing; readonly trend: Smoothing; readonly low: Smoothing },
  weights: Float64Array | undefined,
  seasonal: Float64Array,
  trend: Float64Array,
): void {
  const detrended = values.map((value, index) => value - (trend[index] as number));
  const cycles = smoothCycles(detrended, period, parts.cycle, weights);
  const averaged = movingMean(movingMean(movingMean(cycles, period), period), 3);
  const low = loess(averaged, parts.low, undefined);
  for (let index = 0; index < values.length; index++) {
    seasonal[index] = (cycles[index + period] as number) - (low[index] as number);
  }
  trend.set(
    loess(
      values.map((value, index) => value - (seasonal[index] as number)),
      parts.trend,
      weights,
    ),
  );
}

/** Each place of the period smoothed on its own, and continued by one period at both ends. */
function smoothCycles(
  values: Float64Array,
  period: number,
  how: Smoothing,
  weights: Float64Array | undefined,
): Float64Array {
  const out = new Float64Array(values.length + 2 * period);
  for (let place = 0; place < period; place++) {
    const count = Math.floor((values.length - place - 1) / period) + 1;
    const cycle = new Float64Array(count);
    const own = weights === undefined ? undefined : new Float64Array(count);
    for (let index = 0; index < count; index++) {
      cycle[index] = values[index * period + place] as number;
      if (own !== undefined) own[index] = weights?.[index * period + place] as number;
    }
    const smooth = loess(cycle, how, own);
    const first = Math.min(how.span, count) - 1;
    const last = Math.max(0, count - how.span);
    out[place] = localFit(cycle, how, -1, 0, first, own) ?? (smooth[0] as number);
    for (let index = 0; index < count; index++) out[(index + 1) * period + place] = smooth[index] as number;
    out[(count + 1) * period + place] =
      localFit(cycle, how, count, last, count - 1, own) ?? (smooth[count - 1] as number);
  }
  return out;
}

function movingMean(values: Float64Array, span: number): Float64Array {
  const out = new Float64Array(values.length - span + 1);
  let sum = 0;
  for (let index = 0; index < span; index++) sum += values[index] as number;
  out[0] = sum / span;
  for (let index = 1; index < out.length; index++) {
    sum += (values[index + span - 1] as number) - (values[index - 1] as number);
    out[index] = sum / span;
  }
  return out;
}

/** Loess at every `jump`-th point and the last one, between them straight lines. */
function loess(values: Float64Array, how: Smoothing, weights: Float64Array | undefined): Float64Array {
  const count = values.length;
  const out = new Float64Array(count);
  if (count < 2) {
    out.set(values);
    return out;
  }
  const jump = Math.min(how.jump, count - 1);
  const half = (how.span + 1) >> 1;
  let left = 0;
  let right = count - 1;
  const at = (index: number): number => {
    if (how.span < count) {
      left = Math.max(0, Math.min(count - how.span, index - half + 1));
      right = left + how.span - 1;
    }
    return localFit(values, how, index, left, right, weights) ?? (values[index] as number);
  };
  for (let index = 0; index < count; index += jump) out[index] = at(index);
  for (let from = 0; from + jump < count; from += jump) line(out, from, from + jump);
  const last = Math.floor((count - 1) / jump) * jump;
  if (last !== count - 1) {
    // The neighbours of the last point that was computed, as the reference has it.
    out[count - 1] = localFit(values, how, count - 1, left, right, weights) ?? (values[count - 1] as number);
    line(out, last, count - 1);
  }
  return out;
}

function line(values: Float64Array, from: number, to: number): void {
  const step = ((values[to] as number) - (values[from] as number)) / (to - from);
  for (let index = from + 1; index < to; index++)
    values[index] = (values[from] as number) + step * (index - from);
}

/** The local fit at `x` of the values from `left` to `right`; undefined where all weights are 0. */
function localFit(
  values: Float64Array,
  { span, degree }: Smoothing,
  x: number,
  left: number,
  right: number,
  weights: Float64Array | undefined,
): number | undefined {
  const count = values.length;
  const reach = Math.max(x - left, right - x) + (span > count ? Math.floor((span - count) / 2) : 0);
  const local = new Float64Array(right - left + 1);
  let sum = 0;
  for (let index = left; index <= right; index++) {
    const distance = Math.abs(index - x);
    if (distance > 0.999 * reach) continue;
    const share = distance / reach;
    const cube = 1 - share * share * share;
    const near = distance <= 0.001 * reach ? 1 : cube * cube * cube;
    const weight = weights === undefined ? near : near * (weights[index] as number);
    local[index - left] = weight;
    sum += weight;
  }
  if (sum <= 0) return undefined;
  const slope = degree === 0 || reach <= 0 ? undefined : slopeOf(local, sum, x, left, count);
  let result = 0;
  for (let index = left; index <= right; index++) {
    const weight = (local[index - left] as number) / sum;
    const tilt = slope === undefined ? 1 : slope.tilt * (index - slope.mean) + 1;
    result += weight * tilt * (values[index] as number);
  }
  return result;
}

function slopeOf(
  local: Float64Array,
  sum: number,
  x: number,
  left: number,
  count: number,
): { readonly mean: number; readonly tilt: number } | undefined {
  let mean = 0;
  for (let index = 0; index < local.length; index++)
    mean += ((local[index] as number) / sum) * (index + left);
  let variance = 0;
  for (let index = 0; index < local.length; index++) {
    variance += ((local[index] as number) / sum) * (index + left - mean) ** 2;
  }
  return Math.sqrt(variance) > 0.001 * (count - 1) ? { mean, tilt: (x - mean) / variance } : undefined;
}

/** Bisquare weights of the remainders. */
function robustness(values: Float64Array, seasonal: Float64Array, trend: Float64Array): Float64Array {
  const remainders = values.map((value, index) =>
    Math.abs(value - (seasonal[index] as number) - (trend[index] as number)),
  );
  const sorted = remainders.toSorted();
  const middle = sorted.length >> 1;
  const limit = 3 * ((sorted[middle] as number) + (sorted[sorted.length - middle - 1] as number));
  return remainders.map((remainder) => {
    if (remainder <= 0.001 * limit) return 1;
    return remainder <= 0.999 * limit ? (1 - (remainder / limit) ** 2) ** 2 : 0;
  });
}

function periodicMean(seasonal: Float64Array, period: number): Float64Array {
  const sums = new Float64Array(period);
  const counts = new Float64Array(period);
  for (let index = 0; index < seasonal.length; index++) {
    sums[index % period] = (sums[index % period] as number) + (seasonal[index] as number);
    counts[index % period] = (counts[index % period] as number) + 1;
  }
  return seasonal.map((_, index) => (sums[index % period] as number) / (counts[index % period] as number));
}
