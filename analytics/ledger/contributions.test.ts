import { describe, expect, it } from 'vitest';
import { runEvents } from '../fixture-run.ts';

type Members = Readonly<Record<string, unknown>>;

let made = 0;
const at = (day: string, type: string, members: Members = {}): Members => ({
  event_id: `e${made++}`,
  type,
  time: `2025-07-${day}`.padEnd(10, '0').concat(day.includes('T') ? '' : 'T12:00:00Z'),
  order_id: 'o1',
  ...members,
});

/** Each event a message of its own, in this order. */
const run = (...events: Members[]) => runEvents(events.map((event) => [event]));

describe('firsts', () => {
  it('an earlier payment that comes later moves the count, not the money', async () => {
    const { cells } = await run(
      at('20', 'payment.succeeded', { amount: 5 }),
      at('22', 'payment.succeeded', { amount: 7 }),
      at('10', 'payment.succeeded', { amount: 3 }),
    );
    expect(cells()).toEqual({
      '10': { orders_paid: 1, revenue_paid: 3 },
      '20': { revenue_paid: 5 },
      '22': { revenue_paid: 7 },
    });
  });

  it('the count moves with the dimensions, the currency and the items of its event', async () => {
    const item = (sku: string, category: string) => ({ sku, category, quantity: 1, unit_price: 10 });
    const late = { country: 'DE', currency: 'EUR', items: [item('a', 'x'), item('b', 'x')] };
    const early = { country: 'FR', currency: 'USD', items: [item('c', 'y')] };
    const { cells } = await run(at('20', 'order.shipped', late), at('10', 'order.shipped', early));
    for (const [dimension, place] of [
      ['country', '10 FR USD'],
      ['sku', '10 c USD'],
      ['category', '10 y USD'],
    ] as const) {
      expect(cells(dimension)).toEqual({ [place]: { orders_shipped: 1 } });
    }
  });

  it('an order, a customer and a session count once each; a refund marks its order', async () => {
    const ids = { customer_id: 'c', session_id: 's' };
    const { cells } = await run(
      at('03', 'visit', { ...ids, order_id: undefined }),
      at('02', 'visit', { ...ids, order_id: undefined }),
      at('04', 'add_to_cart', { ...ids, order_id: undefined }),
      at('05', 'order.created', { ...ids, amount: 100 }),
      at('06', 'order.created', { ...ids, amount: 10 }),
      at('07', 'refund.issued', { amount: 4 }),
      at('08', 'refund.issued', { amount: 5 }),
    );
    expect(cells()).toEqual({
      '02': { visits: 1, sessions: 1 },
      '03': { visits: 1 },
      '04': { sessions_with_cart: 1 },
      '05': { orders: 1, customers_new: 1, sessions_with_order: 1, revenue_gross: 100 },
      '06': { revenue_gross: 10 },
      '07': { orders_refunded: 1, refund: 4 },
      '08': { refund: 5 },
    });
  });

  it('an event that names no order is an order by itself', async () => {
    const lone = { order_id: undefined };
    const { cells } = await run(
      at('05', 'order.created', lone),
      at('05', 'order.created', lone),
      at('05', 'payment.succeeded', lone),
      at('06', 'order.rto', lone),
      at('06', 'return.received', lone),
    );
    expect(cells()).toEqual({ '05': { orders: 2, orders_paid: 1 }, '06': { orders_rto: 1, returns: 1 } });
  });
});

