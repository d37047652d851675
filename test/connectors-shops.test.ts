import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestNats, type TestNats } from './nats.ts';
import { type Millrace, until } from './process.ts';
import { Scratch } from './scratch.ts';
import * as shops from './shop-payloads.ts';

const PATIENTLY_MS = 120_000;
const DAY = { start: '2025-03-10T00:00:00Z', end: '2025-03-11T00:00:00Z' };
const ORDERS = 90;

type Totals = Readonly<Record<string, number | null>>;

const scratch = new Scratch();
let nats: TestNats;
let env: Readonly<Record<string, string>>;
let dataDir: string;
let service: Millrace;

beforeAll(async () => {
  nats = await startTestNats();
  env = { NATS_URL: nats.url };
  dataDir = await scratch.dir('shops');
  service = await scratch.start({ dataDir, env });
});
afterAll(async () => {
  await scratch.clean();
  await nats?.stop();
});

async function connect(tenant: string, preset: keyof typeof shops.SECRETS): Promise<string> {
  const config = { secret: shops.SECRETS[preset] };
  const body = { name: preset, type: 'webhook', config, mapping: { preset } };
  const made = await service.request('POST', '/connectors', { tenant, body });
  expect([made.status, made.json]).toEqual([201, made.json]);
  return String(made.json.id);
}

async function send(id: string, { body, headers }: shops.Sent): Promise<number> {
  const { url } = await service.listening;
  const response = await fetch(`${url}/v1/order-analytics/connectors/${id}/events`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', ...headers },
    body,
  });
  await response.arrayBuffer();
  return response.status;
}

async function sendAll(id: string, sent: readonly shops.Sent[]): Promise<void> {
  for (const one of sent) expect(await send(id, one)).toBe(202);
  await service.untilApplied();
}

/** Totals by currency. */
async function totals(tenant: string, metrics: readonly string[]): Promise<Readonly<Record<string, Totals>>> {
  const { groups } = await service.kpis(tenant, {
    metrics,
    ...DAY,
    group_by: ['currency'],
    force_fresh: true,
  });
  return Object.fromEntries(groups.map(({ key, totals: sums }) => [String(key.currency), sums]));
}

const countsOf = async (tenant: string, id: string): Promise<unknown> =>
  (await service.request('GET', `/connectors/${id}/status`, { tenant })).json.counts;

const METRICS = [
  ...['orders_count', 'orders_paid', 'orders_shipped', 'revenue_gross', 'discount_total', 'shipping_total'],
  ...['refund_amount', 'revenue_net', 'revenue_paid'],
];

