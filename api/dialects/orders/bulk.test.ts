import { describe, expect, it } from 'vitest';
import {
  admin,
  HEAD,
  imported,
  type Json,
  large,
  one,
  ROWS,
  settled,
  stateOf,
  test,
  useImports,
} from './fixture-imports.ts';

useImports();

describe('changes of many orders', () => {
  const act = async (path: string, json: unknown, key = admin) => {
    const response = await test.send(path, { key, json });
    return { status: response.status, json: (await response.json()) as Json };
  };

  it('are events, and errors of their rows where the state does not allow them', async () => {
    await imported(
      [
        HEAD,
        'B1,a@b,c,1,1,,',
        'B2,a@b,c,1,1,,confirmed',
        'B3,a@b,c,1,1,,delivered',
        'B4,a@b,c,1,1,,cancelled',
      ].join('\n'),
    );
    const order_ids = ['B1', 'B2', 'B3', 'nobody', 'B1'];
    const confirmed = await act('/api/v1/orders/bulk/status', { order_ids, status: 'confirmed' });
    expect(confirmed).toMatchObject({
      status: 200,
      json: {
        ...{ succeeded: 1, failed: 4 },
        results: [
          { order_id: 'B1', ok: true, status: 'confirmed' },
          { order_id: 'B2', ok: false, error: { code: 'wrong_state', message: 'it is confirmed already' } },
          { order_id: 'B3', ok: false, error: { code: 'wrong_state' } },
          { order_id: 'nobody', ok: false, error: { code: 'not_found' } },
          { order_id: 'B1', ok: false, error: { code: 'duplicate' } },
        ],
      },
    });
    const shipped = await act('/api/v1/orders/bulk/ship', {
      shipments: [
        { order_id: 'B1', tracking_number: 'T-1', carrier: 'UPS' },
        { order_id: 'B4', tracking_number: 'T-4' },
      ],
    });
    expect(shipped.json).toMatchObject({ succeeded: 1, failed: 1 });
    const cancelled = await act('/api/v1/orders/bulk/cancel', {
      order_ids: ['B1', 'B2'],
      reason: 'out of stock',
    });
    expect(cancelled.json).toMatchObject({
      ...{ succeeded: 1, failed: 1 },
      results: [
        { order_id: 'B1', error: { message: 'it is shipped: it cannot be cancelled any more' } },
        { order_id: 'B2', ok: true, status: 'cancelled' },
      ],
    });
    expect(await one('B1')).toMatchObject({ status: 'shipped' });
    expect(await one('B2')).toMatchObject({ status: 'cancelled' });
    const own = await act('/api/v1/orders/bulk/status', { order_ids: ['B3'], status: 'Returned' });
    expect(own.json).toMatchObject({ succeeded: 1 });
    expect(await one('B3')).toMatchObject({ status: 'returned' });
    const range = { start: '2025-09-01T00:00:00Z', end: '2025-09-02T00:00:00Z' };
    const kpis = await test.send('/kpis/query', {
      ...{
        key: admin,
        json: { ...range, metrics: ['orders_cancelled'], filters: { reason: 'out of stock' } },
      },
    });
    expect(await kpis.json()).toMatchObject({ groups: [{ totals: { orders_cancelled: 1 } }] });
  });

  it('say what is wrong with the request', async () => {
    const key = await test.key('viewer');
    const body = { order_ids: ['B1'], status: 'confirmed' };
    expect((await act('/api/v1/orders/bulk/status', body, key)).status).toBe(403);
    expect(await act('/api/v1/orders/bulk/status', { order_ids: [], status: 'x' })).toMatchObject({
      ...{ status: 422, json: { code: 'validation_failed' } },
    });
    for (const status of ['   ', '\u00a0', '--'])
      expect(await act('/api/v1/orders/bulk/status', { order_ids: ['B1'], status })).toMatchObject({
        ...{ status: 422, json: { errors: { status: ['must have a letter or a digit'] } } },
      });
    expect((await act('/api/v1/orders/bulk/cancel', { order_ids: ['B1'] })).status).toBe(422);
    const url = { shipments: [{ order_id: 'B1', tracking_number: '1', tracking_url: 'no url' }] };
    expect((await act('/api/v1/orders/bulk/ship', url)).status).toBe(422);
  });
});

describe('the export of orders', () => {
  const file = async (json: unknown, key = admin): Promise<Response> =>
    test.send('/api/v1/orders/bulk/export', { key, json });

  it('is a CSV file of one state, whatever its size', async () => {
    await imported(large(ROWS, 'w'), { source: 'w' });
    await settled();
    const response = await file({
      filters: { source: 'w' },
      columns: ['order_number', 'total', 'customer_email'],
    });
    expect([response.status, response.headers.get('content-type')]).toEqual([200, 'text/csv; charset=utf-8']);
    const lines = (await response.text()).trimEnd().split('\r\n');
    expect(lines[0]).toBe('order_number,total,customer_email');
    const orders = (await stateOf('w')).map((text) => JSON.parse(text) as { id: string; total: string });
    expect(
      lines
        .slice(1)
        .map((line) => line.split(',').slice(0, 2).join(','))
        .sort(),
    ).toEqual(orders.map(({ id, total }) => `w-${id},${total}`).sort());
  });

  it('filters, and makes no formula of a text', async () => {
    await imported(`${HEAD}\n=1+1,a@b,c,1,1,,on_hold`);
    await settled();
    const response = await file({ filters: { status: 'on_hold' } });
    expect((await response.text()).split('\r\n')[1]).toMatch(
      /^'=1\+1,,1\.00,EUR,on_hold,pending,2025-09-01T/,
    );
    for (const [json, status] of [
      [{ columns: ['color'] }, 422],
      [{ filters: { state: 'x' } }, 422],
      [{ filters: { date_from: 'x' } }, 422],
    ] as const)
      expect((await file(json)).status).toBe(status);
    expect((await file({}, await test.key('viewer'))).status).toBe(403);
  });
});
