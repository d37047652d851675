export * from './error.ts';
export type { MetricValue } from './evaluate.ts';
export type { GroupKey } from './groups.ts';
export * from './json.ts';
export * from './kpi-schema.ts';
export * from './kpis.ts';
export * from './time.ts';
export { formatUtc, Zone, zoneOf } from './zone.ts';
