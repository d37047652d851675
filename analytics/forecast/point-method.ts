/**
 * What a method is: the next `horizon` values of a history without gaps, oldest first. `period` is the length of a
 * season in steps, 1 for none.
 */
export type PointMethod = (history: readonly number[], period: number, horizon: number) => readonly number[];

export const meanOf = (values: readonly number[]): number =>
  values.length === 0 ? 0 : values.reduce((sum, value) => sum + value, 0) / values.length;

export const isPositive = (values: readonly number[]): boolean => values.every((value) => value > 0);

/** `horizon` values of a function of the step, from 1. */
export const stepsOf = (horizon: number, valueAt: (step: number) => number): number[] =>
  Array.from({ length: horizon }, (_, index) => valueAt(index + 1));
