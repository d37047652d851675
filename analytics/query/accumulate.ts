import type { KvView } from '../../engine/index.ts';
import type { Granularity } from '../../operators/index.ts';
import { CUBES_OPERATOR, GRANULARITIES } from '../model.ts';
import { Accumulator, type Needs, type Series } from './accumulator.ts';
import { CellScan } from './cell-scan.ts';
import type { FxRate, FxRates } from './fx.ts';
import type { QueryPlan } from './plan.ts';
import type { SegmentPart } from './tiling.ts';
import type { TimeBuckets } from './time.ts';

export interface ScanRequest {
  readonly table: (name: string) => KvView;
  readonly tenant: string;
  readonly plan: QueryPlan;
  readonly buckets: TimeBuckets;
  /** Dimensions, or `currency`. */
  readonly groupBy: readonly string[];
  /** Accepted values by dimension or `currency`; '' is a missing value. */
  readonly filters: ReadonlyMap<string, ReadonlySet<string>>;
  readonly needs: Needs;
  /** Where money is to be converted: towards which currency, with which rates. */
  readonly conversion: { readonly target: string; readonly rates: FxRates } | undefined;
}

/** Reads every cell of the plan and adds it up. Throws QueryError `too_many_points` or `fx_rate_missing`. */
export function accumulate(request: ScanRequest): Accumulator {
  const { table, tenant, plan, needs, buckets } = request;
  const accumulator = new Accumulator(needs, buckets.length);
  const accepts = selector(request);
  const group = grouper(request);
  const scan = new CellScan(table(`${CUBES_OPERATOR}/cells`), table(`${CUBES_OPERATOR}/details`), {
    scope: tenant,
    cube: plan.cube.name,
    dimensions: plan.cube.dimensions.length,
    measures: needs.measures,
    withDetail: needs.distinct || needs.distributions.length > 0,
    classify: (values, unit) =>
      accepts(values, unit) ? accumulator.seriesOf(group(values, unit), unit) : -1,
  });
  const rateOf = rates(request, accumulator);
  for (const { granularity, start_ms, end_ms, parts } of plan.segments) {
    const { bucket_ms: width_ms } = GRANULARITIES[granularity] as Granularity;
    let at = 0;
    scan.visit(granularity, start_ms, end_ms, (series, bucket_ms, sums, detail) => {
      // Cells come in time order, and each lies within one part.
      while (bucket_ms >= (parts[at] as SegmentPart).end_ms) at++;
      const { addTo, takeFrom } = parts[at] as SegmentPart;
      const rate = rateOf?.(series, bucket_ms + width_ms);
      if (addTo !== undefined) accumulator.add(series, addTo, sums, detail, rate);
      if (takeFrom !== undefined) accumulator.take(series, takeFrom, sums);
    });
  }
  return accumulator;
}

type RateOf = (series: number, end_ms: number) => (() => FxRate) | undefined;

/** The rate is looked up only where there is money, so that cells without any need none. */
function rates({ conversion }: ScanRequest, { series }: Accumulator): RateOf | undefined {
  if (conversion === undefined) return undefined;
  return (index, end_ms) => {
    const { unit } = series[index] as Series;
    return unit === conversion.target ? undefined : () => conversion.rates.rateAt(unit, end_ms);
  };
}

function selector({ filters, plan }: ScanRequest): (values: readonly string[], unit: string) => boolean {
  const tests = [...filters].map(([dimension, accepted]) => ({
    at: plan.cube.dimensions.indexOf(dimension),
    accepted,
  }));
  // -1 is the currency, which every cell has.
  return (values, unit) =>
    tests.every(({ at, accepted }) => accepted.has(at < 0 ? unit : (values[at] as string)));
}

function grouper({
  groupBy,
  plan,
}: ScanRequest): (values: readonly string[], unit: string) => readonly string[] {
  const at = groupBy.map((dimension) => plan.cube.dimensions.indexOf(dimension));
  return (values, unit) => at.map((from) => (from < 0 ? unit : (values[from] as string)));
}
