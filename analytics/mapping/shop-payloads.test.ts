import { describe, expect, it } from 'vitest';
import { checkEventMembers } from '../events/index.ts';
import { type ShopEvent, ShopState } from '../fixture-shop.ts';
import type { KpiAnswer } from '../kpis/index.ts';
import { shopify, stripe, woo } from './fixture-payloads.ts';
import { mapRecord } from './map-record.ts';
import { PRESETS } from './presets.ts';
import type { SourceRecordBody } from './scope.ts';

/**
 * Payloads as running shops send them: members that are null, empty or missing, money in two currencies, discounts of
 * lines and of shipping, numbers where the documentation has texts. The sums are worked out by hand beside them.
 */

type Json = Readonly<Record<string, unknown>>;

const LIMITS = { now_ms: Date.UTC(2026, 5, 1), cut_ms: Number.NEGATIVE_INFINITY };

async function totalsOf(
  preset: string,
  records: readonly SourceRecordBody[],
  metrics: readonly string[],
): Promise<Readonly<Record<string, object>>> {
  const mapping = PRESETS.get(preset)?.mapping;
  if (mapping === undefined) throw new Error(`no preset ${preset}`);
  const events = records.flatMap((record): ShopEvent[] => {
    const result = mapRecord(mapping, record);
    if (!result.ok) throw new Error(`${result.field}: ${result.message}`);
    return result.events.map((event) => {
      const check = checkEventMembers(event, LIMITS);
      if (!check.ok) throw new Error(check.detail);
      const { event_id, type, time } = check.input;
      return { ...check.members, event_id, type, time };
    });
  });
  // Each delivered twice, in an order that nobody chose.
  const state = await ShopState.of([...events, ...events], { shuffle: 3 });
  const range = { start: '2026-03-01T00:00:00Z', end: '2026-04-01T00:00:00Z' };
  const query = { metrics, ...range, group_by: ['currency'] };
  const { groups } = (await state.ask(state.kinds.kpis, query)) as KpiAnswer;
  return Object.fromEntries(groups.map(({ key, totals }) => [String(key.currency), totals]));
}

const SALES = ['orders_count', 'revenue_gross', 'discount_total', 'shipping_total', 'tax_total'];
const MONEY_BACK = ['refund_amount', 'revenue_net'];

