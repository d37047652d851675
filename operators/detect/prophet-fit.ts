import { SeededRandom } from '../../engine/index.ts';

const DAY_MS = 86_400_000;
/** Prophet's defaults. */
const CHANGEPOINTS = 25;
const CHANGEPOINT_RANGE = 0.8;
const CHANGEPOINT_SCALE = 0.05;
const TREND_PRECISION = 1 / 5 ** 2;
const SEASON_PRECISION = 1 / 10 ** 2;
const SEASONS = [
  { period_days: 365.25, order: 10 },
  { period_days: 7, order: 3 },
  { period_days: 1, order: 4 },
] as const;
const SEASON_TERMS = SEASONS.reduce((sum, { order }) => sum + 2 * order, 0);
/** Columns of the smooth part: growth, offset, Fourier terms. */
const SMOOTH = 2 + SEASON_TERMS;

const ROUNDS = 20;
const SWEEPS = 1_000;
const PRECISE = 1e-7;
const SIMULATIONS = 200;
const HORIZONS = 8;

/** What a fit reads: times (UTC, for the trend; local, for seasons), and values. */
export interface ProphetHistory {
  readonly times_ms: Float64Array;
  readonly local_ms: Float64Array;
  readonly values: Float64Array;
}

const START = 0;
const SPAN = 1;
const SCALE = 2;
const SIGMA = 3;
const MASK = 4;
const HORIZON = 5;
const SPREADS = 6;
const WEIGHTS = SPREADS + HORIZONS;
/** Doubles of a fitted model. */
export const MODEL_CELLS = WEIGHTS + SMOOTH + CHANGEPOINTS;

/** Which seasons a history is long enough for: two periods each, and values closer than a period. */
function seasonsOf({ times_ms }: ProphetHistory): number {
  const first = times_ms[0] as number;
  const span_ms = (times_ms[times_ms.length - 1] as number) - first;
  let step_ms = Infinity;
  for (let row = 1; row < times_ms.length; row++) {
    step_ms = Math.min(step_ms, (times_ms[row] as number) - (times_ms[row - 1] as number));
  }
  return SEASONS.reduce((mask, { period_days }, index) => {
    const period_ms = period_days * DAY_MS;
    return span_ms >= 2 * period_ms * 0.99 && step_ms < period_ms ? mask | (1 << index) : mask;
  }, 0);
}

/** The smooth columns at a time: growth, offset, and the terms of the seasons in the mask, others 0. */
function smoothRow(out: Float64Array, time: number, local_ms: number, mask: number): void {
  out[0] = time;
  out[1] = 1;
  let at = 2;
  for (const [index, { period_days, order }] of SEASONS.entries()) {
    const isIn = (mask & (1 << index)) !== 0;
    const angle = (2 * Math.PI * local_ms) / (period_days * DAY_MS);
    for (let term = 1; term <= order; term++) {
      out[at++] = isIn ? Math.sin(term * angle) : 0;
      out[at++] = isIn ? Math.cos(term * angle) : 0;
    }
  }
}

const changepoint = (index: number): number => (CHANGEPOINT_RANGE * (index + 1)) / (CHANGEPOINTS + 1);

/** Sums of products of all columns, and of each with the values: all that the fit needs of the history. */
interface Normal {
  readonly gram: Float64Array;
  readonly target: Float64Array;
  readonly square: number;
  readonly count: number;
}

const COLUMNS = SMOOTH + CHANGEPOINTS;

function normalOf(
  history: ProphetHistory,
  start_ms: number,
  span_ms: number,
  scale: number,
  mask: number,
): Normal {
  const gram = new Float64Array(COLUMNS * COLUMNS);
  const target = new Float64Array(COLUMNS);
  const row = new Float64Array(COLUMNS);
  const count = history.values.length;
  let square = 0;
  for (let index = 0; index < count; index++) {
    const time = ((history.times_ms[index] as number) - start_ms) / span_ms;
    const value = (history.values[index] as number) / scale;
    smoothRow(row, time, history.local_ms[index] as number, mask);
    for (let change = 0; change < CHANGEPOINTS; change++)
      row[SMOOTH + change] = Math.max(0, time - changepoint(change));
    square += value * value;
    for (let a = 0; a < COLUMNS; a++) {
      const factor = row[a] as number;
      if (factor === 0) continue;
      target[a] = (target[a] as number) + factor * value;
      for (let b = 0; b <= a; b++) {
        const at = a * COLUMNS + b;
        gram[at] = (gram[at] as number) + factor * (row[b] as number);
      }
    }
  }
  for (let a = 0; a < COLUMNS; a++)
    for (let b = 0; b < a; b++) gram[b * COLUMNS + a] = gram[a * COLUMNS + b] as number;
  return { gram, target, square, count };
}

