import { describe, expect, it } from 'vitest';
import { Pipeline } from '../../fixture-pipeline.ts';
import { readCardinality } from './cube-read.ts';
import { type CubeDefinition, OTHER } from './cube-types.ts';
import { build, CUBES, cellsOf, DAY_MS, MINUTE_MS, row, T } from './fixture-cubes.ts';

describe('limits of cubes', () => {
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
