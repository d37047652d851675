import type { KvView } from '../../engine/index.ts';
import {
  type CubeViews,
  cubeViews,
  type ExactSum,
  type Granularity,
  readCube,
} from '../../operators/index.ts';
import { CUBES_OPERATOR, DISTRIBUTIONS, GRANULARITIES, M, MEASURES } from '../model/index.ts';
import { Accumulator, type Needs, needsDetail } from './accumulator.ts';
import { CellScan, type Classify } from './cell-scan.ts';
import type { FxRates } from './fx.ts';
import type { QueryPlan } from './plan.ts';
import { addRecent } from './recent.ts';
import type { SegmentPart } from './tiling.ts';
import { bucketAt, type TimeBuckets } from './time.ts';

/** Towards which currency money is converted, with which rates. */
export interface Conversion {
  readonly target: string;
  readonly rates: FxRates;
}

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
  readonly conversion: Conversion | undefined;
}

/**
 * Reads every cell of the plan, with what is not folded into cells yet, and adds it up.
 * Throws QueryError `too_many_points` or `fx_rate_missing`.
 */
export function accumulate(request: ScanRequest): Accumulator {
  const accumulator = new Accumulator(request.needs, request.buckets.length);
  const accepts = selector(request);
  const group = grouper(request);
  const classify: Classify = (values, unit) =>
    accepts(values, unit) ? accumulator.seriesOf(group(values, unit), unit) : -1;
  const views = cubeViews(request.table, CUBES_OPERATOR);
  if (request.conversion === undefined) {
    addCells(request, views, accumulator, classify);
    addRecent(request, views.recent, accumulator, classify);
  } else {
    addConverted(request, request.conversion, views, accumulator, classify);
  }
  return accumulator;
}

function addCells(
  { tenant, plan, needs }: ScanRequest,
  { cells, details }: CubeViews,
  accumulator: Accumulator,
  classify: Classify,
): void {
  const scan = new CellScan(cells, details, {
    scope: tenant,
    cube: plan.cube.name,
    dimensions: plan.cube.dimensions.length,
    measures: needs.measures,
    withDetail: needsDetail(needs),
    classify,
  });
  for (const { granularity, start_ms, end_ms, parts } of plan.segments) {
    let at = 0;
    scan.visit(granularity, start_ms, end_ms, (series, bucket_ms, sums, detail) => {
      // Cells come in time order, and each lies within one part.
      while (bucket_ms >= (parts[at] as SegmentPart).end_ms) at++;
      const { addTo, takeFrom } = parts[at] as SegmentPart;
      if (addTo !== undefined) accumulator.add(series, addTo, sums, detail, undefined);
      if (takeFrom !== undefined) accumulator.take(series, takeFrom, sums);
    });
  }
}

/** Each cell's money is converted as a whole, so what is not folded yet is added to its cell before. */
function addConverted(
  { tenant, plan, needs, buckets }: ScanRequest,
  { target, rates }: Conversion,
  views: CubeViews,
  accumulator: Accumulator,
  classify: Classify,
): void {
  const measures = MEASURES.length;
  const query = { scope: tenant, cube: plan.cube, measures, distributions: DISTRIBUTIONS.length };
  for (const { granularity, start_ms, end_ms } of plan.segments) {
    const { bucket_ms: width_ms } = GRANULARITIES[granularity] as Granularity;
    const segment = { granularity, start_ms, end_ms, width_ms, withDetail: needsDetail(needs) };
    for (const { bucket_ms, values, unit, cell } of readCube(views, { ...query, ...segment })) {
      const series = classify(values, unit);
      if (series < 0) continue;
      const sums = needs.measures.map((measure) => cell.sums[M[measure]] as ExactSum);
      // Looked up only where there is money: cells without any need no rate.
      const rate = unit === target ? undefined : () => rates.rateAt(unit, bucket_ms + width_ms);
      accumulator.add(series, bucketAt(buckets, bucket_ms), sums, cell.detail, rate);
    }
  }
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
