import type { MetricSample } from '../../engine/index.ts';
import { metricNamed } from './catalogue.ts';
import type { MetricKind, MetricUnit } from './metric-spec.ts';

const SUFFIX_OF_UNIT: Readonly<Record<string, string>> = { s: '_seconds', By: '_bytes' };

/** The media type of the Prometheus text format, version 0.0.4. */
export const PROMETHEUS_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

/** As OpenTelemetry's exporter: `_` for what Prometheus does not take. */
export function prometheusLabel(name: string): string {
  return name.replaceAll(/[^A-Za-z0-9_]/g, '_');
}

/**
 * The name that Prometheus knows a metric by, made as OpenTelemetry's exporter does: `_` for dots, the unit written
 * out, and `_total` after a counter. `millrace.task.commit.time` is `millrace_task_commit_time_seconds_total`.
 */
export function prometheusName(metric: {
  readonly name: string;
  readonly kind: MetricKind;
  readonly unit?: MetricUnit;
}): string {
  const unit = metric.unit ?? metricNamed(metric.name)?.unit ?? '';
  const suffix = SUFFIX_OF_UNIT[unit] ?? '';
  const plain = prometheusLabel(metric.name);
  const name = plain.endsWith(suffix) ? plain : `${plain}${suffix}`;
  return metric.kind === 'counter' && !name.endsWith('_total') ? `${name}_total` : name;
}

/** Samples in the Prometheus text format, those of one name together. */
export function prometheusText(samples: readonly MetricSample[]): string {
  const byName = new Map<string, MetricSample[]>();
  for (const sample of samples) {
    const name = prometheusName(sample);
    const group = byName.get(name);
    if (group === undefined) byName.set(name, [sample]);
    else group.push(sample);
  }
  return [...byName].map(([name, group]) => familyOf(name, group)).join('');
}

function familyOf(name: string, group: readonly MetricSample[]): string {
  const [first] = group;
  if (first === undefined) return '';
  const help = metricNamed(first.name)?.help ?? first.help;
  const lines = group.map(({ kind, labels, value }) => {
    const shown = kind === 'counter' ? Math.max(0, value) : value;
    return `${name}${labelsOf(labels)} ${numberOf(shown)}\n`;
  });
  return `# HELP ${name} ${escapeHelp(help)}\n# TYPE ${name} ${first.kind}\n${lines.join('')}`;
}

function labelsOf(labels: MetricSample['labels']): string {
  const pairs = Object.entries(labels).map(
    ([label, value]) => `${prometheusLabel(label)}="${escapeValue(value)}"`,
  );
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`;
}

function numberOf(value: number): string {
  if (Number.isNaN(value)) return 'NaN';
  if (Number.isFinite(value)) return String(value);
  return value > 0 ? '+Inf' : '-Inf';
}

const escapeHelp = (text: string): string => text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n');
const escapeValue = (text: string): string => escapeHelp(text).replaceAll('"', '\\"');
