import { addExact, type ExactSum, narrow } from '../../operators/index.ts';
import { findMetric, type MetricDefinition } from '../kpis/index.ts';
import type { TimeBuckets } from '../query/index.ts';
import type { Measure } from '../rows/index.ts';
import { MAX_CHANGES, type PointLine, tooManyChanges } from './change-scan.ts';

type Values = Readonly<Record<string, ExactSum>>;

/** One event and what it changed of a bucket. */
export interface RestatementCause {
  /** Of the message that brought it, and its place there. */
  readonly sequence: number;
  readonly part: number;
  readonly delta: Values;
}

/** A bucket that was complete and changed afterwards; before + delta = after, and Σ delta of all causes = delta. */
export interface Restatement {
  readonly time: string;
  /** The range cuts off a part of it. */
  readonly partial?: true;
  /** Of the money; null: no metric of money is asked for, or events without a currency. */
  readonly currency: string | null;
  readonly before: Values;
  readonly after: Values;
  readonly delta: Values;
  readonly causes_total: number;
  /** In the order of the stream, the first ones. */
  readonly causes: readonly RestatementCause[];
}

export interface BodyShape {
  readonly buckets: TimeBuckets;
  readonly metrics: readonly string[];
  readonly measures: readonly Measure[];
  /** ms; null: nothing was complete. */
  readonly complete_until_ms: number | null;
  readonly causes: number;
  readonly offset: number;
  readonly limit: number;
}

export interface RestatementPage {
  readonly restatements_total: number;
  readonly open_total: number;
  readonly restatements: readonly Restatement[];
}

interface Summed {
  readonly bucket: number;
  readonly currency: string;
  readonly before: ExactSum[];
  readonly causes: Map<
    string,
    { readonly sequence: number; readonly part: number; readonly sums: ExactSum[] }
  >;
}

/** Throws QueryError `too_many_changes`. */
export function restatementPage(lines: readonly PointLine[], shape: BodyShape): RestatementPage {
  const { buckets, complete_until_ms, offset, limit } = shape;
  const metrics = shape.metrics.map(requireSum);
  const changed = summed(lines)
    .map((point) => restated(point, metrics, shape))
    .filter(({ delta }) => Object.values(delta).some((value) => value !== 0))
    .sort((a, b) => a.bucket - b.bucket || (a.currency < b.currency ? -1 : 1));
  const isPublished = ({ bucket }: { readonly bucket: number }): boolean =>
    complete_until_ms !== null && (buckets.edges_ms[bucket + 1] as number) <= complete_until_ms;
  const published = changed.filter(isPublished);
  return {
    restatements_total: published.length,
    open_total: changed.length - published.length,
    restatements: published.slice(offset, offset + limit).map(({ bucket, currency, causes, ...values }) => ({
      time: buckets.zone.format(buckets.starts_ms[bucket] as number),
      ...(isCut(buckets, bucket) ? { partial: true as const } : {}),
      currency: currency === '' ? null : currency,
      ...values,
      causes_total: causes.length,
      causes: causes.slice(0, shape.causes),
    })),
  };
}

function requireSum(name: string): MetricDefinition {
  const metric = findMetric(name);
  if (metric?.formula.kind !== 'sum') throw new Error(`${name} is no sum`);
  return metric;
}

function isCut({ firstPartial, lastPartial, length }: TimeBuckets, bucket: number): boolean {
  return (bucket === 0 && firstPartial) || (bucket === length - 1 && lastPartial);
}

/** Lines of parts of a plan, added up by bucket and currency. */
function summed(lines: readonly PointLine[]): Summed[] {
  const points = new Map<string, Summed>();
  let changes = 0;
  for (const [bucket, currency, before, causes] of lines) {
    const key = `${bucket}/${currency}`;
    let point = points.get(key);
    if (point === undefined) {
      point = { bucket, currency, before: before.map(() => 0), causes: new Map() };
      points.set(key, point);
    }
    addAll(point.before, before);
    for (const [sequence, part, sums] of causes) {
      const place = `${sequence}/${part}`;
      let cause = point.causes.get(place);
      if (cause === undefined) {
        if (++changes > MAX_CHANGES) throw tooManyChanges();
        cause = { sequence, part, sums: sums.map(() => 0) };
        point.causes.set(place, cause);
      }
      addAll(cause.sums, sums);
    }
  }
  return [...points.values()];
}

function addAll(into: ExactSum[], texts: readonly string[]): void {
  for (const [at, text] of texts.entries()) into[at] = addExact(into[at] as ExactSum, narrow(BigInt(text)));
}

function restated(
  { bucket, currency, before: known, causes: changes }: Summed,
  metrics: readonly MetricDefinition[],
  { measures }: BodyShape,
) {
  const valuesOf = (sums: readonly ExactSum[]): Values =>
    Object.fromEntries(metrics.map((metric) => [metric.name, metricOf(metric, measures, sums)]));
  const before = valuesOf(known);
  const causes = Array.from(changes.values(), ({ sequence, part, sums }) => ({
    ...{ sequence, part, delta: valuesOf(sums) },
  }))
    .filter(({ delta }) => Object.values(delta).some((value) => value !== 0))
    .sort((a, b) => a.sequence - b.sequence || a.part - b.part);
  const sumOf = (name: string): ExactSum =>
    causes.reduce<ExactSum>((sum, { delta }) => addExact(sum, delta[name] ?? 0), 0);
  const delta = Object.fromEntries(metrics.map(({ name }) => [name, sumOf(name)]));
  const after = Object.fromEntries(
    metrics.map(({ name }) => [name, addExact(before[name] ?? 0, delta[name] ?? 0)]),
  );
  return { bucket, currency, before, after, delta, causes };
}

function metricOf({ formula }: MetricDefinition, measures: readonly Measure[], sums: readonly ExactSum[]) {
  if (formula.kind !== 'sum') throw new Error('only sums are restated');
  return formula.terms.reduce<ExactSum>((total, { measure, factor }) => {
    const sum = sums[measures.indexOf(measure as Measure)] ?? 0;
    return addExact(total, factor === 1 ? sum : narrow(-BigInt(sum)));
  }, 0);
}
