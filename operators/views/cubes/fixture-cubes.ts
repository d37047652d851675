import type { Stream } from '../../../engine/index.ts';
import { countDistinct } from '../../aggregates/index.ts';
import { watermark } from '../../core/index.ts';
import type { Pipeline } from '../../fixture-pipeline.ts';
import { cubeViews, readCube } from './cube-read.ts';
import type { CubeDefinition, CubeRow, Granularity } from './cube-types.ts';
import { type CubesConfig, cubes } from './cubes.ts';

export const MINUTE_MS = 60_000;
export const DAY_MS = 86_400_000;
export const T = Date.UTC(2025, 5, 1);
export const MEASURES = 3;
export const GRANULARITIES: readonly Granularity[] = [
  { name: '1m', bucket_ms: MINUTE_MS, retain_ms: 2 * DAY_MS },
  { name: '1d', bucket_ms: DAY_MS },
];
export const CUBES: readonly CubeDefinition[] = [
  { name: 'total', dimensions: [], mask: 1 },
  { name: 'a', dimensions: ['a'], mask: 1 },
  { name: 'b+a', dimensions: ['b', 'a'], mask: 2 },
  { name: 'a+b+c', dimensions: ['a', 'b', 'c'], mask: 1 },
  { name: 'c+a+b', dimensions: ['c', 'a', 'b'], mask: 3 },
];

export const build =
  (config: Partial<CubesConfig>) =>
  (input: Stream<CubeRow>): Stream<never> =>
    input.pipe(
      watermark<CubeRow>('watermark', {
        timeOf: ({ time_ms }) => time_ms,
        outOfOrderness_ms: 0,
        idle_ms: DAY_MS,
        late: ({ scope }) => ({ scope, sequence: 0, detail: {} }),
      }),
      cubes('cubes', {
        dimensions: ['a', 'b', 'c'],
        cubes: CUBES,
        granularities: GRANULARITIES,
        measures: MEASURES,
        cells_per_day: 1_000,
        delta_max_cells: 1_000,
        fold_max_entries: 1_000,
        fold_max_commits: 1_000,
        ...config,
      }),
    );

export const row = (given: Partial<CubeRow>): CubeRow => ({
  scope: 's',
  time_ms: T,
  unit: 'EUR',
  dimensions: ['x', 'y', 'z'],
  mask: 1,
  sums: [0, 1],
  observed: [],
  member: -1,
  ...given,
});

export type Cells = Map<string, unknown>;

/** All cells of a cube and granularity, sums as text, without those that are nothing; each once. */
export function cellsOf(
  pipeline: Pipeline<CubeRow, never>,
  cube: CubeDefinition,
  granularity: number,
  scopes = ['s', 't'],
): Cells {
  const { bucket_ms: width_ms } = GRANULARITIES[granularity] as Granularity;
  return pipeline.disk.reader().snapshot((table) => {
    const found: Cells = new Map();
    for (const scope of scopes) {
      const query = {
        scope,
        cube,
        granularity,
        width_ms,
        start_ms: T - 10 * DAY_MS,
        end_ms: T + 100 * DAY_MS,
        measures: MEASURES,
        withDetail: true,
      };
      for (const { bucket_ms, values, unit, cell } of readCube(cubeViews(table, 'cubes'), query)) {
        const { detail } = cell;
        const counts = Array.from({ length: 2 }, (_, index) => detail?.distributions[index]?.count ?? 0);
        const described = [
          cell.sums.map(String),
          counts,
          detail === undefined ? 0 : countDistinct(detail.distinct).count,
        ];
        if (described.flat(2).every((value) => Number(value) === 0)) continue;
        const key = JSON.stringify([scope, bucket_ms, unit, ...values]);
        if (found.has(key)) throw new Error(`cell ${key} comes twice`);
        found.set(key, described);
      }
    }
    return new Map([...found].sort());
  });
}

/** The same from the rows by plain maps. */
export function expectedCells(
  rows: readonly CubeRow[],
  { dimensions, mask }: CubeDefinition,
  granularity: number,
): Cells {
  const { bucket_ms: width_ms } = GRANULARITIES[granularity] as Granularity;
  const cells = new Map<string, { sums: bigint[]; counts: number[]; members: Set<number> }>();
  for (const one of rows) {
    if ((one.mask & mask) === 0) continue;
    const values = dimensions.map((name) => one.dimensions[['a', 'b', 'c'].indexOf(name)]);
    const key = JSON.stringify([
      one.scope,
      Math.floor(one.time_ms / width_ms) * width_ms,
      one.unit,
      ...values,
    ]);
    const cell = cells.get(key) ?? { sums: [0n, 0n, 0n], counts: [0, 0], members: new Set() };
    cells.set(key, cell);
    for (let at = 0; at < one.sums.length; at += 2)
      (cell.sums[one.sums[at] as number] as bigint) += BigInt(one.sums[at + 1] as number);
    for (let at = 0; at < one.observed.length; at += 2) (cell.counts[one.observed[at] as number] as number)++;
    if (one.member >= 0) cell.members.add(one.member);
  }
  const described = [...cells].map(
    ([key, { sums, counts, members }]) => [key, [sums.map(String), counts, members.size]] as const,
  );
  return new Map(described.filter(([, value]) => value.flat(2).some((part) => Number(part) !== 0)).sort());
}
