import { invariant } from '../../engine/index.ts';
import type { CubeDefinition, Granularity } from '../../operators/index.ts';
import { MIN_EVENT_TIME_MS } from '../event-schema.ts';
import { GRANULARITIES, maskOf } from '../model.ts';
import { QueryError } from './error.ts';
import type { TimeBuckets } from './time.ts';
import { formatUtc } from './zone.ts';

/** A stretch of the range that is read from cells of one width. Half-open, whole cells. */
export interface PlanSegment {
  /** Index in GRANULARITIES. */
  readonly granularity: number;
  readonly start_ms: number;
  readonly end_ms: number;
}

export interface QueryPlan {
  readonly cube: CubeDefinition;
  /** In time order, without gaps except before the first possible event time. */
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
}

/**
 * Chooses what to read: the smallest cube that covers the dimensions, and for each output bucket the
 * widest cells that tile it exactly. Throws QueryError `no_cube` or `granularity_not_retained`.
 */
export function planQuery({ dimensions, buckets, cubes, watermark_ms }: PlanRequest): QueryPlan {
  const cube = chooseCube(dimensions, cubes);
  const segments = segmentsOf(buckets);
  if (watermark_ms !== null) for (const segment of segments) checkRetained(segment, watermark_ms);
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

function segmentsOf({ edges_ms, length }: TimeBuckets): PlanSegment[] {
  const segments: PlanSegment[] = [];
  for (let index = 0; index < length; index++) {
    // Nothing lies before the first possible event time, where zones had offsets of odd seconds.
    const start_ms = Math.max(edges_ms[index] as number, MIN_EVENT_TIME_MS);
    tile(segments, GRANULARITIES.length - 1, start_ms, edges_ms[index + 1] as number);
  }
  return segments;
}

/** Whole cells of the widest kind inside, narrower ones at the edges. */
function tile(segments: PlanSegment[], granularity: number, start_ms: number, end_ms: number): void {
  if (start_ms >= end_ms) return;
  invariant(granularity >= 0, 'every bound of a bucket is a whole minute');
  const { bucket_ms } = GRANULARITIES[granularity] as Granularity;
  const from_ms = Math.ceil(start_ms / bucket_ms) * bucket_ms;
  const to_ms = Math.floor(end_ms / bucket_ms) * bucket_ms;
  if (from_ms >= to_ms) {
    tile(segments, granularity - 1, start_ms, end_ms);
    return;
  }
  tile(segments, granularity - 1, start_ms, from_ms);
  const last = segments.at(-1);
  if (last?.granularity === granularity && last.end_ms === from_ms) {
    segments[segments.length - 1] = { ...last, end_ms: to_ms };
  } else {
    segments.push({ granularity, start_ms: from_ms, end_ms: to_ms });
  }
  tile(segments, granularity - 1, to_ms, end_ms);
}

function checkRetained({ granularity, start_ms }: PlanSegment, watermark_ms: number): void {
  const { name, bucket_ms, retain_ms } = GRANULARITIES[granularity] as Granularity;
  if (retain_ms === undefined || start_ms + bucket_ms + retain_ms > watermark_ms) return;
  const kept = GRANULARITIES.map((kind) =>
    kind.retain_ms === undefined
      ? `${kind.name} for ever`
      : `${kind.name} from ${formatUtc(Math.ceil((watermark_ms - kind.retain_ms) / kind.bucket_ms) * kind.bucket_ms)}`,
  ).join(', ');
  throw new QueryError(
    'granularity_not_retained',
    `The answer needs cells of ${name} from ${formatUtc(start_ms)}, which are no longer kept. Kept are (UTC): ${kept}. Ask for a coarser granularity, a range that begins and ends on such cells, or another time zone.`,
  );
}