/** Cholesky factor of the smooth block with its priors, lower triangle. */
function factorOf({ gram }: Normal, variance: number): Float64Array {
  const lower = new Float64Array(SMOOTH * SMOOTH);
  for (let a = 0; a < SMOOTH; a++) {
    for (let b = 0; b <= a; b++) {
      let sum = gram[a * COLUMNS + b] as number;
      if (a === b) sum += variance * (a < 2 ? TREND_PRECISION : SEASON_PRECISION) + 1e-12;
      for (let c = 0; c < b; c++)
        sum -= (lower[a * SMOOTH + c] as number) * (lower[b * SMOOTH + c] as number);
      lower[a * SMOOTH + b] =
        a === b ? Math.sqrt(Math.max(sum, 1e-12)) : sum / (lower[b * SMOOTH + b] as number);
    }
  }
  return lower;
}

function solve(lower: Float64Array, right: Float64Array): Float64Array {
  const out = right.slice(0, SMOOTH);
  for (let a = 0; a < SMOOTH; a++) {
    let sum = out[a] as number;
    for (let b = 0; b < a; b++) sum -= (lower[a * SMOOTH + b] as number) * (out[b] as number);
    out[a] = sum / (lower[a * SMOOTH + a] as number);
  }
  for (let a = SMOOTH - 1; a >= 0; a--) {
    let sum = out[a] as number;
    for (let b = a + 1; b < SMOOTH; b++) sum -= (lower[b * SMOOTH + a] as number) * (out[b] as number);
    out[a] = sum / (lower[a * SMOOTH + a] as number);
  }
  return out;
}

/** For a given variance: trend changes by the lasso with the smooth part eliminated, then the smooth part. */
function weightsAt(normal: Normal, variance: number, weights: Float64Array): void {
  const { gram, target } = normal;
  const lower = factorOf(normal, variance);
  const column = (change: number): Float64Array => {
    return gram.slice((SMOOTH + change) * COLUMNS, (SMOOTH + change) * COLUMNS + SMOOTH);
  };
  const columns = Array.from({ length: CHANGEPOINTS }, (_, change) => column(change));
  const solved = columns.map((own) => solve(lower, own));
  const plain = solve(lower, target);
  const reduced = columns.map((own, a) =>
    solved.map((other, b) => (gram[(SMOOTH + a) * COLUMNS + SMOOTH + b] as number) - dot(own, other)),
  );
  const pulls = columns.map((own, a) => (target[SMOOTH + a] as number) - dot(own, plain));
  const changes = weights.subarray(SMOOTH);
  descend(reduced, pulls, variance / CHANGEPOINT_SCALE, changes);
  for (let a = 0; a < SMOOTH; a++) {
    let sum = plain[a] as number;
    for (let change = 0; change < CHANGEPOINTS; change++) {
      sum -= (changes[change] as number) * ((solved[change] as Float64Array)[a] as number);
    }
    weights[a] = sum;
  }
}

/** Coordinate descent on ½ δᵀGδ − pᵀδ + penalty · |δ|₁. */
function descend(gram: number[][], pulls: number[], penalty: number, changes: Float64Array): void {
  for (let sweep = 0; sweep < SWEEPS; sweep++) {
    let moved = 0;
    for (let a = 0; a < CHANGEPOINTS; a++) {
      const row = gram[a] as number[];
      const own = row[a] as number;
      if (own <= 1e-12) continue;
      let pull = pulls[a] as number;
      for (let b = 0; b < CHANGEPOINTS; b++) if (b !== a) pull -= (row[b] as number) * (changes[b] as number);
      const next = (Math.sign(pull) * Math.max(0, Math.abs(pull) - penalty)) / own;
      moved = Math.max(moved, Math.abs(next - (changes[a] as number)));
      changes[a] = next;
    }
    if (moved < PRECISE) return;
  }
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let index = 0; index < a.length; index++) sum += (a[index] as number) * (b[index] as number);
  return sum;
}

/** The sum of squared residuals. */
function residual({ gram, target, square }: Normal, weights: Float64Array): number {
  let sum = square;
  for (let a = 0; a < COLUMNS; a++) {
    let product = -2 * (target[a] as number);
    for (let b = 0; b < COLUMNS; b++) product += (gram[a * COLUMNS + b] as number) * (weights[b] as number);
    sum += (weights[a] as number) * product;
  }
  return Math.max(sum, 1e-12 * square);
}

