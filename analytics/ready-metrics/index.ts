export { READY_METRICS, readyMetric } from './ready-metrics.ts';
