import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { codeOf, orderEvent, startTestApi, type TestApi } from '../../fixture-api.ts';

let test: TestApi;
let key: string;

beforeEach(async () => {
  test = await startTestApi();
  key = await test.key('admin');
});
afterEach(() => test.close());

const QUERY = { start: '2025-09-01T00:00:00Z', end: '2025-09-30T23:59:59Z' };

interface RfmAnswer {
  readonly query_id: string;
  readonly customers_total: number;
  readonly customers: readonly { readonly customer_id: string | null; readonly monetary: number }[];
  readonly next_cursor: string | null;
  readonly meta: Readonly<Record<string, unknown>>;
}

async function send(...events: unknown[]): Promise<void> {
  expect((await test.send('/ingest', { key, json: events })).status).toBe(202);
  await test.apply();
}

async function ask(json: object): Promise<RfmAnswer> {
  const response = await test.send('/customers/rfm', { key, json });
  expect(response.status).toBe(200);
  return (await response.json()) as RfmAnswer;
}

const order = (n: number, amount: number) =>
  orderEvent(`e${n}`, { order_id: `o${n}`, customer_id: `c${n}`, amount });

describe('POST /customers/rfm', () => {
  it('names customers by the ids of their events, page by page of one state', async () => {
    await send(...[100, 200, 300, 400, 500].map((amount, at) => order(at, amount)));
    const first = await ask({ ...QUERY, limit: 2 });
    expect(first).toMatchObject({ customers_total: 5, meta: { source: 'scan', timezone: 'UTC' } });
    expect(first.customers).toMatchObject([
      { customer_id: 'c4', monetary: 500 },
      { customer_id: 'c3', monetary: 400 },
    ]);
    await send(order(9, 10_000));
    const second = await ask({ ...QUERY, limit: 2, cursor: first.next_cursor });
    expect(second.customers.map(({ customer_id }) => customer_id)).toEqual(['c2', 'c1']);
    const third = await ask({ ...QUERY, limit: 2, cursor: second.next_cursor });
    expect(third).toMatchObject({ customers: [{ customer_id: 'c0' }], next_cursor: null });
    expect((await ask({ ...QUERY, limit: 1 })).customers[0]?.customer_id).toBe('c9');
    expect((await ask({ ...QUERY, as_of: { query_id: first.query_id } })).customers_total).toBe(5);
  });

  it('names customers whose orders were changed by events that name no customer', async () => {
    await send(order(1, 100), order(2, 200));
    await send({
      ...orderEvent('u1', { order_id: 'o1', amount: 900 }),
      type: 'order.updated',
      customer_id: null,
    });
    // The update before the order, both in one message of many.
    await send(
      { ...orderEvent('u3', { order_id: 'o3', amount: 300 }), type: 'order.updated', customer_id: null },
      order(3, 1),
    );
    await send({ ...orderEvent('x4', { order_id: 'o4' }), customer_id: null });
    await send({
      ...orderEvent('u4', { order_id: 'o4', amount: 7 }),
      type: 'order.updated',
      customer_id: 'c4',
    });
    const { customers } = await ask({ ...QUERY, limit: 10 });
    expect(customers.map(({ customer_id }) => customer_id)).toEqual(['c4', 'c1', 'c3', 'c2']);
  });

  it('answers its plan, and refuses what is wrong by name', async () => {
    await send(order(1, 100));
    const planned = await test.send('/customers/rfm?dry_run=true', { key, json: QUERY });
    expect(await planned.json()).toMatchObject({ dry_run: true, plan: { rows: 1, runs: 'inline' } });
    const refused = async (json: object) =>
      codeOf(await test.send('/customers/rfm', { key, json: { ...QUERY, ...json } }));
    expect(await refused({ scoring: 'fixed' })).toBe('validation_failed');
    expect(await refused({ cursor: 'x' })).toBe('invalid_cursor');
    const { next_cursor } = await ask({ ...QUERY, limit: 0 });
    expect(next_cursor).toBeNull();
    expect(await refused({ filters: { planet: 'x' } })).toBe('validation_failed');
    expect(await refused({ end: '2025-08-01T00:00:00Z' })).toBe('invalid_range');
  });
});
