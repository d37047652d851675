import type { CubeInfo } from '../../operators/index.ts';
import { MIN_EVENT_TIME_MS } from '../events/index.ts';
import { isItemDimension } from '../filters/index.ts';
import { DAY_MS } from '../query/index.ts';
import { isOwn } from './metrics.ts';
import type { Prepared } from './prepare.ts';
import type { KpiCube } from './sources.ts';

/** A stretch of time that is read of one cube: whole buckets, half-open. Plain data. */
export interface CubeStretch {
  readonly cube: KpiCube;
  readonly start_ms: number;
  readonly end_ms: number;
}

/** Half-open, ms. */
export interface Stretch {
  readonly start_ms: number;
  readonly end_ms: number;
}

/** What answers which time: together the whole range, once. */
export interface Tiling {
  readonly cubes: readonly CubeStretch[];
  readonly scans: readonly Stretch[];
}

/** Stretches that are scanned apart beside cubes; beyond, the whole range is scanned. */
const MAX_SCANS = 16;

/**
 * Covers the slots with cells of cubes that can answer, the widest first, and leaves the rest to scans.
 * `cut_ms`: a scan knows nothing before it, so cubes have to be taken there.
 */
export function tileSlots(
  prepared: Prepared,
  cubes: readonly KpiCube[],
  cut_ms: () => number | undefined,
): Tiling {
  const { edges_ms } = prepared.slots;
  const start_ms = Math.max(edges_ms[0] as number, MIN_EVENT_TIME_MS);
  const end_ms = edges_ms.at(-1) as number;
  if (start_ms >= end_ms) return { cubes: [], scans: [] };
  let best: Tiling = { cubes: [], scans: [{ start_ms, end_ms }] };
  for (const family of familiesOf(cubes)) {
    const isFull = family.some(({ full_days }) => full_days.length > 0);
    const tiling = tile(edges_ms, family, (isFull ? cut_ms() : undefined) ?? Number.NEGATIVE_INFINITY);
    if (lengthOf(tiling.scans) < lengthOf(best.scans)) best = tiling;
  }
  const isPoor = best.scans.length > MAX_SCANS || lengthOf(best.scans) * 2 > end_ms - start_ms;
  const isBehind = best.cubes.length > 0 && isPoor && start_ms < (cut_ms() ?? start_ms);
  return isPoor && !isBehind ? { cubes: [], scans: [{ start_ms, end_ms }] } : best;
}

/** Whether the cells of a cube hold the sums that a query asks for, by the same groups and filters. */
export function canAnswer(
  { query, seriesBy, filters, members, ...needs }: Prepared,
  { dimensions }: Pick<CubeInfo, 'dimensions'>,
): boolean {
  // What a tenant defined is in no cube.
  if (needs.measures.some(isOwn)) return false;
  if (members.length > 0 || needs.observed.length > 0 || needs.distributions.length > 0) return false;
  if (query.as_of !== undefined) return false;
  const asked = [...seriesBy, ...filters.map(({ dimension }) => dimension)];
  const has = (dimension: string): boolean => dimension === 'currency' || dimensions.includes(dimension);
  if (!asked.every(has)) return false;
  // A row counts once in each cell of its items: cells of several must not be added up.
  return dimensions.filter(isItemDimension).every((dimension) => {
    const filter = filters.find((each) => each.dimension === dimension);
    return seriesBy.includes(dimension) || (filter !== undefined && !filter.not && filter.values.size === 1);
  });
}

/** Cubes of the same dimensions in several widths, the widest first; those of fewest dimensions first. */
function familiesOf(cubes: readonly KpiCube[]): KpiCube[][] {
  const families = new Map<string, KpiCube[]>();
  for (const cube of cubes) {
    const dimensions = cube.info.dimensions.toSorted().join('+');
    const family = families.get(dimensions);
    if (family === undefined) families.set(dimensions, [cube]);
    else family.push(cube);
  }
  for (const family of families.values()) family.sort((a, b) => b.info.bucket_ms - a.info.bucket_ms);
  return [...families.values()].sort(
    (a, b) => (a[0]?.info.dimensions.length ?? 0) - (b[0]?.info.dimensions.length ?? 0),
  );
}

/** Widest cells first; what they leave goes to the next width, and what all leave to scans. */
function tile(edges_ms: readonly number[], family: readonly KpiCube[], cut_ms: number): Tiling {
  const levels = family.map((cube) => ({ cube, stretches: [] as Mutable[] }));
  const scans: Mutable[] = [];
  const cover = (level: number, start_ms: number, end_ms: number): void => {
    if (start_ms >= end_ms) return;
    const at = levels[level];
    if (at === undefined) {
      push(scans, start_ms, end_ms);
      return;
    }
    const { bucket_ms } = at.cube.info;
    let left_ms = start_ms;
    for (const whole of keptOf(at.cube, start_ms, end_ms, cut_ms)) {
      const first_ms = Math.ceil(whole.start_ms / bucket_ms) * bucket_ms;
      const last_ms = Math.floor(whole.end_ms / bucket_ms) * bucket_ms;
      if (first_ms >= last_ms) continue;
      cover(level + 1, left_ms, first_ms);
      push(at.stretches, first_ms, last_ms);
      left_ms = last_ms;
    }
    cover(level + 1, left_ms, end_ms);
  };
  for (let slot = 0; slot + 1 < edges_ms.length; slot++) {
    cover(0, Math.max(edges_ms[slot] as number, MIN_EVENT_TIME_MS), edges_ms[slot + 1] as number);
  }
  return {
    cubes: levels.flatMap(({ cube, stretches }) => stretches.map((each) => ({ cube, ...each }))),
    scans,
  };
}

/** The stretches of a range in which a cube is complete and tells all values apart, where a scan can do better. */
function keptOf(
  { from_ms, full_days }: KpiCube,
  start_ms: number,
  end_ms: number,
  cut_ms: number,
): Stretch[] {
  const kept: Stretch[] = [];
  let left_ms = Math.max(start_ms, from_ms);
  for (const day_ms of full_days) {
    if (day_ms < cut_ms || day_ms + DAY_MS <= left_ms || day_ms >= end_ms) continue;
    if (day_ms > left_ms) kept.push({ start_ms: left_ms, end_ms: day_ms });
    left_ms = day_ms + DAY_MS;
  }
  if (left_ms < end_ms) kept.push({ start_ms: left_ms, end_ms });
  return kept;
}

interface Mutable {
  start_ms: number;
  end_ms: number;
}

/** Stretches come in order of time; those that touch are one. */
function push(stretches: Mutable[], start_ms: number, end_ms: number): void {
  const last = stretches.at(-1);
  if (last?.end_ms === start_ms) last.end_ms = end_ms;
  else stretches.push({ start_ms, end_ms });
}

function lengthOf(stretches: readonly Stretch[]): number {
  return stretches.reduce((sum, { start_ms, end_ms }) => sum + end_ms - start_ms, 0);
}
