import { solve } from '../numeric/index.ts';
import { sumOf } from './history.ts';

export interface CountFit {
  readonly coefficients: readonly number[];
  /** (observed − fitted) ÷ √fitted. */
  readonly residuals: readonly number[];
  /** Mean square of the residuals; 1 for a Poisson distribution. */
  readonly dispersion: number;
  /** Of a coefficient, for a dispersion of 1. */
  variance(place: number): number;
}

const MAX_ROUNDS = 30;
const PRECISION = 1e-8;
const LN_MAX = 30;
/** Keeps a regressor that says nothing at 0. */
const PENALTY = 1e-4;

/**
 * Regression of counts with a logarithmic link, by iterated weighted least squares: quasi-likelihood (Wedderburn,
 * Biometrika 61, 1974). It needs no logarithm of a count, so that days without a sale count as they are (Santos Silva
 * & Tenreyro, The Log of Gravity, Rev. Econ. Stat. 88, 2006).
 */
export function fitCounts(counts: readonly number[], rows: readonly (readonly number[])[]): CountFit {
  const size = rows[0]?.length ?? 0;
  let coefficients: readonly number[] = new Array<number>(size).fill(0);
  coefficients = [Math.log(Math.max(sumOf(counts) / counts.length, 1e-6)), ...coefficients.slice(1)];
  let fitted = fittedOf(rows, coefficients);
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const { matrix, right } = normalEquations(counts, rows, fitted, coefficients);
    const next = solve(matrix, right);
    const moved = Math.max(...next.map((value, at) => Math.abs(value - (coefficients[at] as number))));
    coefficients = next;
    fitted = fittedOf(rows, coefficients);
    if (moved < PRECISION) break;
  }
  const residuals = counts.map(
    (count, at) => (count - (fitted[at] as number)) / Math.sqrt(fitted[at] as number),
  );
  const freedom = Math.max(1, counts.length - size);
  return {
    ...{ coefficients, residuals },
    dispersion: sumOf(residuals.map((value) => value * value)) / freedom,
    variance: (place) => {
      const { matrix } = normalEquations(counts, rows, fitted, coefficients);
      const unit = new Array<number>(size).fill(0);
      unit[place] = 1;
      return solve(matrix, unit)[place] ?? 0;
    },
  };
}

function fittedOf(rows: readonly (readonly number[])[], coefficients: readonly number[]): readonly number[] {
  return rows.map((row) => {
    const sum = row.reduce((total, x, at) => total + x * (coefficients[at] as number), 0);
    return Math.exp(Math.min(Math.max(sum, -LN_MAX), LN_MAX));
  });
}

function normalEquations(
  counts: readonly number[],
  rows: readonly (readonly number[])[],
  fitted: readonly number[],
  coefficients: readonly number[],
): { readonly matrix: number[][]; readonly right: number[] } {
  const size = coefficients.length;
  const matrix = Array.from({ length: size }, () => new Array<number>(size).fill(0));
  const right = new Array<number>(size).fill(0);
  for (const [at, row] of rows.entries()) {
    const mean = fitted[at] as number;
    const target = Math.log(mean) + ((counts[at] as number) - mean) / mean;
    for (let place = 0; place < size; place++) {
      const weighted = mean * (row[place] as number);
      if (weighted === 0) continue;
      right[place] = (right[place] as number) + weighted * target;
      const line = matrix[place] as number[];
      for (let other = 0; other < size; other++) {
        line[other] = (line[other] as number) + weighted * (row[other] as number);
      }
    }
  }
  for (let place = 1; place < size; place++) {
    const line = matrix[place] as number[];
    line[place] = (line[place] as number) + PENALTY;
  }
  return { matrix, right };
}
