import type { CubeDefinition, Granularity } from '../../operators/index.ts';
import { GRANULARITIES, maskOf } from '../model/index.ts';
import { QueryError } from './query-error.ts';
import { type PlanSegment, tileBuckets } from './tiling.ts';
import type { TimeBuckets } from './time.ts';
import { formatUtc } from './zone.ts';

export interface QueryPlan {
  readonly cube: CubeDefinition;
  readonly segments: readonly PlanSegment[];
  /** E.g. `rollup:country@1d+15m`: the cube and the widths of cells that are read, widest first. */
  readonly source: string;
}

export interface PlanRequest {
  /** Dimensions of `group_by` and `filters`; `currency` is in every cell and needs no cube. */
  readonly dimensions: readonly string[];
  readonly buckets: TimeBuckets;
  readonly cubes: readonly CubeDefinition[];
  readonly watermark_ms: number | null;
  /** Whether cells of this cube may be taken away from others: only sums are read, and none are missing. */
  readonly canSubtract: (cube: CubeDefinition) => boolean;
}

/**
 * Chooses what to read: the smallest cube that covers the dimensions, and for each output bucket the
 * widest cells that tile it exactly. Throws QueryError `no_cube` or `granularity_not_retained`.
 */
export function planQuery(request: PlanRequest): QueryPlan {
  const { buckets, watermark_ms } = request;
  const cube = chooseCube(request.dimensions, request.cubes);
  const expired = (segment: PlanSegment): boolean => !isRetained(segment, watermark_ms);
  let segments = tileBuckets(buckets, request.canSubtract(cube));
  // What is taken away may begin a little earlier than the range does.
  if (segments.some(expired)) segments = tileBuckets(buckets, false);
  const lost = segments.find(expired);
  if (lost !== undefined && watermark_ms !== null) throw notRetained(lost, watermark_ms);
  const widths = [...new Set(segments.map(({ granularity }) => granularity))].sort((a, b) => b - a);
  const names = widths.map((index) => GRANULARITIES[index]?.name).join('+');
  return { cube, segments, source: `rollup:${cube.name}${names === '' ? '' : `@${names}`}` };
}

function chooseCube(dimensions: readonly string[], cubes: readonly CubeDefinition[]): CubeDefinition {
  const needed = [...new Set(dimensions)].filter((dimension) => dimension !== 'currency');
  // Only rows of the same kind answer: a cube by line counts an order once a line, one by whole orders
  // knows no sku.
  const mask = maskOf(needed);
  let best: CubeDefinition | undefined;
  for (const cube of cubes) {
    if (cube.mask !== mask || !needed.every((dimension) => cube.dimensions.includes(dimension))) continue;
    if (best === undefined || cube.dimensions.length < best.dimensions.length) best = cube;
  }
  if (best !== undefined) return best;
  const wanted = needed.length === 0 ? 'total' : needed.join('+');
  throw new QueryError(
    'no_cube',
    `No aggregate is kept by ${wanted}. Kept are: ${cubes.map(({ name }) => name).join(', ')}. Group and filter by fewer dimensions, or add "${wanted}" to the setting CUBES.`,
  );
}

function isRetained({ granularity, start_ms }: PlanSegment, watermark_ms: number | null): boolean {
  const { bucket_ms, retain_ms } = GRANULARITIES[granularity] as Granularity;
  return retain_ms === undefined || watermark_ms === null || start_ms + bucket_ms + retain_ms > watermark_ms;
}

function notRetained({ granularity, start_ms }: PlanSegment, watermark_ms: number): QueryError {
  const kept = GRANULARITIES.map((kind) =>
    kind.retain_ms === undefined
      ? `${kind.name} for ever`
      : `${kind.name} from ${formatUtc(Math.ceil((watermark_ms - kind.retain_ms) / kind.bucket_ms) * kind.bucket_ms)}`,
  ).join(', ');
  return new QueryError(
    'granularity_not_retained',
    `The answer needs cells of ${GRANULARITIES[granularity]?.name} from ${formatUtc(start_ms)}, which are no longer kept. Kept are (UTC): ${kept}. Ask for a coarser granularity, a range that begins and ends on such cells, or another time zone.`,
  );
}
