export type { ForecastOutcome, ForecastTask } from './forecast-message.ts';
export { forecastAll } from './forecasting.ts';
