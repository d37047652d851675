import { describe, expect, it } from 'vitest';
import { type CellRow, readCells } from '../../operators/index.ts';
import { fc } from '../../test/property.ts';
import { CubeStore, type Fact, TENANT } from '../kpis/fixture-kpis.ts';
import { cubeOf, MEASURES } from '../model/index.ts';
import { CellScan } from './cell-scan.ts';

const amount = fc.oneof(
  fc.integer({ min: -300, max: 300 }),
  fc.maxSafeInteger(),
  fc.bigInt({ min: -(2n ** 80n), max: 2n ** 80n }),
);
const fact: fc.Arbitrary<Fact> = fc.record({
  at: fc.integer({ min: 0, max: 3 * 1_440 }).map((minutes) => Date.UTC(2025, 0, 1) + minutes * 60_000),
  unit: fc.constantFrom('', 'GBP', 'JPY'),
  dimensions: fc.record({
    country: fc.constantFrom('', 'GB', 'é\0ü', 'FR'),
    channel: fc.constantFrom('', 'web'),
  }),
  sums: fc.dictionary(fc.constantFrom(...MEASURES), amount, { maxKeys: 6 }),
  members: fc.array(fc.integer({ min: 0, max: 50 }), { maxLength: 40 }),
});

describe('CellScan', () => {
  it('reads what readCells reads', () => {
    const cube = cubeOf(['channel', 'country']);
    fc.assert(
      fc.property(fc.array(fact, { maxLength: 30 }), fc.constantFrom(0, 1, 2), (facts, granularity) => {
        const { tables } = new CubeStore(facts, [cube]);
        const [start_ms, end_ms] = [Date.UTC(2025, 0, 1), Date.UTC(2025, 0, 3)];
        const scope = TENANT;
        const query = { scope, cube, granularity, start_ms, end_ms, measures: MEASURES.length };
        const cells = [tables('cubes/cells'), tables('cubes/details')] as const;
        const expected = [...readCells(...cells, { ...query, withDetail: true })];
        const keys: Pick<CellRow, 'values' | 'unit'>[] = [];
        const scan = new CellScan(...cells, {
          scope,
          cube: cube.name,
          dimensions: 2,
          measures: MEASURES,
          withDetail: true,
          classify: (values, unit) => keys.push({ values, unit }) - 1,
        });
        const got: CellRow[] = [];
        scan.visit(granularity, start_ms, end_ms, (series, bucket_ms, sums, detail) => {
          const key = keys[series] ?? { values: [], unit: '' };
          got.push({ ...key, bucket_ms, cell: { sums: [...sums], detail, spilled: false } });
        });
        const plain = expected.map((row) => ({ ...row, cell: { ...row.cell, spilled: false } }));
        expect(got).toEqual(plain);
      }),
      { numRuns: 60 },
    );
  });
});
