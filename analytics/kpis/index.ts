export type { KpiBucket, KpiGroup, KpiResult } from './answer.ts';
export * from './batch.ts';
export { cubeSource } from './cube-source.ts';
export {
  CAMPAIGN_SPEND,
  type CustomMetric,
  type CustomMetricBody,
  customMetricSchemaOf,
  METRIC_NAME,
  referencesOf,
} from './custom-metric.ts';
export { type CubeProgress, cubeProgress } from './defined-cubes.ts';
export type { MetricValue } from './evaluate.ts';
export type { GroupKey } from './groups.ts';
export { addKpiWork, finishKpis, type KpiAnswer, kpiKind, mergeKpis } from './kpi-kind.ts';
export { KPI_KIND, type KpiShared, type KpiWork, planKpis } from './kpi-plan.ts';
export * from './metrics.ts';
export { OwnMetrics, requireMetric } from './own-metrics.ts';
export { type KpiHeader, type KpiSettings, prepareKpis } from './prepare.ts';
export * from './schema.ts';
export type { KpiCube, KpiSources, OpenSources } from './sources.ts';
export * from './summary.ts';
