import { afterAll, expect, it } from 'vitest';
import { ContractService } from './contract-service.ts';
import type { KpiAnswer } from './process.ts';
import { until } from './process.ts';
import { Scratch } from './scratch.ts';

const scratch = new Scratch();
afterAll(() => scratch.clean());

const TENANT = 'shop';
const ORDERS = 100;
const CAMPAIGNS = ['spring', 'summer', 'autumn'];
const QUERY = {
  metrics: ['orders_count', 'revenue'],
  ...{ start: '2025-03-01T00:00:00Z', end: '2025-04-01T00:00:00Z' },
};

const order = (index: number) => ({
  ...{ event_id: `o-${index}`, order_id: `o-${index}`, type: 'order.created', currency: 'EUR', amount: 100 },
  time: new Date(Date.UTC(2025, 2, 1) + index * 6 * 3_600_000).toISOString(),
  ...{ campaign: CAMPAIGNS[index % 3], channel: 'web', payment_method: index % 2 === 0 ? 'card' : 'cash' },
});
const countBy = (keyOf: (index: number) => string, count: number): Record<string, number> => {
  const counts: Record<string, number> = {};
  for (let index = 0; index < count; index++) counts[keyOf(index)] = (counts[keyOf(index)] ?? 0) + 1;
  return counts;
};

const CUBES = [
  { cube: 'campaign', group_by: ['campaign'], keyOf: (index: number) => `${CAMPAIGNS[index % 3]}` },
  {
    cube: 'channel+payment_method',
    group_by: ['channel', 'payment_method'],
    keyOf: (index: number) => `web+${index % 2 === 0 ? 'card' : 'cash'}`,
  },
];

function countsOf(
  { groups }: KpiAnswer,
  group_by: readonly string[],
): Record<string, number | null | undefined> {
  return Object.fromEntries(
    groups.map(({ key, totals }) => [group_by.map((name) => key[name]).join('+'), totals.orders_count]),
  );
}

it('a cube that is added later never answers for the time that it did not see', async () => {
  const dataDir = await scratch.dir('cubes');
  const before = await ContractService.start(scratch, { dataDir });
  await before.stream(
    TENANT,
    Array.from({ length: ORDERS }, (_, index) => order(index)),
  );
  await before.instance.untilApplied();
  for (const { group_by, keyOf } of CUBES) {
    const answer = await before.kpis(TENANT, { ...QUERY, group_by });
    expect(answer.meta.source).toBe('scan');
    expect(countsOf(answer, group_by)).toEqual(countBy(keyOf, ORDERS));
  }
  await before.stop();

  const after = await ContractService.start(scratch, {
    dataDir,
    env: { CUBES: CUBES.map(({ cube }) => cube).join() },
  });
  const seen: string[] = [];
  // From the first answer on, whoever gives it.
  for (const { group_by, keyOf } of CUBES) {
    const answer = await after.kpis(TENANT, { ...QUERY, group_by });
    seen.push(String(answer.meta.source));
    expect(countsOf(answer, group_by)).toEqual(countBy(keyOf, ORDERS));
  }
  await after.stream(TENANT, [order(ORDERS)]);
  await after.instance.untilApplied();
  for (const { cube, group_by, keyOf } of CUBES) {
    await until(
      async () => {
        const answer = await after.kpis(TENANT, { ...QUERY, group_by });
        seen.push(String(answer.meta.source));
        expect(countsOf(answer, group_by)).toEqual(countBy(keyOf, ORDERS + 1));
        expect(answer.meta.warnings).toEqual([]);
        return answer.meta.source === `rollup:${cube}@1d` ? true : undefined;
      },
      () => `the cube ${cube} answers; sources were ${seen.join()}`,
      30_000,
    );
  }
  await after.stop();
});
