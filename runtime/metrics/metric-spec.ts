/**
 * Units as UCUM writes them: `s` seconds, `By` bytes; in braces what is counted, e.g. `{record}`, which is no unit
 * to calculate with.
 */
export type MetricUnit = 's' | 'By' | `{${string}}`;

export type MetricKind = 'counter' | 'gauge' | 'histogram';

/** What is known of a metric before there is a sample of it. */
export interface MetricSpec {
  /** By OpenTelemetry's rules: words with dots between them, without unit or kind. */
  readonly name: string;
  readonly kind: MetricKind;
  readonly unit: MetricUnit;
  readonly help: string;
  /** Names of its labels. */
  readonly labels: readonly string[];
}

/** Metrics that one part of a process gives. */
export interface MetricGroup {
  readonly title: string;
  /** When there are samples of it. */
  readonly about: string;
  readonly metrics: readonly MetricSpec[];
}

const make =
  (kind: MetricKind) =>
  (name: string, unit: MetricUnit, help: string, ...labels: readonly string[]): MetricSpec => ({
    name,
    kind,
    unit,
    help,
    labels,
  });

export const counter = make('counter');
export const gauge = make('gauge');
export const histogram = make('histogram');
