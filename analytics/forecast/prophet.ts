import { fitProphet, PROPHET_ROW_CELLS, predictProphet } from '../../operators/index.ts';
import { type PointMethod, stepsOf } from './point-method.ts';

const DAY_MS = 86_400_000;
const YEAR_DAYS = 365.25;
/** Steps of a day or of a part of it have the seasons of day and week besides; others the one of their period. */
const STEP_DAYS: Readonly<Record<number, number>> = { 7: 1, 24: 1 / 24, 96: 1 / 96 };
/** No season of Prophet's is longer. */
const NO_SEASON_DAYS = 366;
/** Of the spread of the trend, which is not used: intervals come from the back-test. */
const SEED = 1;

/**
 * Prophet (Taylor & Letham, "Forecasting at scale", 2018), as the detector of anomalies fits it. It knows the seasons of
 * a year, a week and a day: steps are laid on the calendar so that their period is one of these.
 */
export const prophet: PointMethod = (history, period, horizon) => {
  const step_ms = DAY_MS * (STEP_DAYS[period] ?? (period > 1 ? YEAR_DAYS / period : NO_SEASON_DAYS));
  const times_ms = Float64Array.from(history, (_, at) => at * step_ms);
  const values = Float64Array.from(history);
  const model = fitProphet({ times_ms, local_ms: times_ms, values }, horizon * step_ms, SEED);
  const row = new Float64Array(PROPHET_ROW_CELLS);
  return stepsOf(horizon, (step) => {
    const time_ms = (history.length + step - 1) * step_ms;
    return predictProphet(model, time_ms, time_ms, row).mean;
  });
};
