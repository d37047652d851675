import { solve } from '../numeric/index.ts';
import { meanOf } from './point-method.ts';

/** What moves a series beside its own course, as a number for each step. */
export interface Regressor {
  readonly name: string;
  /** Of each step of the series, then of the steps that are forecast where they are known beforehand. */
  readonly values: readonly number[];
}

/** A history as it would have been without the effects, and how what comes gets them back. */
export interface View {
  readonly history: readonly number[];
  readonly restore: (points: readonly number[]) => readonly number[];
  /** By regressor, of one more of it: what a value is multiplied by, or what is added to it. */
  readonly effects: readonly number[];
  readonly isFactor: boolean;
}

/** What is known of a series beside its values. */
export interface Explained {
  readonly values: readonly number[];
  readonly period: number;
  readonly regressors: readonly Regressor[];
  /** Steps whose value is less than what would have been sold: nothing is learnt from them. */
  readonly isCensored: (at: number) => boolean;
}

/** An effect is drawn to none as by this many steps without it: it is normal around 0 with twice the deviation of noise. */
const PENALTY = 0.25;
const COURSE_PENALTY = 1e-3;
const MAX_HARMONICS = 6;
const ROUNDS = 2;
const MAX_CARRY = 0.95;
/** A value that is not known is as in so many seasons before. */
const FILL_SEASONS = 4;
const MIN_FILL_STEPS = 4;

/**
 * The view from before step `at`: what comes later is not looked at, but for values of regressors that are known
 * beforehand. Those of others stay at the mean of the last season, and at least of `horizon` steps.
 */
export function viewAt(explained: Explained, at: number, horizon: number): View {
  const { values, period, regressors, isCensored } = explained;
  const used = Array.from({ length: at }, (_, step) => !isCensored(step));
  if (regressors.length === 0 && used.every(Boolean)) {
    return { history: values.slice(0, at), restore: (points) => points, effects: [], isFactor: false };
  }
  const isFactor = values.slice(0, at).every((value, step) => !used[step] || value > 0);
  const own = values.slice(0, at).map((value) => (isFactor ? Math.log(value) : value));
  const columns = regressors.map((one) => one.values);
  const effects = coefficientsOf(own, used, columns, period);
  const effectAt = (step: number): number =>
    columns.reduce((sum, column, place) => sum + (effects[place] as number) * (column[step] ?? 0), 0);
  const plain = filled(
    own.map((value, step) => value - effectAt(step)),
    used,
    period,
  );
  const ahead = Array.from({ length: horizon }, (_, step) =>
    columns.reduce((sum, column, place) => {
      const assumed = column[at + step] ?? Number.NaN;
      const isKnown = column.length > values.length && Number.isFinite(assumed);
      const value = isKnown ? assumed : meanOf(column.slice(Math.max(0, at - Math.max(period, horizon)), at));
      return sum + (effects[place] as number) * value;
    }, 0),
  );
  return {
    history: isFactor ? plain.map(Math.exp) : plain,
    restore: (points) =>
      points.map((value, step) => {
        const effect = ahead[step] ?? 0;
        return isFactor ? value * Math.exp(effect) : value + effect;
      }),
    effects: isFactor ? effects.map(Math.exp) : effects,
    isFactor,
  };
}

/**
 * What a series would have been without its censored steps: at each of them as much as at the same places of the seasons
 * before, and never less than what there was.
 */
export function demandOf({
  values,
  period,
  censored = [],
}: {
  readonly values: readonly (number | null)[];
  readonly period: number;
  readonly censored?: readonly boolean[];
}): readonly (number | null)[] {
  const used = values.map((value, at) => value !== null && censored[at] !== true);
  const usual = filled(
    values.map((value) => value ?? 0),
    used,
    period,
  );
  return values.map((value, at) =>
    value === null || censored[at] !== true ? value : Math.max(value, usual[at] ?? value),
  );
}

/**
 * Least squares on level, trend, season and regressors, with errors that go on as a first-order autoregression says
 * (Prais & Winsten 1954): a level that wanders is not taken for an effect.
 */
