import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SeededRandom, type Stream } from '../engine/index.ts';
import { cubeViews, readCardinality, readCube } from './cube-read.ts';
import type { CubeDefinition, CubeRow, Granularity } from './cube-types.ts';
import { OTHER } from './cube-types.ts';
import { type CubesConfig, cubes } from './cubes.ts';
import { countDistinct } from './distinct.ts';
import { Pipeline } from './fixture.ts';
import { watermark } from './watermark.ts';

const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;
const T = Date.UTC(2025, 5, 1);
const MEASURES = 3;
const GRANULARITIES: readonly Granularity[] = [
  { name: '1m', bucket_ms: MINUTE_MS, retain_ms: 2 * DAY_MS },
  { name: '1d', bucket_ms: DAY_MS },
];
const CUBES: readonly CubeDefinition[] = [
  { name: 'total', dimensions: [], mask: 1 },
  { name: 'a', dimensions: ['a'], mask: 1 },
  { name: 'b+a', dimensions: ['b', 'a'], mask: 2 },
  { name: 'a+b+c', dimensions: ['a', 'b', 'c'], mask: 1 },
  { name: 'c+a+b', dimensions: ['c', 'a', 'b'], mask: 3 },
];

const build =
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

const row = (given: Partial<CubeRow>): CubeRow => ({
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

type Cells = Map<string, unknown>;

/** All cells of a cube and granularity, sums as text, without those that are nothing. */
function cellsOf(
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
        expect(found.has(key), `cell ${key} comes once`).toBe(false);
        found.set(key, described);
      }
    }
    return new Map([...found].sort());
  });
}

