import { type CubeRow, cubes, cubeViews, readCube, type Stream, TestDriver } from '../../index.ts';

const DAY_MS = 86_400_000;
const [ORDERS, REVENUE] = [0, 1];
const total = { name: 'total', dimensions: [], mask: 1 };
const byCountry = { name: 'country', dimensions: ['country'], mask: 1 };

const rollup = (orders: Stream<CubeRow>): Stream<never> =>
  orders.pipe(
    cubes('cubes', {
      dimensions: ['country'],
      cubes: [total, byCountry],
      granularities: [
        { name: '1m', bucket_ms: 60_000, retain_ms: 2 * DAY_MS },
        { name: '1d', bucket_ms: DAY_MS },
      ],
      measures: 2,
      cells_per_day: 100_000,
      delta_max_cells: 100_000,
      fold_max_entries: 100_000,
      fold_max_commits: 40,
    }),
  );

const order = (country: string, cents: number, time_ms: number): CubeRow => ({
  ...{ scope: 'shop', unit: 'EUR', mask: 1, observed: [], member: -1 },
  ...{ time_ms, dimensions: [country], sums: [ORDERS, 1, REVENUE, cents] },
});

export default async function example(): Promise<unknown[]> {
  const shop = await TestDriver.start(rollup);
  await shop.push(order('DE', 1_000, 5), order('FR', 700, 60_000), order('DE', 250, DAY_MS - 1));
  shop.commit();
  const day = {
    scope: 'shop',
    cube: byCountry,
    granularity: 1,
    width_ms: DAY_MS,
    start_ms: 0,
    end_ms: DAY_MS,
  };
  return shop.disk.reader().snapshot((table) => {
    const rows = readCube(cubeViews(table, 'cubes'), { ...day, measures: 2, withDetail: false });
    return [...rows].map(({ values, cell }) => [...values, ...cell.sums]);
  });
}

export const expected = [
  ['DE', 2, 1_250],
  ['FR', 1, 700],
];
