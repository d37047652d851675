import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestApi, type TestApi } from '../../fixture-api.ts';

type Json = Record<string, unknown>;

let test: TestApi;
let viewer: string;
let admin: string;
let next = 0;

const event = (type: string, time: string, members: Json = {}): Json => ({
  ...{ event_id: `e-${++next}`, type, time, currency: 'EUR' },
  ...members,
});
const EVENTS: readonly Json[] = [
  ...Array.from({ length: 12 }, (_, at) =>
    event('order.created', `2025-08-${String(at + 1).padStart(2, '0')}T10:00:00Z`, {
      ...{
        order_id: `o${at}`,
        customer_id: `c${at % 3}`,
        amount: 1_000 + at,
        source: at % 2 === 0 ? 'shop' : 'app',
      },
      ...{ shipping: 250, tax: 40, payment_method: 'card' },
      items: [{ sku: 's1', name: 'Shirt', quantity: 1, unit_price: 1_000 + at }],
      data: {
        order_number: `ORD-${at}`,
        customer: { first_name: 'Ann', last_name: 'Lee', email: 'ann@example.com' },
        custom_fields: { priority_level: 'low', gift: true },
      },
    }),
  ),
  event('order.updated', '2025-08-20T10:00:00Z', {
    ...{ order_id: 'o3', amount: 2_000 },
    data: { custom_fields: { priority_level: 'high' }, notes: 'Ring twice' },
  }),
  event('order.delivered', '2025-08-21T10:00:00Z', { order_id: 'o3' }),
  event('payment.succeeded', '2025-08-02T10:00:00Z', { order_id: 'o1', amount: 1_291 }),
];

interface List {
  readonly data: readonly (Json & { readonly id: string })[];
  readonly total: number | null;
  readonly next_cursor: string | null;
}
async function get(path: string, key = viewer): Promise<{ readonly status: number; readonly json: Json }> {
  const response = await test.send(path, { key });
  return { status: response.status, json: (await response.json()) as Json };
}
async function list(query: string, key = viewer): Promise<List> {
  const { status, json } = await get(`/api/v1/orders?${query}`, key);
  expect(status, JSON.stringify(json)).toBe(200);
  return json as unknown as List;
}
const idsOf = ({ data }: List): readonly string[] => data.map(({ id }) => id);

beforeAll(async () => {
  test = await startTestApi();
  viewer = await test.key('viewer');
  admin = await test.key('admin');
  const sent = await test.send('/ingest', { key: admin, json: EVENTS });
  expect(await sent.json()).toMatchObject({ accepted: EVENTS.length });
  await test.apply();
});
afterAll(() => test.close());

describe('the list of orders', () => {
  it('has orders as they are now', async () => {
    const { status, json } = await get('/api/v1/orders/o3');
    expect(status).toBe(200);
    expect(json.data).toEqual({
      ...{ id: 'o3', order_number: 'ORD-3', status: 'delivered', payment_status: 'pending' },
      ...{ payment_method: 'card', source: 'app', currency: 'EUR' },
      ...{ total: '22.90', subtotal: '20.00', discount: null, shipping: '2.50', tax: '0.40' },
      ...{ paid: '0.00', refunded: '0.00' },
      customer: { id: 'c0', name: 'Ann Lee', email: 'ann@example.com', phone: null },
      items: [{ sku: 's1', name: 'Shirt', quantity: 1, price: '10.03' }],
      custom_fields: { priority_level: 'high', gift: true },
      notes: 'Ring twice',
      ...{ created_at: '2025-08-04T10:00:00.000Z', updated_at: '2025-08-21T10:00:00.000Z' },
    });
    expect((await get('/api/v1/orders/ORD-3')).json.data).toEqual(json.data);
    expect(await get('/api/v1/orders/nobody')).toMatchObject({ status: 404, json: { code: 'not_found' } });
  });

  it('filters, and pages without losing one while events arrive', async () => {
    expect(idsOf(await list('status=delivered'))).toEqual(['o3']);
    expect(idsOf(await list('status=delivered,pending&limit=2'))).toEqual(['o11', 'o10']);
    expect(idsOf(await list('payment_status=paid'))).toEqual(['o1']);
    expect(idsOf(await list('date_from=2025-08-03&date_to=2025-08-04&order=asc'))).toEqual(['o2', 'o3']);
    expect((await list('source=shop&customer_id=c0')).data.map(({ id }) => id)).toEqual(['o6', 'o0']);
    const seen: string[] = [];
    let cursor = '';
    for (let page = 0; ; page++) {
      const found = await list(`limit=5${cursor}`);
      expect(found.total).toBe(12);
      seen.push(...idsOf(found));
      if (found.next_cursor === null) break;
      cursor = `&cursor=${encodeURIComponent(found.next_cursor)}`;
      const late = event('order.created', '2025-08-06T09:00:00Z', { order_id: `late${page}`, amount: 1 });
      await test.send('/ingest', { key: admin, json: late });
      await test.apply();
    }
    expect(seen).toEqual(Array.from({ length: 12 }, (_, at) => `o${11 - at}`));
    expect(await get(`/api/v1/orders?limit=5&status=x${cursor}`)).toMatchObject({
      status: 422,
      json: { code: 'cursor_mismatch' },
    });
  });

  it('has pages by status without a count, the same orders', async () => {
    const [counted, page] = [await list('status=pending'), await list('status=pending&count=false&limit=3')];
    const next = await list(
      `status=pending&count=false&limit=3&cursor=${encodeURIComponent(page.next_cursor ?? '')}`,
    );
    expect([counted.total, page.total, next.total]).toEqual([counted.data.length, null, null]);
    expect([...idsOf(page), ...idsOf(next)]).toEqual(idsOf(counted).slice(0, 6));
  });

  it('says what is wrong', async () => {
    const refused = async (query: string) => {
      const { status, json } = await get(`/api/v1/orders?${query}`);
      return [status, Object.keys((json.errors ?? {}) as Json)];
    };
    expect(await refused('date_from=yesterday')).toEqual([422, ['date_from']]);
    expect(await refused('date_from=2025-08-02&date_to=2025-08-01')).toEqual([422, ['date_to']]);
    expect(await refused('payment_status=often')).toEqual([422, ['payment_status']]);
    expect(await refused('state=new')).toEqual([422, ['state']]);
    expect(await refused('custom_fields[color]=red')).toEqual([422, ['custom_fields.color']]);
    expect(await refused('limit=0')).toEqual([422, ['limit']]);
    expect(await refused('count=maybe')).toEqual([422, ['count']]);
    expect(await refused('status=%20')).toEqual([422, ['status']]);
    expect((await test.send('/api/v1/orders')).status).toBe(401);
    expect((await get('/api/v1/orders', await test.key('ingest'))).status).toBe(403);
  });

  it('masks what the tenant masks', async () => {
    const patch = { pii_fields: ['customer_id', 'data.customer.email', 'amount'] };
    await test.send('/settings', { key: admin, method: 'PATCH', json: patch });
    const { json } = await get('/api/v1/orders/o3');
    expect(json.data).toMatchObject({
      customer: { id: '***', name: 'Ann Lee', email: '***' },
      ...{ total: '***', subtotal: '***', paid: '***' },
    });
    expect(await get('/api/v1/orders?customer_id=c0')).toMatchObject({
      status: 403,
      json: { code: 'field_masked' },
    });
    expect((await get('/api/v1/orders/o3', admin)).json.data).toMatchObject({
      customer: { id: 'c0' },
      total: '22.90',
    });
  });
});