describe('durations', () => {
  const DAY_MS = 86_400_000;

  it.each([
    ['created first', [0, 1]],
    ['shipped first', [1, 0]],
  ])('days to ship count at the shipment: %s', async (_, order) => {
    const events = [at('01', 'order.created'), at('04', 'order.shipped')];
    const { cells } = await run(...order.map((index) => events[index] as Members));
    expect(cells()['04']).toEqual({ orders_shipped: 1, ship_ms: 3 * DAY_MS, ship_count: 1 });
  });

  it('an earlier creation or shipment that comes later corrects them', async () => {
    const created = await run(
      at('05', 'order.created'),
      at('08', 'order.shipped'),
      at('02', 'order.created'),
    );
    expect(created.cells()).toEqual({
      '02': { orders: 1 },
      '08': { orders_shipped: 1, ship_ms: 6 * DAY_MS, ship_count: 1 },
    });
    const shipped = await run(
      at('01', 'order.created'),
      at('08', 'order.shipped'),
      at('03', 'order.shipped'),
    );
    expect(shipped.cells()).toEqual({
      '01': { orders: 1 },
      '03': { orders_shipped: 1, ship_ms: 2 * DAY_MS, ship_count: 1 },
    });
  });

  it('the first response of a ticket counts from its opening', async () => {
    const ticket = { ticket_id: 't', order_id: undefined };
    const { cells } = await run(
      at('02', 'ticket.first_response', { ...ticket, time: '2025-07-02T12:00:30Z' }),
      at('02', 'ticket.opened', ticket),
      at('02', 'ticket.first_response', { ...ticket, time: '2025-07-02T12:00:20Z' }),
    );
    expect(cells()).toEqual({ '02': { response_ms: 20_000, response_count: 1 } });
  });
});

describe('items', () => {
  const items = [
    { sku: 'a', category: 'x', quantity: 2, unit_price: 30 },
    { sku: 'b', category: 'x', quantity: 1, unit_price: 40 },
    { sku: 'a', category: 'y', quantity: 1, unit_price: 0 },
  ];
  const order = at('05', 'order.created', {
    sku: 'ignored',
    amount: 110,
    discount: 10,
    tax: 7,
    customer_id: 'c',
    items,
  });

  it('the whole order counts in cubes without them, each sku or category once in the others', async () => {
    const { cells } = await run(order);
    const all = { orders: 1, customers_new: 1 };
    expect(cells()).toEqual({ '05': { ...all, units: 4, revenue_gross: 110, discount: 10, tax: 7 } });
    expect(cells('sku')).toEqual({
      '05 a': { ...all, units: 3, revenue_gross: 60, discount: 6, tax: 4 },
      '05 b': { ...all, units: 1, revenue_gross: 40, discount: 4, tax: 3 },
    });
    expect(cells('category')).toEqual({
      '05 x': { ...all, units: 3, revenue_gross: 100, discount: 10, tax: 7 },
      '05 y': { ...all, units: 1 },
    });
  });

  it('an order without items is one row of its own sku', async () => {
    const { cells } = await run(at('05', 'order.created', { sku: 'own', amount: 9, items: [] }));
    expect(cells('sku')).toEqual({ '05 own': { orders: 1, revenue_gross: 9 } });
  });

  it('an order with an empty list of items is taken back everywhere', async () => {
    const { cells } = await run(
      at('20', 'order.created', { items: [] }),
      at('10', 'order.created', { items: [] }),
    );
    for (const found of [cells(), cells('sku'), cells('category')])
      expect(found).toEqual({ '10': { orders: 1 } });
  });
});

describe('money', () => {
  it('is kept by currency, exactly, beyond 2^53', async () => {
    const huge = Number.MAX_SAFE_INTEGER;
    const orders = ['EUR', 'EUR', 'EUR', 'USD'].map((currency, index) =>
      at('05', 'order.created', { currency, amount: huge, order_id: `o${index}` }),
    );
    const { cells } = await run(...orders);
    expect(cells()).toEqual({
      '05 EUR': { orders: 3, revenue_gross: 3 * huge },
      '05 USD': { orders: 1, revenue_gross: huge },
    });
  });

  it('of a duplicate counts once', async () => {
    const order = at('05', 'order.created', { amount: 5 });
    const { cells, notices } = await run(order, order, order);
    expect(cells()).toEqual({ '05': { orders: 1, revenue_gross: 5 } });
    expect(notices.acme?.duplicate).toBe(2);
  });
});