describe('payloads of a Shopify shop in pounds, which sells in euros too', () => {
  const set = (amount: string, currency_code = 'GBP'): Json => ({
    shop_money: { amount, currency_code },
    presentment_money: { amount: (Number(amount) * 1.17).toFixed(2), currency_code: 'EUR' },
  });
  const allocation = (amount: string, discount_application_index: number): Json => ({
    ...{ amount, amount_set: set(amount), discount_application_index },
  });
  const line = (sku: string | null, quantity: number, price: string, more: Json = {}): Json => ({
    ...{ id: 15_518_907_892_012, sku, variant_id: null, product_id: null, title: 'Tip', name: 'Tip' },
    ...{ quantity, current_quantity: quantity, price, price_set: set(price), gift_card: false },
    ...{ total_discount: '0.00', discount_allocations: [], tax_lines: [], duties: [], ...more },
  });
  const shipping = (price: string, discounted_price: string, more: Json = {}): Json => ({
    ...{ id: 1, code: 'Standard', carrier_identifier: null, price, price_set: set(price) },
    ...{ discounted_price, discounted_price_set: set(discounted_price), is_removed: false, ...more },
  });
  const order = (id: number, more: Json): Json => ({
    ...{ id, name: `#${id}`, test: false, currency: 'GBP', presentment_currency: 'EUR', note: null },
    ...{ created_at: '2026-03-02T23:10:15-05:00', processed_at: '2026-03-02T23:10:14-05:00' },
    ...{ updated_at: '2026-03-02T23:10:16-05:00', cancelled_at: null, cancel_reason: null },
    ...{ closed_at: null, browser_ip: null, source_name: 'web', financial_status: 'paid' },
    ...{ customer: null, billing_address: null, shipping_address: null, payment_gateway_names: [] },
    ...{ discount_codes: [], taxes_included: false, total_tax: '0.00', total_discounts: '0.00' },
    ...{ total_shipping_price_set: set('0.00'), shipping_lines: [], refunds: [], ...more },
  });
  const bought = order(1, {
    total_price: '27.00',
    total_tax: '4.50',
    // 2.50 of the lines, 4.00 of the shipping.
    total_discounts: '6.50',
    discount_codes: [{ code: 'FREESHIP', amount: '4.00', type: 'shipping' }],
    total_shipping_price_set: set('4.00'),
    shipping_lines: [
      shipping('4.00', '0.00', { discount_allocations: [allocation('4.00', 2)] }),
      shipping('9.00', '9.00', { is_removed: true }),
    ],
    line_items: [
      line('TEA', 2, '10.00', { discount_allocations: [allocation('1.50', 0), allocation('0.50', 1)] }),
      line(null, 1, '5.00', { discount_allocations: [allocation('0.50', 0)] }),
    ],
  });
  const till = (more: Json): Json => order(2, { source_name: 'pos', ...more });
  const refund = (order_id: number, subtotal: number, text: string, more: Json = {}): Json => ({
    ...{ id: order_id, order_id, note: null, user_id: null, processed_at: '2026-03-04T08:59:11-05:00' },
    ...{ created_at: '2026-03-04T08:59:11-05:00', restock: true, duties: [], return: null },
    refund_line_items: [
      { quantity: 1, location_id: null, subtotal, total_tax: 0.9, subtotal_set: set(text) },
    ],
    ...{ order_adjustments: [], transactions: [], ...more },
  });

  it('come out as that shop counts them', async () => {
    const records = [
      shopify('orders/create', '1', bought),
      shopify('orders/paid', '2', bought),
      shopify('refunds/create', '3', {
        // One of two is sent back: 9.00 after its discount, of which 1.00 is kept for the wear.
        ...refund(1, 9.000000000000002, '9.00'),
        order_adjustments: [
          {
            ...{ kind: 'refund_discrepancy', reason: 'Refund discrepancy', amount: '1.00' },
            ...{ amount_set: set('1.00'), tax_amount: '0.00' },
          },
        ],
        transactions: [{ kind: 'refund', status: 'success', amount: '8.42', currency: 'EUR', test: false }],
      }),
      // The edit comes before the order that it edits.
      shopify(
        'orders/updated',
        '4',
        till({
          updated_at: '2026-03-03T10:00:00Z',
          line_items: [line('A', 3, '1.10'), line('B', 1, '2.00')],
        }),
      ),
      shopify('orders/create', '5', till({ line_items: [line('A', 3, '1.10')] })),
      // Cancelled and given back whole: no transactions, since it was never paid.
      shopify('orders/cancelled', '6', till({ cancelled_at: '2026-03-04T09:00:00Z', line_items: [] })),
      shopify('refunds/create', '7', refund(2, 5.3, '5.30')),
      // Of an API version that had neither allocations nor lines of shipping.
      shopify('orders/create', '8', {
        ...order(3, { total_discounts: '1.00', total_shipping_price_set: set('3.00') }),
        ...{ shipping_lines: undefined, line_items: [{ sku: 'OLD', quantity: 1, price: '10.00' }] },
      }),
      shopify(
        'orders/create',
        '9',
        order(4, {
          ...{ currency: 'JPY', presentment_currency: 'JPY', total_tax: '0' },
          line_items: [line('T', 2, '750.0', { discount_allocations: [{ amount: '100' }] })],
        }),
      ),
      shopify('orders/create', '10', order(5, { test: true, line_items: [line('A', 9, '99.00')] })),
    ];
    expect(await totalsOf('shopify', records, [...SALES, ...MONEY_BACK, 'revenue_paid'])).toEqual({
      GBP: {
        // 2 * 10.00 + 5.00, 3 * 1.10 + 2.00, 10.00
        ...{ orders_count: 3, revenue_gross: 2_500 + 530 + 1_000, discount_total: 250 + 100 },
        ...{ shipping_total: 300, tax_total: 450, refund_amount: 800 + 530, revenue_paid: 2_700 },
        revenue_net: 4_030 - 350 - 1_330,
      },
      JPY: {
        ...{ orders_count: 1, revenue_gross: 1_500, discount_total: 100, shipping_total: 0, tax_total: 0 },
        ...{ refund_amount: 0, revenue_net: 1_400, revenue_paid: 0 },
      },
    });
  });
});

