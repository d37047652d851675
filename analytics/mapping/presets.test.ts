import { describe, expect, it } from 'vitest';
import { checkEventMembers } from '../events/index.ts';
import { type ShopEvent, ShopState } from '../fixture-shop.ts';
import type { KpiAnswer } from '../kpis/index.ts';
import { shopify, shopifyOrder, shopifyRefund, stripe, woo, wooOrder } from './fixture-payloads.ts';
import { mapRecord } from './map-record.ts';
import { mappingSchema } from './mapping-schema.ts';
import { PRESETS } from './presets.ts';
import type { SourceRecordBody } from './scope.ts';

const LIMITS = { now_ms: Date.UTC(2026, 5, 1), cut_ms: Number.NEGATIVE_INFINITY };

function presetOf(name: string) {
  const preset = PRESETS.get(name);
  if (preset === undefined) throw new Error(`no preset ${name}`);
  return preset;
}

const mapped = (name: string, record: SourceRecordBody) => mapRecord(presetOf(name).mapping, record);

/** The events of records, each of which has to be one that the pipeline takes. */
function eventsOf(name: string, records: readonly SourceRecordBody[]): ShopEvent[] {
  return records.flatMap((record) => {
    const result = mapped(name, record);
    if (!result.ok) throw new Error(result.message);
    return result.events.map((event) => {
      const check = checkEventMembers(event, LIMITS);
      if (!check.ok) throw new Error(check.detail);
      return {
        ...check.members,
        event_id: check.input.event_id,
        type: check.input.type,
        time: check.input.time,
      };
    });
  });
}

const METRICS = [
  'orders_count',
  'revenue_gross',
  'discount_total',
  'shipping_total',
  'refund_amount',
  'revenue_net',
];

/** Totals by currency, whatever the order in which the records arrive; every one of them twice. */
async function kpis(events: readonly ShopEvent[], metrics = METRICS): Promise<Record<string, object>> {
  const state = await ShopState.of([...events, ...events], { shuffle: 7 });
  const range = { start: '2026-03-01T00:00:00Z', end: '2026-04-01T00:00:00Z' };
  const query = { metrics, ...range, group_by: ['currency'] };
  const { groups } = (await state.ask(state.kinds.kpis, query)) as KpiAnswer;
  return Object.fromEntries(groups.map(({ key, totals }) => [String(key.currency), totals]));
}

describe('presets', () => {
  it('are mappings as a definition may say them', () => {
    for (const { mapping } of PRESETS.values()) expect(mappingSchema.parse(mapping)).toEqual(mapping);
    expect([...PRESETS.keys()]).toEqual(['shopify', 'woocommerce', 'stripe', 'cloudevents', 'segment']);
  });
});

