import { minimize } from '../numeric/index.ts';
import { isPositive, meanOf, type PointMethod, stepsOf } from './point-method.ts';
import { hasSeason, seasonOf } from './season.ts';
import { lineOf } from './theta.ts';

type SeasonForm = 'none' | 'sum' | 'factor';

/** Where smoothing begins. */
interface Start {
  readonly level: number;
  readonly slope: number;
  readonly season: readonly number[];
  readonly form: SeasonForm;
}

interface Weights {
  readonly alpha: number;
  readonly beta: number;
  readonly gamma: number;
  readonly damping: number;
}

interface State {
  level: number;
  slope: number;
  readonly season: number[];
  squares: number;
}

const MIN_DAMPING = 0.8;
const MAX_DAMPING = 0.98;
/** Of the first values that the first level and slope are drawn from. */
const START_POINTS = 10;

const EFFORT = { step: 1, max_evaluations: 160, tolerance: 1e-4, max_restarts: 0 } as const;

const share = (x: number): number => 1 / (1 + Math.exp(-x));
const weightsOf = ([a = 0, b = 0, c = 0, d = 0]: readonly number[], form: SeasonForm): Weights => {
  const alpha = share(a);
  return {
    alpha,
    beta: alpha * share(b),
    gamma: form === 'none' ? 0 : (1 - alpha) * share(d),
    damping: MIN_DAMPING + (MAX_DAMPING - MIN_DAMPING) * share(c),
  };
};

function startOf(history: readonly number[], period: number, form: SeasonForm): Start {
  const season = form === 'none' ? [] : seasonOf(history, period, form === 'factor');
  const plain = history.map((value, at) => without(value, season[at % period], form));
  const first = plain.slice(0, Math.max(START_POINTS, form === 'none' ? 0 : period));
  const { start, slope } = lineOf(first);
  return { level: start - slope, slope, season, form };
}

function without(value: number, part: number | undefined, form: SeasonForm): number {
  if (part === undefined || form === 'none') return value;
  return form === 'factor' ? value / part : value - part;
}

function withSeason(value: number, part: number | undefined, form: SeasonForm): number {
  if (part === undefined || form === 'none') return value;
  return form === 'factor' ? value * part : value + part;
}

/** One pass: the error-correction form of the damped trend with a season (Holt–Winters, Gardner & McKenzie 1985). */
function pass(history: readonly number[], period: number, start: Start, weights: Weights): State {
  const { alpha, beta, gamma, damping } = weights;
  const { form } = start;
  const state: State = { level: start.level, slope: start.slope, season: [...start.season], squares: 0 };
  for (let at = 0; at < history.length; at++) {
    const value = history[at] as number;
    const place = at % period;
    const part = state.season[place];
    const trend = damping * state.slope;
    const base = state.level + trend;
    const error = value - withSeason(base, part, form);
    state.squares += error * error;
    const off = form === 'factor' && part !== undefined ? error / part : error;
    state.level = base + alpha * off;
    state.slope = trend + beta * off;
    if (part === undefined) continue;
    state.season[place] = form === 'factor' ? part + (gamma * error) / (base || 1) : part + gamma * error;
  }
  return state;
}

interface Fitted {
  readonly state: State;
  readonly weights: Weights;
  readonly form: SeasonForm;
  /** Akaike's criterion, corrected for small samples. */
  readonly criterion: number;
}

function fitted(history: readonly number[], period: number, form: SeasonForm): Fitted {
  const start = startOf(history, period, form);
  const first = form === 'none' ? [-0.5, -2, 1] : [-0.5, -2, 1, -2];
  const squaresAt = (point: readonly number[]): number =>
    pass(history, period, start, weightsOf(point, form)).squares;
  const weights = weightsOf(minimize(squaresAt, first, EFFORT).point, form);
  const state = pass(history, period, start, weights);
  const count = history.length;
  const free = first.length + 2 + start.season.length;
  const spare = Math.max(count - free - 1, 1);
  const noise = Math.max(state.squares / count, Number.MIN_VALUE);
  return { state, weights, form, criterion: count * Math.log(noise) + (2 * free * count) / spare };
}

/** Exponential smoothing with a damped trend and no season. */
export function dampedTrend(history: readonly number[], horizon: number): readonly number[] {
  return continued(fitted(history, 1, 'none'), history, 1, horizon);
}

/**
 * Exponential smoothing with a damped trend, and a season by sums or factors where the test finds one: the form with
 * the least of Akaike's criterion, its weights by least squares of one-step errors.
 */
export const exponential: PointMethod = (history, period, horizon) => {
  const forms: SeasonForm[] = hasSeason(history, period)
    ? isPositive(history)
      ? ['factor', 'sum']
      : ['sum']
    : ['none'];
  const best = forms
    .map((form) => fitted(history, period, form))
    .reduce((least, one) => (one.criterion < least.criterion ? one : least));
  return continued(best, history, period, horizon);
};

function continued(
  { state, weights, form }: Fitted,
  history: readonly number[],
  period: number,
  horizon: number,
): readonly number[] {
  let [grown, damping] = [0, 1];
  const points = stepsOf(horizon, (step) => {
    damping *= weights.damping;
    grown += damping;
    const part = state.season[(history.length + step - 1) % period];
    return withSeason(state.level + state.slope * grown, part, form);
  });
  // A pass that ran away says nothing: the mean of the last values is the answer then.
  if (points.every(Number.isFinite)) return points;
  const level = meanOf(history.slice(-Math.max(period, 1)));
  return points.map(() => level);
}