/** The same from the rows by plain maps. */
function expectedCells(
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

const HUGE = Number.MAX_SAFE_INTEGER;
const anyRow: fc.Arbitrary<CubeRow> = fc.record({
  scope: fc.constantFrom('s', 't'),
  time_ms: fc.integer({ min: 0, max: 40 }).map((step) => T + step * 3_333_333),
  unit: fc.constantFrom('EUR', ''),
  dimensions: fc.tuple(fc.constantFrom('', 'x', 'ü'), fc.constantFrom('', 'x'), fc.constantFrom('', 'z')),
  mask: fc.constantFrom(1, 2, 3),
  sums: fc
    .array(
      fc.tuple(fc.nat(MEASURES - 1), fc.oneof(fc.integer(), fc.constantFrom(HUGE, -HUGE, 2 ** 52, -1))),
      { maxLength: 3 },
    )
    .map((pairs) => pairs.flat()),
  observed: fc.array(fc.tuple(fc.nat(1), fc.integer()), { maxLength: 2 }).map((pairs) => pairs.flat()),
  member: fc.constantFrom(-1, -1, 1, 2, HUGE),
});

describe('cubes', () => {
  it('say what plain maps over the rows say, for any batches, commits, folds and restarts', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(anyRow, { maxLength: 40 }), fc.integer(), async (rows, seed) => {
        const random = new SeededRandom(seed);
        const limits = {
          fold_max_entries: random.pick([1, 5, 1_000]),
          fold_max_commits: random.pick([1, 3, 1_000]),
        };
        let pipeline = await Pipeline.start(build(limits));
        for (let at = 0; at < rows.length; ) {
          const size = random.int(1, 6);
          await pipeline.push(...rows.slice(at, at + size));
          at += size;
          if (random.chance(0.5)) pipeline.commit();
          if (random.chance(0.2)) {
            pipeline.commit();
            pipeline = await pipeline.restart();
          }
        }
        pipeline.commit();
        for (const cube of CUBES) {
          for (const granularity of GRANULARITIES.keys()) {
            expect(cellsOf(pipeline, cube, granularity), cube.name).toEqual(
              expectedCells(rows, cube, granularity),
            );
          }
        }
      }),
      { numRuns: 60 },
    );
  });

  it('their digest depends on the rows, not on batches, commits and folds', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(anyRow, { minLength: 1, maxLength: 20 }),
        fc.integer(),
        async (rows, seed) => {
          const random = new SeededRandom(seed);
          const newest = row({ scope: 's', time_ms: T + 2 * DAY_MS });
          const digest = async (order: readonly CubeRow[], fold: number): Promise<string> => {
            const pipeline = await Pipeline.start(build({ fold_max_entries: fold, fold_max_commits: fold }));
            for (const one of order) {
              await pipeline.push(one);
              if (random.chance(0.4)) pipeline.commit();
            }
            await pipeline.push(newest);
            pipeline.commit();
            return pipeline.digest();
          };
          const straight = await digest(rows, 1_000);
          expect(await digest(random.shuffled(rows), 1)).toBe(straight);
          expect(await digest([...rows, row({ sums: [1, 1] })], 2)).not.toBe(straight);
        },
      ),
      { numRuns: 40 },
    );
  });

  it('sums beyond 2^53 are exact, also across folds and back again', async () => {
    const pipeline = await Pipeline.start(build({ fold_max_entries: 1 }));
    const sums = (): unknown =>
      ([...cellsOf(pipeline, CUBES[0] as CubeDefinition, 1).values()][0] as [string[]])[0][0];
    for (let left = 3; left > 0; left--) {
      await pipeline.push(...Array.from({ length: 5 }, () => row({ sums: [0, HUGE] })));
      pipeline.commit();
    }
    expect(sums()).toBe(String(15n * BigInt(HUGE)));
    await pipeline.push(
      ...Array.from({ length: 15 }, () => row({ sums: [0, -HUGE] })),
      row({ sums: [0, 7] }),
    );
    pipeline.commit();
    expect(sums()).toBe('7');
  });

  it('a contribution that is taken back leaves no number behind', async () => {
    const pipeline = await Pipeline.start(build({ fold_max_entries: 1 }));
    await pipeline.push(row({ sums: [0, 1] }));
    pipeline.commit();
    await pipeline.push(row({ sums: [0, -1] }), row({ sums: [0, 1], dimensions: ['other', '', ''] }));
    pipeline.commit();
    expect([...cellsOf(pipeline, CUBES[1] as CubeDefinition, 1).keys()]).toEqual([
      JSON.stringify(['s', T, 'EUR', 'other']),
    ]);
  });

  it('values that hold separators of keys stay apart', async () => {
    const pipeline = await Pipeline.start(build({ fold_max_entries: 1 }));
    const rows = [
      row({ dimensions: ['x\0', 'y', 'z'] }),
      row({ dimensions: ['x', '\0y', 'z'] }),
      row({ dimensions: ['x', 'y\0', 'z'], unit: 'EUR\0' }),
    ];
    await pipeline.push(...rows);
    pipeline.commit();
    for (const cube of CUBES) expect(cellsOf(pipeline, cube, 1)).toEqual(expectedCells(rows, cube, 1));
  });

  it('fine buckets go after their retention, coarse ones stay', async () => {
    const pipeline = await Pipeline.start(build({ fold_max_entries: 1 }));
    await pipeline.push(row({}));
    pipeline.commit();
    await pipeline.push(row({ time_ms: T + 5 * DAY_MS }));
    for (let left = 20; left > 0; left--) pipeline.commit();
    const total = CUBES[0] as CubeDefinition;
    expect([...cellsOf(pipeline, total, 0).keys()]).toEqual([JSON.stringify(['s', T + 5 * DAY_MS, 'EUR'])]);
    expect(cellsOf(pipeline, total, 1).size).toBe(2);
    await pipeline.push(row({ sums: [0, 10] }));
    pipeline.commit();
    expect([...cellsOf(pipeline, total, 1).values()][0]).toEqual([['11', '0', '0'], [0, 0], 0]);
  });

  it('a full day sends new values to __other__; known ones keep their cells', async () => {
    const pipeline = await Pipeline.start(build({ cells_per_day: 2, fold_max_entries: 1 }));
    for (const value of ['p', 'q', 'r', 'p', 's', 'r']) {
      await pipeline.push(
        row({ dimensions: [value, '', ''] }),
        row({ dimensions: [value, '', ''], time_ms: T + DAY_MS }),
      );
      pipeline.commit();
    }
    const counts = new Map(
      [...cellsOf(pipeline, CUBES[1] as CubeDefinition, 1)].map(([key, value]) => [
        key,
        (value as [string[]])[0][0],
      ]),
    );
    for (const day of [T, T + DAY_MS]) {
      const of = (value: string): unknown => counts.get(JSON.stringify(['s', day, 'EUR', value]));
      expect([of('p'), of('q'), of(OTHER), of('r'), of('s')]).toEqual(['2', '1', '3', undefined, undefined]);
    }
    const fullness = pipeline.disk
      .reader()
      .snapshot((table) => [...readCardinality(table('cubes/cardinality'), 's', 'a', T, T + DAY_MS)]);
    expect(fullness).toMatchObject([{ cube: 'a', day_ms: T, cells: 2 }]);
    expect(fullness[0]?.other_rows).toBeGreaterThan(0);
  });

  it('takes very many observations of one cell in one commit', async () => {
    const pipeline = await Pipeline.start(build({ fold_max_entries: 1 }));
    const many = Array.from({ length: 150_000 }, (_, index) => row({ member: index, observed: [0, index] }));
    await pipeline.push(...many.slice(0, 75_000));
    await pipeline.push(...many.slice(75_000));
    pipeline.commit();
    const [cell] = [...cellsOf(pipeline, CUBES[0] as CubeDefinition, 1).values()] as [
      [string[], number[], number],
    ];
    expect([cell[0][0], cell[1][0]]).toEqual(['150000', 150_000]);
  });

  it('asks for a barrier when too many cells wait', async () => {
    const pipeline = await Pipeline.start(build({ delta_max_cells: 10 }));
    await pipeline.push(...Array.from({ length: 20 }, (_, index) => row({ time_ms: T + index * MINUTE_MS })));
    expect(pipeline.progress?.commit).toBe(1);
  });
});
