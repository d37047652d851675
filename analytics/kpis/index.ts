export * from './batch.ts';
export type { MetricValue } from './evaluate.ts';
export type { GroupKey } from './groups.ts';
export * from './kpi-schema.ts';
export * from './kpis.ts';
export * from './summary.ts';