/**
 * Fits Prophet (Taylor and Letham, "Forecasting at scale", 2018): a piecewise linear trend with 25 changepoints in the
 * first 80 % of the history and Laplace(0, 0.05) changes of its slope, Fourier seasons of the year, the week and the
 * day with N(0, 10) terms, normal noise with a half-normal(0.5) deviation. The maximum of the posterior is found by
 * turns: weights for a given variance (lasso by coordinate descent, the smooth part exactly), the variance in
 * closed form. Then future trend changes are simulated, by the rate and mean size of the past ones, for the spread of
 * the trend up to `horizon_ms` behind the history. Deterministic, seeded.
 */
export function fitProphet(history: ProphetHistory, horizon_ms: number, seed: number): Float64Array {
  const { times_ms, values } = history;
  const start_ms = times_ms[0] as number;
  const span_ms = Math.max(1, (times_ms[times_ms.length - 1] as number) - start_ms);
  const scale = values.reduce((most, value) => Math.max(most, Math.abs(value)), 0) || 1;
  const mask = seasonsOf(history);
  const normal = normalOf(history, start_ms, span_ms, scale, mask);
  const weights = new Float64Array(COLUMNS);
  let variance = Math.max((0.1 * normal.square) / normal.count, 1e-8);
  for (let round = 0; round < ROUNDS; round++) {
    weightsAt(normal, variance, weights);
    const left = residual(normal, weights);
    const next = Math.max((Math.sqrt(normal.count ** 2 + 16 * left) - normal.count) / 8, 1e-10);
    const isSettled = Math.abs(next / variance - 1) < 1e-4;
    variance = next;
    if (isSettled) break;
  }
  const model = new Float64Array(MODEL_CELLS);
  model.set([start_ms, span_ms, scale, Math.sqrt(variance), mask, horizon_ms / span_ms]);
  model.set(spreadsOf(weights.subarray(SMOOTH), horizon_ms / span_ms, seed), SPREADS);
  model.set(weights, WEIGHTS);
  return model;
}

/** Standard deviations of the simulated trend at eight horizons, in the unit of the scaled values. */
function spreadsOf(changes: Float64Array, horizon: number, seed: number): Float64Array {
  const size = changes.reduce((sum, change) => sum + Math.abs(change), 0) / CHANGEPOINTS + 1e-8;
  const random = new SeededRandom(seed);
  const uniform = (): number => (random.int(0, 2 ** 30 - 1) + 0.5) / 2 ** 30;
  const wait = (): number => -Math.log(uniform()) / CHANGEPOINTS;
  const squares = new Float64Array(HORIZONS);
  for (let run = 0; run < SIMULATIONS; run++) {
    const paths = new Float64Array(HORIZONS);
    // A Poisson process: exponential waits between changes.
    let at = wait();
    while (at < horizon) {
      const change = -size * Math.log(uniform()) * (random.chance(0.5) ? 1 : -1);
      for (let step = 0; step < HORIZONS; step++) {
        const time = (horizon * (step + 1)) / HORIZONS;
        paths[step] = (paths[step] as number) + change * Math.max(0, time - at);
      }
      at += wait();
    }
    for (let step = 0; step < HORIZONS; step++)
      squares[step] = (squares[step] as number) + (paths[step] as number) ** 2;
  }
  return squares.map((sum) => Math.sqrt(sum / SIMULATIONS));
}

/** What a model expects at a time, and the deviation of noise and trend together. */
export function predictProphet(
  model: Float64Array,
  time_ms: number,
  local_ms: number,
  row: Float64Array,
): { readonly mean: number; readonly deviation: number } {
  const time = (time_ms - (model[START] as number)) / (model[SPAN] as number);
  const scale = model[SCALE] as number;
  smoothRow(row, time, local_ms, model[MASK] as number);
  let mean = 0;
  for (let column = 0; column < SMOOTH; column++)
    mean += (row[column] as number) * (model[WEIGHTS + column] as number);
  for (let change = 0; change < CHANGEPOINTS; change++) {
    mean += Math.max(0, time - changepoint(change)) * (model[WEIGHTS + SMOOTH + change] as number);
  }
  const ahead = Math.max(0, (time - 1) / (model[HORIZON] as number));
  const step = Math.min(HORIZONS, Math.ceil(ahead * HORIZONS));
  const spread = step === 0 ? 0 : (model[SPREADS + step - 1] as number) * Math.max(1, ahead);
  return { mean: mean * scale, deviation: scale * Math.hypot(model[SIGMA] as number, spread) };
}

/** Doubles that `predictProphet` works in. */
export const ROW_CELLS = SMOOTH;
