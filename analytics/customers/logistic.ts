import { solve } from '../numeric/index.ts';

const MAX_ROUNDS = 50;
const PRECISION = 1e-9;

export const logit = (probability: number): number => {
  const inside = Math.min(Math.max(probability, NEAR), 1 - NEAR);
  return Math.log(inside / (1 - inside));
};
const NEAR = 1e-6;

export const logistic = (value: number): number => 1 / (1 + Math.exp(-value));

/** Σ coefficient × feature, as a probability. */
export function predictLogistic(coefficients: readonly number[], row: readonly number[]): number {
  return logistic(row.reduce((sum, x, at) => sum + x * (coefficients[at] as number), 0));
}

/**
 * Logistic regression by Newton's method, drawn to `prior` by a normal distribution of `precision` for each coefficient
 * (Le Cessie & Van Houwelingen, Ridge Estimators in Logistic Regression, Applied Statistics 41, 1992).
 */
export function fitLogistic(
  rows: readonly (readonly number[])[],
  happened: readonly boolean[],
  prior: readonly number[],
  precision: number,
): readonly number[] {
  const size = prior.length;
  let coefficients = prior;
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const matrix = Array.from({ length: size }, () => new Array<number>(size).fill(0));
    const right = prior.map((value, at) => precision * (value - (coefficients[at] as number)));
    for (let place = 0; place < size; place++) (matrix[place] as number[])[place] = precision;
    for (const [at, row] of rows.entries()) {
      const probability = predictLogistic(coefficients, row);
      const weight = probability * (1 - probability);
      const off = Number(happened[at]) - probability;
      for (let place = 0; place < size; place++) {
        const x = row[place] as number;
        right[place] = (right[place] as number) + off * x;
        const line = matrix[place] as number[];
        for (let other = 0; other < size; other++) {
          line[other] = (line[other] as number) + weight * x * (row[other] as number);
        }
      }
    }
    const step = solve(matrix, right);
    coefficients = coefficients.map((value, at) => value + (step[at] as number));
    if (Math.max(...step.map(Math.abs)) < PRECISION) break;
  }
  return coefficients;
}
