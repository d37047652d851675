/** The bucket of the object store with what models were trained to. */
export const MODELS_BUCKET = 'millrace-models';

export { computeInThread, forecastAll, forecastHierarchy } from './computing.ts';
export type { ForecastTask, ModelOutcome } from './model-work.ts';
