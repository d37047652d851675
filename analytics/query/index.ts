export { accumulate } from './accumulate.ts';
export { Accumulator, type Needs } from './accumulator.ts';
export { Amounts, DistinctUnion } from './details.ts';
export { FxRates } from './fx.ts';
export * from './json-text.ts';
export { planQuery, type QueryPlan } from './plan.ts';
export * from './query-error.ts';
export {
  type BucketOptions,
  bucketsOf,
  GRANULARITY_INPUTS,
  type GranularityInput,
  type GranularityName,
  granularityOf,
  MAX_POINTS,
  parseRange,
  type TimeBuckets,
  type TimeRange,
  tooManyPoints,
} from './time.ts';
export * from './zone.ts';
