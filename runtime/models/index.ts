export { computeInThread, forecastAll } from './computing.ts';
export type { ForecastTask, ModelOutcome } from './model-work.ts';