describe('webhooks of shops', () => {
  it('Shopify: an edited order, a partial refund, two currencies, a test order and retries', async () => {
    const id = await connect('shopify', 'shopify');
    const edited = shops.shopifyOrder(1001, {
      updated_at: '2025-03-10T10:00:00+00:00',
      total_price: '32.95',
      line_items: [
        { id: 1, sku: 'TEA', title: 'Tea', quantity: 2, current_quantity: 2, price: '9.99' },
        { id: 3, sku: 'POT', title: 'Pot', quantity: 1, current_quantity: 1, price: '10.00' },
      ],
    });
    const dollars = {
      currency: 'USD',
      total_discounts: '0.00',
      line_items: [{ sku: 'T', quantity: 1, price: '7.50' }],
    };
    await sendAll(id, [
      // The edit arrives first, and the order twice.
      shops.shopify('orders/updated', 'ev-2', edited),
      shops.shopify('orders/create', 'ev-1', shops.shopifyOrder(1001)),
      shops.shopify('orders/create', 'ev-1', shops.shopifyOrder(1001)),
      shops.shopify('orders/edited', 'ev-2', { order_edit: { id: 7, order_id: 1001 } }),
      shops.shopify('orders/paid', 'ev-3', edited),
      shops.shopify('refunds/create', 'ev-4', shops.shopifyRefund(5, 1001)),
      shops.shopify('fulfillments/create', 'ev-5', {
        id: 9,
        order_id: 1001,
        created_at: '2025-03-10T11:00:00Z',
      }),
      shops.shopify('orders/create', 'ev-6', shops.shopifyOrder(1002, dollars)),
      shops.shopify('orders/create', 'ev-7', shops.shopifyOrder(1003, { test: true })),
    ]);
    expect(await totals('shopify', METRICS)).toEqual({
      GBP: {
        ...{ orders_count: 1, orders_paid: 1, orders_shipped: 1, revenue_gross: 2_998, discount_total: 200 },
        ...{ shipping_total: 395, refund_amount: 999, revenue_net: 1_799, revenue_paid: 3_295 },
      },
      USD: expect.objectContaining({ orders_count: 1, revenue_gross: 750, revenue_net: 750 }),
    });
    expect(await countsOf('shopify', id)).toMatchObject({ in: 9, accepted: 7, dropped: 2, dead: 0 });
  });

  it('WooCommerce: a total that does not divide, an edit, a partial refund, a draft, a ping and retries', async () => {
    const id = await connect('woo', 'woocommerce');
    const ping = { body: 'webhook_id=5', headers: { 'Content-Type': 'application/x-www-form-urlencoded' } };
    const edited = shops.wooOrder(727, {
      date_modified_gmt: '2025-03-10T12:00:00',
      line_items: [{ id: 316, name: 'Shirt', sku: 'SH', quantity: 2, subtotal: '20.00', price: 10 }],
      refunds: [{ id: 800, reason: 'too small', total: '-5.00' }],
    });
    const yen = {
      ...{ currency: 'JPY', discount_total: '0', shipping_total: '0', total: '1500', date_paid_gmt: null },
      line_items: [{ id: 1, sku: 'T', quantity: 1, subtotal: '1500' }],
    };
    await sendAll(id, [
      ping,
      shops.woo('order.created', 'd-1', shops.wooOrder(727)),
      shops.woo('order.created', 'd-1', shops.wooOrder(727)),
      shops.woo('order.created', 'd-2', shops.wooOrder(728, { status: 'checkout-draft' })),
      shops.woo('order.created', 'd-3', shops.wooOrder(729, yen)),
    ]);
    expect((await totals('woo', METRICS)).EUR).toMatchObject({ revenue_gross: 2_000, revenue_net: 1_900 });
    await sendAll(id, [shops.woo('order.updated', 'd-4', edited), shops.woo('order.updated', 'd-4', edited)]);
    expect(await totals('woo', METRICS)).toEqual({
      EUR: {
        ...{ orders_count: 1, orders_paid: 1, orders_shipped: 0, revenue_gross: 2_000, discount_total: 100 },
        ...{ shipping_total: 490, refund_amount: 500, revenue_net: 1_400, revenue_paid: 2_390 },
      },
      JPY: expect.objectContaining({ orders_count: 1, revenue_gross: 1_500, orders_paid: 0 }),
    });
  });

  it('Stripe: payments and refunds of orders from elsewhere, in cents and in yen; test mode and retries', async () => {
    const id = await connect('stripe', 'stripe');
    const order = (at: number, currency: string, amount: number): object => ({
      ...{ event_id: `o${at}`, type: 'order.created', time: '2025-03-10T09:00:00Z', order_id: `o${at}` },
      ...{ currency, amount },
    });
    await service.request('POST', '/ingest', {
      tenant: 'stripe',
      body: [order(1, 'EUR', 5_000), order(2, 'JPY', 900)],
    });
    const of = (at: number, currency: string, more: object): Readonly<Record<string, unknown>> => ({
      ...{ id: `obj_${at}`, currency, metadata: { order_id: `o${at}` }, payment_method_types: ['card'] },
      ...more,
    });
    const refund = (event: string, total: number, before: number): shops.Sent =>
      shops.stripe(
        shops.stripeEvent(event, 'charge.refunded', of(1, 'eur', { amount_refunded: total }), {
          previous_attributes: { amount_refunded: before },
        }),
      );
    await sendAll(id, [
      shops.stripe(
        shops.stripeEvent('evt_1', 'payment_intent.succeeded', of(1, 'eur', { amount_received: 5_000 })),
      ),
      shops.stripe(
        shops.stripeEvent('evt_1', 'payment_intent.succeeded', of(1, 'eur', { amount_received: 5_000 })),
      ),
      shops.stripe(
        shops.stripeEvent('evt_2', 'payment_intent.succeeded', of(2, 'jpy', { amount_received: 900 })),
      ),
      // Two partial refunds: the second says the sum of both.
      refund('evt_3', 1_000, 0),
      refund('evt_4', 1_750, 1_000),
      shops.stripe(
        shops.stripeEvent('evt_5', 'payment_intent.succeeded', of(1, 'eur', { amount_received: 99 }), {
          livemode: false,
        }),
      ),
      shops.stripe(shops.stripeEvent('evt_6', 'customer.created', { id: 'cus_1' })),
    ]);
    const metrics = ['orders_paid', 'revenue_paid', 'refund_amount', 'revenue_net'];
    expect(await totals('stripe', metrics)).toEqual({
      EUR: { orders_paid: 1, revenue_paid: 5_000, refund_amount: 1_750, revenue_net: 3_250 },
      JPY: { orders_paid: 1, revenue_paid: 900, refund_amount: 0, revenue_net: 900 },
    });
    const forged = shops.stripe(shops.stripeEvent('evt_7', 'payment_intent.succeeded', of(1, 'eur', {})));
    expect(await send(id, { ...forged, body: forged.body.replace('evt_7', 'evt_8') })).toBe(401);
  });

  it('a source that sends again what was not answered loses nothing and doubles nothing through kill -9', async () => {
    const id = await connect('killed', 'shopify');
    let sent = 0;
    const sending = (async (): Promise<void> => {
      for (; sent < ORDERS; sent++) {
        const order = shops.shopify('orders/create', `k-${sent}`, shops.shopifyOrder(5_000 + sent));
        await until(
          async () => ((await send(id, order)) === 202 ? true : undefined),
          () => `order ${sent} is taken: ${service.output}`,
          PATIENTLY_MS,
        );
      }
    })();
    await until(
      () => (sent >= ORDERS / 3 ? true : undefined),
      () => 'some are sent',
      PATIENTLY_MS,
    );
    await service.kill();
    service = await scratch.start({ dataDir, env });
    await sending;
    await service.untilApplied();
    const { GBP } = await totals('killed', METRICS);
    expect(GBP).toMatchObject({ orders_count: ORDERS, revenue_gross: ORDERS * 2_498 });
  });
});
