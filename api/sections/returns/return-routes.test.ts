import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { codeOf, orderEvent, startTestApi, type TestApi } from '../../fixture-api.ts';

let test: TestApi;
let key: string;

const QUERY = { start: '2025-08-01T00:00:00Z', end: '2025-08-31T23:59:59Z' };

beforeEach(async () => {
  test = await startTestApi();
  key = await test.key('viewer');
  const writer = await test.key('ingest');
  const items = [
    { sku: 'shirt', quantity: 2, unit_price: 400 },
    { sku: 'socks', quantity: 1, unit_price: 200 },
  ];
  const order = (id: string) =>
    orderEvent(id, { time: '2025-08-05T10:00:00Z', order_id: id, amount: 1_000, items });
  const of = { order_id: 'a' };
  const json = [
    ...[order('a'), order('b')],
    { ...of, event_id: 'q', type: 'return.requested', time: '2025-08-10T10:00:00Z' },
    {
      ...{ ...of, event_id: 'v', type: 'return.received', time: '2025-08-12T10:00:00Z', reason: 'size' },
      items: [{ sku: 'shirt', quantity: 1, unit_price: 400 }],
    },
    { ...of, event_id: 'r', type: 'refund.issued', time: '2025-08-13T10:00:00Z', amount: 500 },
  ];
  expect((await test.send('/ingest', { key: writer, json })).status).toBe(202);
  await test.apply();
});
afterEach(() => test.close());

async function ask(path: string, json: object = {}): Promise<Record<string, unknown>> {
  const response = await test.send(path, { key, json: { ...QUERY, ...json } });
  expect(response.status).toBe(200);
  return (await response.json()) as Record<string, unknown>;
}

describe('returns and refunds', () => {
  it('ranks SKUs by what comes back of them', async () => {
    const answer = await ask('/returns/summary', { min_orders: 1, group_by: ['channel'] });
    expect(answer).toMatchObject({
      totals: { orders: 2, units_sold: 6, returns: 1, units_returned: 1, order_return_rate: 0.5 },
      skus: [
        { sku: 'shirt', units_sold: 4, units_returned: 1, unit_return_rate: 0.25 },
        { sku: 'socks', units_sold: 2, units_returned: 0, unit_return_rate: 0 },
      ],
      reasons: [{ reason: 'size', returns: 1, share: 1 }],
      processing: { requests: 1, finished_by_receipt: 1, open: 0, mean_hours: 48, p90_hours: 48 },
      groups: [{ key: { channel: 'web' }, returns: 1 }],
      meta: { source: 'scan' },
    });
    expect((await ask('/returns/summary')).skus).toEqual([]);
  });

  it('says what refunds take, and from where', async () => {
    const answer = await ask('/refunds/impact', { compare: 'previous_period' });
    expect(answer).toMatchObject({
      ...{ currency: 'GBP', totals: { gross: 2_000, refunds: 500, net: 1_500, refund_rate: 0.25 } },
      compared: {
        range: { start: '2025-07-01T00:00:00Z', end: '2025-08-01T00:00:00Z' },
        previous: { gross: 0, refund_rate: null },
        delta: { net: 1_500, refund_rate: null },
      },
      drivers: {
        channel: { values: [{ value: 'web', share_of_refunds: 1, contribution: 0.25 }] },
        // The refund is split over the lines of its order.
        sku: {
          values: [
            { value: 'shirt', refunds: 400 },
            { value: 'socks', refunds: 100 },
          ],
        },
      },
    });
  });

  it.each(['/returns/summary', '/refunds/impact'])(
    'plans %s, and refuses what is wrong by name',
    async (path) => {
      const planned = await test.send(`${path}?dry_run=true`, { key, json: QUERY });
      expect(await planned.json()).toMatchObject({ dry_run: true, plan: { rows: 7, runs: 'inline' } });
      const refused = async (json: object) =>
        codeOf(await test.send(path, { key, json: { ...QUERY, ...json } }));
      expect(await refused({ basis: 'customer' })).toBe('validation_failed');
      expect(await refused({ filters: { planet: 'x' } })).toBe('validation_failed');
      expect(await refused({ end: '2025-07-01T00:00:00Z' })).toBe('invalid_range');
      expect(await refused({ timezone: 'Mars' })).toBe('unknown_timezone');
      expect((await test.send(path, { json: QUERY })).status).toBe(401);
    },
  );
});
