import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { codeOf, startTestApi, type TestApi } from '../../fixture-api.ts';

let test: TestApi;
let key: string;

beforeEach(async () => {
  test = await startTestApi();
  key = await test.key('viewer');
  const writer = await test.key('ingest');
  const touch = (n: number, campaign: string) => ({
    ...{ event_id: `t${n}`, type: 'visit', time: `2025-08-0${n}T10:00:00Z`, customer_id: 'c', campaign },
  });
  const order = {
    ...{ event_id: 'o', type: 'order.created', time: '2025-08-09T10:00:00Z', customer_id: 'c' },
    ...{ order_id: 'o1', amount: 900, currency: 'EUR' },
  };
  const spend = { event_id: 's', type: 'campaign.spend', time: '2025-08-02T00:00:00Z', campaign: 'a' };
  const events = [touch(1, 'a'), touch(2, 'b'), touch(3, 'a'), order];
  const json = [...events, { ...spend, amount: 300, currency: 'EUR' }];
  expect((await test.send('/ingest', { key: writer, json })).status).toBe(202);
  await test.apply();
});
afterEach(() => test.close());

const QUERY = { start: '2025-08-01T00:00:00Z', end: '2025-08-31T23:59:59Z', group_by: ['campaign'] };

async function ask(path: string, json: object): Promise<Record<string, unknown>> {
  const response = await test.send(path, { key, json: { ...QUERY, ...json } });
  expect(response.status).toBe(200);
  return (await response.json()) as Record<string, unknown>;
}

describe('attribution', () => {
  it('answers one method with what was spent', async () => {
    const answer = await ask('/attribution/query', { method: 'linear' });
    expect(answer).toMatchObject({
      ...{ method: 'linear', currency: 'EUR', totals: { conversions: 1, revenue: 900, spend: 300 } },
      results: [
        {
          key: { campaign: 'a' },
          conversions: 0.666667,
          revenue: 600,
          spend: 300,
          roas: 2,
          roi: 1,
          cac: 450,
        },
        { key: { campaign: 'b' }, revenue: 300, spend: 0, roas: null },
      ],
      meta: { source: 'scan' },
    });
    expect(await ask('/marketing/roi', {})).toMatchObject({ method: 'last_non_direct' });
    expect(await ask('/marketing/multi-touch', {})).toMatchObject({ method: 'position' });
  });

  it('compares methods on the same journeys', async () => {
    const answer = await ask('/attribution/compare', { methods: ['last_touch', 'shapley'] });
    expect(answer.results).toMatchObject([
      { key: { campaign: 'a' }, methods: { last_touch: { revenue: 900 }, shapley: { revenue: 450 } } },
      { key: { campaign: 'b' }, methods: { last_touch: { revenue: 0 }, shapley: { revenue: 450 } } },
    ]);
  });

  it('refuses what it does not know by name', async () => {
    const refused = async (json: object) =>
      codeOf(await test.send('/attribution/query', { key, json: { ...QUERY, ...json } }));
    expect(await refused({ method: 'magic' })).toBe('validation_failed');
    expect(await refused({ lookback: '0d' })).toBe('validation_failed');
    expect(await refused({ currency: 'USD' })).toBe('fx_rate_missing');
  });
});