function coefficientsOf(
  values: readonly number[],
  used: readonly boolean[],
  columns: readonly (readonly number[])[],
  period: number,
): readonly number[] {
  if (columns.length === 0) return [];
  const rows = values.map((_, at) => [
    ...courseOf(at, values.length, period),
    ...columns.map((column) => column[at] ?? 0),
  ]);
  const course = (rows[0]?.length ?? 0) - columns.length;
  let found: readonly number[] = [];
  let carry = 0;
  for (let round = 0; round <= ROUNDS; round++) {
    found = regression(values, rows, used, { carry, course });
    const residuals = values.map(
      (value, at) =>
        value - (rows[at] ?? []).reduce((sum, x, place) => sum + x * (found[place] as number), 0),
    );
    carry = carryOf(residuals, used);
  }
  return found.slice(course);
}

/** Level, trend, and waves of the season. */
function courseOf(at: number, count: number, period: number): number[] {
  const row = [1, at / count - 0.5];
  if (count < 2 * period) return row;
  for (let wave = 1; wave <= Math.min(Math.floor(period / 2), MAX_HARMONICS); wave++) {
    const angle = (2 * Math.PI * wave * at) / period;
    row.push(Math.sin(angle), Math.cos(angle));
  }
  return row;
}

function regression(
  values: readonly number[],
  rows: readonly (readonly number[])[],
  used: readonly boolean[],
  { carry, course }: { readonly carry: number; readonly course: number },
): readonly number[] {
  const size = rows[0]?.length ?? 0;
  const matrix = Array.from({ length: size }, () => new Array<number>(size).fill(0));
  const right = new Array<number>(size).fill(0);
  for (const [at, value] of values.entries()) {
    if (used[at] !== true) continue;
    // Behind a step that says nothing the errors begin anew.
    const isAfter = at > 0 && used[at - 1] === true;
    const [keep, unit] = isAfter ? [carry, 1] : [0, Math.sqrt(1 - carry * carry)];
    const before = rows[at - 1] ?? [];
    const row = (rows[at] ?? []).map((x, place) => unit * x - keep * (before[place] ?? 0));
    const target = unit * value - (isAfter ? keep * (values[at - 1] ?? 0) : 0);
    for (const [place, x] of row.entries()) {
      if (x === 0) continue;
      right[place] = (right[place] as number) + x * target;
      const line = matrix[place] as number[];
      for (const [other, y] of row.entries()) line[other] = (line[other] as number) + x * y;
    }
  }
  for (let place = 0; place < size; place++) {
    const line = matrix[place] as number[];
    line[place] = (line[place] as number) + (place < course ? COURSE_PENALTY : PENALTY);
  }
  return solve(matrix, right);
}

function carryOf(residuals: readonly number[], used: readonly boolean[]): number {
  let [cross, square] = [0, 0];
  for (let at = 1; at < residuals.length; at++) {
    if (used[at] !== true || used[at - 1] !== true) continue;
    const [before, now] = [residuals[at - 1] as number, residuals[at] as number];
    cross += before * now;
    square += before * before;
  }
  return square <= 0 ? 0 : Math.min(Math.max(cross / square, 0), MAX_CARRY);
}

/** Steps that say nothing are as the same places of the seasons before; at the beginning as the mean of what is known. */
function filled(values: readonly number[], used: readonly boolean[], period: number): readonly number[] {
  const overall = meanOf(values.filter((_, at) => used[at] === true));
  const found = [...values];
  for (const at of values.keys()) {
    if (used[at] === true) continue;
    const lag = at >= period ? period : 1;
    const before: number[] = [];
    const most = lag === 1 ? MIN_FILL_STEPS : FILL_SEASONS;
    for (let turn = 1; turn <= most && at - turn * lag >= 0; turn++)
      before.push(found[at - turn * lag] as number);
    found[at] = before.length === 0 ? overall : meanOf(before);
  }
  return found;
}
