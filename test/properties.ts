import { assert as assertAll, type IAsyncProperty, type IProperty, type Parameters } from 'fast-check';
import { sizes } from './long.ts';

export * from 'fast-check';

const DEFAULT_RUNS = 100;

type Property<T> = IAsyncProperty<T> | IProperty<T>;

/** As fast-check's, as many times as `npm test` or `npm run test:long` has time for. */
export function assert<T>(property: IProperty<T>, parameters?: Parameters<T>): void;
export function assert<T>(property: IAsyncProperty<T>, parameters?: Parameters<T>): Promise<void>;
export function assert<T>(property: Property<T>, parameters: Parameters<T> = {}): Promise<void> | void {
  const numRuns = Math.ceil((parameters.numRuns ?? DEFAULT_RUNS) * sizes.property_runs_factor);
  return assertAll(property, { ...parameters, numRuns });
}

/** Exactly as many times as the test says: it counts its cases at the end, or has a size of its own in `long.ts`. */
export function assertRuns<T>(property: IProperty<T>, parameters?: Parameters<T>): void;
export function assertRuns<T>(property: IAsyncProperty<T>, parameters?: Parameters<T>): Promise<void>;
export function assertRuns<T>(property: Property<T>, parameters?: Parameters<T>): Promise<void> | void {
  return assertAll(property, parameters);
}
