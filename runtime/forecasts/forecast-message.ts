import type { Forecast, ForecastMethod, ForecastSeries } from '../../analytics/index.ts';

/** A series to be forecast. Plain data. */
export interface ForecastTask {
  readonly series: ForecastSeries;
  readonly method: ForecastMethod;
  readonly horizon: number;
}

/** What came of one: some series of many may be too short. */
export type ForecastOutcome =
  | { readonly forecast: Forecast }
  | { readonly error: { readonly code: string; readonly message: string } };

export interface ForecastThreadData {
  readonly millrace: 'forecast';
  readonly tasks: readonly ForecastTask[];
}
