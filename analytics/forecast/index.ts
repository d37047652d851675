export { originsBeforeEnd } from './back-test.ts';
export { type Base, baseOf, type Effect, type ForecastWish } from './base.ts';
export { demandOf, type Regressor } from './effects.ts';
export { type Accuracy, type Forecast, type ForecastPoint, forecastSeries } from './forecast.ts';
export { type Hierarchy, reconciled } from './hierarchy.ts';
export {
  type ForecastSeries,
  forecastProblem,
  HISTORY_MIN_STEPS,
  HORIZON_MAX_STEPS,
  PERIOD_MAX_STEPS,
} from './history.ts';
export { maseOf, smapeOf } from './measures.ts';
export { FORECAST_METHODS, FORECAST_VERSION, type ForecastMethod, type MemberMethod } from './methods.ts';