describe('shopify', () => {
  const created = shopify('orders/create', 'e1', shopifyOrder());
  const [ipod, sleeve] = shopifyOrder().line_items as readonly object[];
  const edited = shopifyOrder({
    updated_at: '2026-03-03T09:00:00-05:00',
    line_items: [ipod, sleeve, { id: 3, sku: 'CABLE', title: 'Cable', quantity: 1, price: '5.00' }],
  });

  it('gives the KPIs of an order that is edited and refunded in part, with every delivery repeated', async () => {
    const updated = shopify('orders/updated', 'e2', edited);
    const refund = shopify('refunds/create', 'e3', shopifyRefund());
    const yen = shopifyOrder({
      ...{ id: 2, currency: 'JPY', total_discounts: '0', total_shipping_price_set: null, total_tax: '0' },
      line_items: [{ id: 9, sku: 'T', title: 'Tea', quantity: 2, price: '500' }],
    });
    const events = eventsOf('shopify', [
      created,
      created,
      updated,
      refund,
      shopify('orders/create', 'e4', yen),
    ]);
    expect(await kpis(events)).toMatchObject({
      USD: {
        ...{ orders_count: 1, revenue_gross: 2 * 4999 + 1001 + 500, discount_total: 1000 },
        ...{ shipping_total: 1095, refund_amount: 5000, revenue_net: 11499 - 1000 - 5000 },
      },
      JPY: { orders_count: 1, revenue_gross: 1000, refund_amount: 0 },
    });
  });

  it('keeps every digit of ids, and takes the id of the event for its own', () => {
    const [event] = eventsOf('shopify', [created]);
    expect(event).toMatchObject({
      ...{
        event_id: 'shopify:orders/create:e1',
        order_id: '820982911946154500',
        customer_id: '115310627314723950',
      },
      ...{ currency: 'USD', country: 'US', voucher_code: 'SPRING', time: '2026-03-02T09:00:00-05:00' },
    });
    expect(event?.items).toContainEqual({ sku: '808950810', name: 'Sleeve', quantity: 1, unit_price: 1001 });
  });

  it('drops test orders and test refunds', () => {
    const test = shopify('orders/create', 'e9', shopifyOrder({ test: true }));
    expect(mapped('shopify', test)).toEqual({ ok: true, events: [], dropped: 'test' });
    const refund = shopify('refunds/create', 'e9', shopifyRefund({ transactions: [{ test: true }] }));
    expect(mapped('shopify', refund)).toMatchObject({ dropped: 'test' });
    expect(mapped('shopify', shopify('products/update', 'e8', {}))).toMatchObject({ dropped: 'no_rule' });
  });

  it('says what of a record cannot be read', () => {
    const bad = shopifyOrder({ total_discounts: '1.005' });
    expect(mapped('shopify', shopify('orders/create', 'e1', bad))).toMatchObject({
      ok: false,
      field: 'discount',
    });
    const headless = { body: shopifyOrder(), headers: { 'x-shopify-topic': 'orders/create' } };
    expect(mapped('shopify', headless)).toMatchObject({
      ok: false,
      code: 'mapping_failed',
      field: 'event_id',
    });
  });

  it('tells fulfilments and cancellations', () => {
    const shipped = {
      id: 1,
      order_id: 5,
      created_at: '2026-03-04T00:00:00Z',
      updated_at: '2026-03-06T00:00:00Z',
    };
    const events = eventsOf('shopify', [
      shopify('fulfillments/create', 'f1', shipped),
      shopify('fulfillments/update', 'f2', { ...shipped, shipment_status: 'delivered' }),
      shopify('orders/cancelled', 'f3', shopifyOrder({ cancelled_at: '2026-03-07T00:00:00Z' })),
    ]);
    expect(events.map(({ type, time }) => [type, time])).toEqual([
      ['order.shipped', '2026-03-04T00:00:00Z'],
      ['order.delivered', '2026-03-06T00:00:00Z'],
      ['order.cancelled', '2026-03-07T00:00:00Z'],
    ]);
    expect(mapped('shopify', shopify('fulfillments/update', 'f4', shipped))).toMatchObject({
      dropped: 'no_rule',
    });
  });
});

describe('woocommerce', () => {
  it('gives the KPIs of an order with a refund in part, its lines to the cent', async () => {
    const refunds = [{ id: 726, reason: 'too small', total: '-3.33' }];
    const later = { date_modified_gmt: '2026-03-04T10:00:00', refunds };
    const events = eventsOf('woocommerce', [
      woo('order.created', 'd1', wooOrder()),
      woo('order.updated', 'd2', wooOrder(later)),
    ]);
    expect(events[0]).not.toHaveProperty('customer_id');
    expect(events[0]?.items).toEqual([
      { sku: '93', name: 'Socks', quantity: 2, unit_price: 333 },
      { sku: '93', name: 'Socks', quantity: 1, unit_price: 334 },
      { sku: 'SH', name: 'Shirt', quantity: 1, unit_price: 1000 },
    ]);
    expect(await kpis(events, [...METRICS, 'revenue_paid'])).toMatchObject({
      EUR: {
        ...{ orders_count: 1, revenue_gross: 2000, shipping_total: 490, refund_amount: 333 },
        ...{ revenue_net: 1667, revenue_paid: 2490 },
      },
    });
  });

  it('counts a refund that later updates repeat once', async () => {
    const refunds = [{ id: 726, total: '-3.33' }];
    const updates = ['2026-03-04T10:00:00', '2026-03-05T10:00:00'].map((date_modified_gmt, n) =>
      woo('order.updated', `d${n}`, wooOrder({ date_modified_gmt, refunds })),
    );
    const events = eventsOf('woocommerce', [woo('order.created', 'd9', wooOrder()), ...updates]);
    expect(await kpis(events)).toMatchObject({ EUR: { refund_amount: 333 } });
  });

  it('drops drafts', () => {
    const draft = woo('order.created', 'd1', wooOrder({ status: 'checkout-draft' }));
    expect(mapped('woocommerce', draft)).toMatchObject({ dropped: 'draft' });
  });
});

