import { assert as assertAll, type IRawProperty, type Parameters } from 'fast-check';
import { sizes } from './long.ts';

export * from 'fast-check';

const DEFAULT_RUNS = 100;

/** As fast-check's, as many times as `npm test` or `npm run test:long` has time for. */
export const assert: typeof assertAll = (<T>(property: IRawProperty<T>, parameters: Parameters<T> = {}) => {
  const numRuns = Math.ceil((parameters.numRuns ?? DEFAULT_RUNS) * sizes.property_runs_factor);
  return assertAll(property, { ...parameters, numRuns });
}) as typeof assertAll;

/** Exactly as many times as the test says: it counts its cases at the end, or has a size of its own in `long.ts`. */
export const assertRuns = assertAll;
