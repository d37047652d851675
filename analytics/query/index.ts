export * from './batch.ts';
export * from './error.ts';
export type { MetricValue } from './evaluate.ts';
export type { GroupKey } from './groups.ts';
export * from './json.ts';
export * from './kpi-schema.ts';
export * from './kpis.ts';
export * from './summary.ts';
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
} from './time.ts';
export { formatUtc, type Zone, zoneOf } from './zone.ts';