describe('payloads of a WooCommerce shop with VAT', () => {
  const order = (id: number, more: Json): Json => ({
    ...{ id, parent_id: 0, number: String(id), status: 'processing', currency: 'EUR', version: '9.4.2' },
    ...{ prices_include_tax: true, created_via: 'checkout', customer_id: 0, customer_note: '' },
    ...{ date_created_gmt: '2026-03-02T10:00:00', date_modified_gmt: '2026-03-02T10:00:05' },
    ...{ date_paid_gmt: null, date_completed_gmt: null, transaction_id: '', payment_method: '' },
    ...{ discount_total: '0.00', discount_tax: '0.00', shipping_total: '0.00', shipping_tax: '0.00' },
    ...{ cart_tax: '0.00', total_tax: '0.00', billing: { country: 'DE' }, shipping: { country: '' } },
    ...{ coupon_lines: [], fee_lines: [], refunds: [], tax_lines: [], meta_data: [], ...more },
  });
  const line = (quantity: number, subtotal: string, more: Json = {}): Json => ({
    ...{ id: 315, name: 'Socks', product_id: 93, variation_id: 0, quantity, tax_class: '', subtotal },
    ...{ subtotal_tax: '0.00', total: subtotal, total_tax: '0.00', taxes: [], sku: '', price: 0, ...more },
  });
  const paid = { date_paid_gmt: '2026-03-02T10:00:05', payment_method: 'stripe' };
  const bought = {
    ...paid,
    total: '27.37',
    total_tax: '4.37',
    discount_total: '2.00',
    shipping_total: '5.00',
  };
  const lines = { line_items: [line(3, '20.00', { total: '18.00', total_tax: '3.42' })] };
  const later = (day: number): Json => ({ date_modified_gmt: `2026-03-0${day}T10:00:00` });

  it('come out as that shop counts them', async () => {
    const refunds = [{ id: 80, reason: '', total: '-7.14' }];
    const records = [
      woo('order.created', '1', order(1, { ...bought, ...lines })),
      woo('order.updated', '2', order(1, { ...bought, ...lines, ...later(3), refunds })),
      // A later update lists the same refund again.
      woo('order.updated', '3', order(1, { ...bought, ...lines, ...later(4), refunds, status: 'completed' })),
      woo('order.created', '4', order(2, { line_items: [line(1, '8.40'), line(1, '0.00')], total: '8.40' })),
      woo('order.updated', '5', order(2, { line_items: [line(2, '16.80')], total: '16.80', ...later(5) })),
      woo('order.created', '6', order(3, { currency: 'JPY', line_items: [line(1, '1500')], total: '1500' })),
      woo('order.created', '7', order(4, { status: 'auto-draft', line_items: [line(1, '99.00')] })),
      woo('order.updated', '8', order(5, { status: 'checkout-draft', line_items: [line(1, '99.00')] })),
      woo('order.created', '9', order(6, { line_items: [], total: '0.00' })),
      woo('order.deleted', '10', { id: 6 }),
    ];
    expect(await totalsOf('woocommerce', records, [...SALES, ...MONEY_BACK, 'revenue_paid'])).toEqual({
      EUR: {
        ...{ orders_count: 3, revenue_gross: 2_000 + 1_680, discount_total: 200, shipping_total: 500 },
        // A refund says one sum, with tax and shipping.
        ...{ tax_total: 437, refund_amount: 714, revenue_net: 3_680 - 200 - 714, revenue_paid: 2_737 },
      },
      JPY: expect.objectContaining({ orders_count: 1, revenue_gross: 1_500, revenue_net: 1_500 }),
    });
  });
});

describe('payloads of a Stripe account', () => {
  const intent = (currency: string, amount_received: number, more: Json = {}): Json => ({
    ...{ id: 'pi_1', object: 'payment_intent', amount: amount_received, amount_received, currency },
    ...{ customer: null, description: null, invoice: null, last_payment_error: null, receipt_email: null },
    ...{ metadata: {}, payment_method_types: ['card', 'link'], status: 'succeeded', ...more },
  });
  const charge = (currency: string, amount_refunded: number): Json => ({
    ...{ id: 'ch_1', object: 'charge', amount: 5_000, amount_captured: 5_000, amount_refunded, currency },
    ...{ customer: null, failure_code: null, invoice: null, metadata: {}, payment_intent: 'pi_1' },
    ...{ refunded: false, refunds: null, status: 'succeeded' },
  });
  const formerly = (amount_refunded: number): Json => ({
    previous_attributes: { amount_refunded, receipt_url: 'https://pay.stripe.com/receipts/1' },
  });

  it('come out as that account has them', async () => {
    const records = [
      stripe('evt_1', 'payment_intent.succeeded', intent('eur', 5_000, { metadata: { order_id: '1' } })),
      stripe('evt_2', 'payment_intent.succeeded', intent('jpy', 5_000)),
      stripe('evt_3', 'payment_intent.succeeded', intent('kwd', 1_250)),
      stripe('evt_4', 'charge.refunded', charge('jpy', 1_000), formerly(0)),
      stripe('evt_5', 'charge.refunded', charge('jpy', 1_700), formerly(1_000)),
      stripe('evt_6', 'charge.refunded', charge('eur', 5_000), formerly(0)),
      stripe(
        'evt_7',
        'payment_intent.payment_failed',
        intent('eur', 0, { amount: 800, last_payment_error: { code: 'card_declined' } }),
      ),
      stripe('evt_8', 'charge.dispute.created', {
        ...{ id: 'dp_1', object: 'dispute', amount: 5_000, currency: 'eur', charge: 'ch_1', metadata: {} },
        ...{ payment_intent: 'pi_1', reason: 'product_not_received', status: 'needs_response' },
      }),
      stripe('evt_9', 'payment_intent.succeeded', intent('eur', 99), { livemode: false }),
      stripe('evt_10', 'invoice.paid', { id: 'in_1', object: 'invoice', amount_paid: 5_000 }),
    ];
    expect(await totalsOf('stripe', records, ['revenue_paid', 'refund_amount'])).toEqual({
      EUR: { revenue_paid: 5_000, refund_amount: 5_000 },
      JPY: { revenue_paid: 5_000, refund_amount: 1_700 },
      KWD: { revenue_paid: 1_250, refund_amount: 0 },
    });
  });
});
