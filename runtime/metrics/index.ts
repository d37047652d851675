export { METRIC_GROUPS, metricNamed } from './catalogue.ts';
export type { MetricGroup, MetricKind, MetricSpec, MetricUnit } from './metric-spec.ts';
export { metricsPage } from './metrics-page.ts';
export { PROMETHEUS_TYPE, prometheusLabel, prometheusName, prometheusText } from './prometheus.ts';