describe('stripe', () => {
  const charge = {
    id: 'ch_1',
    amount: 5000,
    currency: 'eur',
    metadata: { order_id: 'o1' },
    payment_intent: 'pi_1',
  };
  const refunded = (id: string, sum: number, before: number) =>
    stripe(
      id,
      'charge.refunded',
      { ...charge, amount_refunded: sum },
      { previous_attributes: { amount_refunded: before } },
    );

  it('makes of sums of refunds what each one gave back', async () => {
    const events = eventsOf('stripe', [
      stripe('evt_1', 'payment_intent.succeeded', { ...charge, id: 'pi_1', amount_received: 5000 }),
      refunded('evt_2', 1500, 0),
      refunded('evt_3', 2000, 1500),
      stripe('evt_4', 'charge.dispute.created', {
        id: 'dp_1',
        amount: 3000,
        currency: 'eur',
        reason: 'fraudulent',
      }),
    ]);
    expect(events.map(({ event_id, type, amount }) => [event_id, type, amount])).toEqual([
      ['evt_1', 'payment.succeeded', 5000],
      ['evt_2', 'refund.issued', 1500],
      ['evt_3', 'refund.issued', 500],
      ['evt_4', 'chargeback.received', 3000],
    ]);
    const order = { event_id: 'x', type: 'order.created', time: '2026-03-01T00:00:00Z', order_id: 'o1' };
    const totals = await kpis(
      [{ ...order, amount: 5000, currency: 'EUR' }, ...events],
      [...METRICS, 'revenue_paid'],
    );
    expect(totals).toMatchObject({ EUR: { revenue_paid: 5000, refund_amount: 2000, revenue_net: 3000 } });
  });

  it('refuses a sum of refunds that does not say what it was before', () => {
    const record = stripe('evt_1', 'charge.refunded', { ...charge, amount_refunded: 1500 });
    expect(mapped('stripe', record)).toMatchObject({ ok: false, field: 'amount' });
  });

  it('reads currencies whose decimals are others than those of ISO 4217', () => {
    const paid = (currency: string, amount_received: number) =>
      stripe('evt_1', 'payment_intent.succeeded', { currency, amount_received });
    const amounts = [paid('isk', 500), paid('mga', 7), paid('jpy', 500), paid('kwd', 1250)].map(
      (record) => eventsOf('stripe', [record])[0]?.amount,
    );
    expect(amounts).toEqual([5, 700, 500, 1250]);
    expect(mapped('stripe', paid('isk', 550))).toMatchObject({ ok: false, field: 'amount' });
  });

  it('drops what is not live', () => {
    const record = stripe('evt_1', 'payment_intent.succeeded', charge, { livemode: false });
    expect(mapped('stripe', record)).toMatchObject({ dropped: 'test' });
  });
});

describe('segment and cloudevents', () => {
  const track = (event: string, properties: object) => ({
    body: {
      ...{ type: 'track', messageId: `m-${event}`, timestamp: '2026-03-02T00:00:00Z', userId: 'u1', event },
      ...{ anonymousId: 'a1', properties },
    },
    headers: {},
  });

  it('takes track calls by their names, and any other under its own', async () => {
    const products = [{ product_id: 'p1', sku: 'S', price: 19.9, quantity: 2 }];
    const events = eventsOf('segment', [
      track('Product Viewed', { sku: 'S' }),
      track('Order Completed', { order_id: 'o1', currency: 'gbp', discount: 1, products }),
      track('Order Refunded', { order_id: 'o1', currency: 'GBP', total: 5.5 }),
      track('Video Played', { length: 3 }),
    ]);
    expect(events.map(({ type }) => type)).toEqual([
      ...['product_viewed', 'order.created', 'refund.issued', 'video_played'],
    ]);
    expect(await kpis(events)).toMatchObject({
      GBP: {
        orders_count: 1,
        revenue_gross: 3980,
        discount_total: 100,
        refund_amount: 550,
        revenue_net: 3330,
      },
    });
  });

  it('takes a CloudEvent as ingestion does', () => {
    const data = { order_id: 'o1', amount: 5, currency: 'EUR' };
    const body = {
      specversion: '1.0',
      id: 'c1',
      source: '/shop',
      type: 'order.created',
      time: '2026-03-02T00:00:00Z',
      data,
    };
    expect(eventsOf('cloudevents', [{ body, headers: {} }])).toMatchObject([{ event_id: 'c1', ...data }]);
  });
});
