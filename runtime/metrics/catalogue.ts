import { ARCHIVE_METRICS } from './archive-metrics.ts';
import { CHANNEL_METRICS } from './channel-metrics.ts';
import { CLUSTER_METRICS } from './cluster-metrics.ts';
import { CONNECTOR_METRICS } from './connector-metrics.ts';
import { ENGINE_METRICS } from './engine-metrics.ts';
import { JOB_METRICS } from './job-metrics.ts';
import type { MetricGroup, MetricSpec } from './metric-spec.ts';
import { OPERATOR_METRICS } from './operator-metrics.ts';
import { OUTBOUND_METRICS } from './outbound-metrics.ts';

/** Every metric of Millrace, in the order of the documentation. Operators of one's own add others. */
export const METRIC_GROUPS: readonly MetricGroup[] = [
  ...ENGINE_METRICS,
  ...OPERATOR_METRICS,
  ...JOB_METRICS,
  ...ARCHIVE_METRICS,
  ...OUTBOUND_METRICS,
  ...CONNECTOR_METRICS,
  ...CHANNEL_METRICS,
  ...CLUSTER_METRICS,
];

const BY_NAME: ReadonlyMap<string, MetricSpec> = new Map(
  METRIC_GROUPS.flatMap(({ metrics }) => metrics).map((metric) => [metric.name, metric]),
);

/** What the catalogue says of a metric; undefined for one of an operator of one's own. */
export function metricNamed(name: string): MetricSpec | undefined {
  return BY_NAME.get(name);
}
