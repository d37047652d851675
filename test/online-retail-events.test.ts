import { describe, expect, it } from 'vitest';
import {
  minorUnits,
  type RetailEvent,
  RetailEvents,
  type RetailRow,
  retailEvents,
} from '../examples/online-retail/events.ts';

const ROW: RetailRow = {
  line: 2,
  InvoiceNo: '536365',
  StockCode: '85123A',
  Description: 'WHITE HANGING HEART T-LIGHT HOLDER',
  Quantity: '6',
  InvoiceDate: '2010-12-01 08:26:00',
  UnitPrice: '2.55',
  CustomerID: '17850.0',
  Country: 'United Kingdom',
};
const row = (change: Partial<RetailRow>): RetailRow => ({ ...ROW, ...change });
const netOf = (...rows: RetailRow[]): number => {
  const mapper = new RetailEvents();
  for (const each of rows) mapper.add(each);
  return mapper.net;
};
const only = (...rows: RetailRow[]): RetailEvent => {
  const events = retailEvents(rows);
  expect(events).toHaveLength(1);
  return events[0] as RetailEvent;
};

describe('minorUnits', () => {
  it.each([
    [6, '2.55', 1_530],
    [1, '0.001', 0],
    [5, '0.001', 1],
    [4, '0.001', 0],
    [-5, '0.001', -1],
    [5, '-0.001', -1],
    [-5, '-0.001', 1],
    [3, '0.335', 101],
    [1, '1.005', 101],
    [-1, '11062.06', -1_106_206],
    [80_995, '2.08', 16_846_960],
    [999_999_999, '9999.99', 999_998_999_000_001],
    [2, '7', 1_400],
    [0, '-1.5', 0],
  ])('%d × %s is %d', (quantity, price, minor) => {
    expect(minorUnits(quantity, price)).toBe(minor);
  });
});

describe('retailEvents', () => {
  it('makes an order of an invoice, with what the file says and nothing else', () => {
    const second = row({ StockCode: '71053', Description: '', Quantity: '2', UnitPrice: '3.39' });
    expect(only(ROW, second)).toEqual({
      event_id: 'online-retail/536365/2010-12-01T08:26:00Z/000',
      type: 'order.created',
      time: '2010-12-01T08:26:00Z',
      source: 'online-retail',
      order_id: '536365',
      customer_id: '17850',
      country: 'United Kingdom',
      currency: 'GBP',
      amount: 1_530 + 678,
      items: [
        { sku: '85123A', name: 'WHITE HANGING HEART T-LIGHT HOLDER', quantity: 6, unit_price: 255 },
        { sku: '71053', quantity: 2, unit_price: 339 },
      ],
    });
  });

  it('keeps identical lines', () => {
    expect(only(ROW, ROW)).toMatchObject({ amount: 3_060, items: [{ quantity: 6 }, { quantity: 6 }] });
  });

  it('makes a refund of a cancellation, stated as what is given back', () => {
    const cancelled = row({ InvoiceNo: 'C536379', Quantity: '-6' });
    const refund = only(cancelled);
    expect(refund).toMatchObject({
      type: 'refund.issued',
      amount: 1_530,
      items: [{ quantity: 6, unit_price: 255 }],
      data: { invoice: 'C536379' },
    });
    expect(refund).not.toHaveProperty('order_id');
    expect(netOf(cancelled)).toBe(-1_530);
  });

  it('makes a refund of an adjustment of bad debt, and an order of one that adds: no refund is negative', () => {
    const debt = { StockCode: 'B', Description: 'Adjust bad debt', Quantity: '1', CustomerID: '' };
    const rows = [
      row({ ...debt, InvoiceNo: 'A563185', UnitPrice: '11062.06' }),
      row({ ...debt, InvoiceNo: 'A563186', UnitPrice: '-11062.06' }),
    ];
    expect(retailEvents(rows)).toMatchObject([
      {
        type: 'order.created',
        order_id: 'A563185',
        amount: 1_106_206,
        reason: 'Adjust bad debt',
        items: [{ quantity: 1, unit_price: 1_106_206 }],
      },
      {
        type: 'refund.issued',
        amount: 1_106_206,
        reason: 'Adjust bad debt',
        items: [{ quantity: -1, unit_price: -1_106_206 }],
      },
    ]);
    expect(netOf(...rows.slice(0, 1))).toBe(1_106_206);
    expect(netOf(...rows)).toBe(0);
  });

  it('makes no order of a stock movement: no price and nobody who buys', () => {
    const moved = only(row({ CustomerID: '', UnitPrice: '0.0', Quantity: '-10', Description: 'damages' }));
    expect(moved).toMatchObject({ type: 'stock.adjusted', items: [{ quantity: -10, unit_price: 0 }] });
    expect(moved).not.toHaveProperty('amount');
    expect(only(row({ UnitPrice: '0.0' })).type).toBe('order.created');
    expect(only(row({ CustomerID: '' })).type).toBe('order.created');
  });

  it('makes a newer version of an invoice with lines of a second time: an order with all of them', () => {
    const later = row({ InvoiceDate: '2010-12-01 08:27:00', StockCode: '71053', Quantity: '1' });
    const events = retailEvents([ROW, later]);
    expect(events.map(({ order_id, event_id, type }) => [order_id, event_id, type])).toEqual([
      ['536365', 'online-retail/536365/2010-12-01T08:26:00Z/000', 'order.created'],
      ['536365', 'online-retail/536365/2010-12-01T08:27:00Z/000', 'order.updated'],
    ]);
    expect(events.map(({ amount, items }) => [amount, items.map(({ sku }) => sku)])).toEqual([
      [1_530, ['85123A']],
      [1_530 + 255, ['85123A', '71053']],
    ]);
    expect(netOf(ROW, later)).toBe(1_530 + 255);
  });

  it('makes further orders of long invoices, and goes on where one is interrupted', () => {
    const rows = [ROW, ROW, ROW, row({ InvoiceNo: '536366' }), ROW];
    const events = retailEvents(rows, { max_items: 2 });
    expect(
      events.map(({ event_id, order_id, type, items }) => [event_id, order_id, type, items.length]),
    ).toEqual([
      ['online-retail/536365/2010-12-01T08:26:00Z/000', '536365', 'order.created', 2],
      ['online-retail/536365/2010-12-01T08:26:00Z/001', '536365/1', 'order.created', 1],
      ['online-retail/536366/2010-12-01T08:26:00Z/000', '536366', 'order.created', 1],
      ['online-retail/536365/2010-12-01T08:26:00Z/002', '536365/1', 'order.updated', 2],
    ]);
    expect(retailEvents(rows, { max_items: 2 })).toEqual(events);
    expect(retailEvents(Array.from({ length: 1_001 }, () => ROW)).map(({ items }) => items.length)).toEqual([
      1_000, 1,
    ]);
  });

  it.each([
    [{ Quantity: '1.5' }, /Line 2 of the file: Quantity "1.5"/],
    [{ UnitPrice: 'free' }, /UnitPrice "free"/],
    [{ InvoiceDate: '12/1/2010 8:26' }, /InvoiceDate "12\/1\/2010 8:26"/],
    [{ InvoiceDate: '2010-13-01 08:26:00' }, /InvoiceDate/],
    [{ Country: '' }, /must not be empty/],
  ])('names a bad line: %j', (change, message) => {
    expect(() => retailEvents([row(change)])).toThrow(message);
  });
});
