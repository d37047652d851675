import { METRIC_GROUPS } from './catalogue.ts';
import type { MetricSpec } from './metric-spec.ts';
import { prometheusLabel, prometheusName } from './prometheus.ts';

/** The page of every metric, made of the catalogue. */
export function metricsPage(): string {
  const groups = METRIC_GROUPS.map(({ title, about, metrics }) => {
    const rows = metrics.map(rowOf).join('\n');
    return `## ${title}\n\n${about}\n\n${HEAD}\n${rows}\n`;
  });
  return `${INTRODUCTION}\n${groups.join('\n')}`;
}

const HEAD = '| metric | in Prometheus | unit | labels | what |\n|---|---|---|---|---|';

const INTRODUCTION = `# Metrics

<!-- Made by \`npm run docs\` from runtime/metrics. -->

\`GET /metrics\` gives what is listed here, and what operators of your own count
([concepts](concepts.md)); JSON with the names of the first column for \`Accept: application/json\`.
Names follow OpenTelemetry, and are written for Prometheus as its exporter does: \`_\` for dots, the unit
written out, \`_total\` after counters. [examples/operations](../examples/operations/README.md) has a
Grafana board and alert rules.
`;

function rowOf(metric: MetricSpec): string {
  const { name, unit, help, labels } = metric;
  const shown = labels.map((label) => `\`${prometheusLabel(label)}\``).join(', ');
  const what = help.replaceAll('|', '\\|');
  return `| \`${name}\` | \`${prometheusName(metric)}\` | ${unit.replaceAll(/[{}]/g, '')} | ${shown} | ${what} |`;
}
