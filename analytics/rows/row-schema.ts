import { type ColumnSpec, columnIndex, type LogSchema } from '../../engine/index.ts';

/** The contract's dimensions whose values are text codes, in the order of their columns. */
export const ROW_DIMENSIONS = [
  'channel',
  'country',
  'sku',
  'category',
  'warehouse',
  'payment_method',
  'customer_segment',
  'campaign',
  'status',
  'region',
  'voucher_code',
  'reason',
  'source',
] as const;
export type RowDimension = (typeof ROW_DIMENSIONS)[number];

/** Row flags, column `flags`. */
export const FLAG = {
  /** The row an event came in with; each event has exactly one. */
  original: 1,
  /** Says an event's columns anew (its order came or changed), with the former ones taken back by a retraction. */
  restated: 2,
  /** Of an `original`: it says what its order's newest version says, where the event's own may be something else. */
  merged: 4,
  /**
   * A correction took the event at (`origin`, `origin_part`) back; without a retraction it put it back. An event is in
   * force while the two balance.
   */
  displaced: 8,
} as const;

/**
 * What a row counts for, bits of column `marks`. A row without marks takes part in no KPI. Amount columns count
 * by mark: `orders` takes amount, discount, shipping, tax and units; `payment` and `refund` take amount;
 * `cancelled` takes `value` (the order's amount); `shipped_in` and `responded` take `value` (ms).
 */
export const MARK = {
  /** An order, at its first `order.created`. */
  orders: 1 << 0,
  /** An order, at its earliest event of the kind. */
  orders_paid: 1 << 1,
  orders_shipped: 1 << 2,
  orders_delivered: 1 << 3,
  orders_cancelled: 1 << 4,
  orders_rto: 1 << 5,
  orders_refunded: 1 << 6,
  /** `return.received`, each event. */
  returns: 1 << 7,
  /** `visit`, each event. */
  visits: 1 << 8,
  /** A session at its first visit, first `add_to_cart`, first order. */
  sessions: 1 << 9,
  sessions_with_cart: 1 << 10,
  sessions_with_order: 1 << 11,
  /** A customer at the first of their orders. */
  customers_new: 1 << 12,
  /** First shipment of an order whose creation is known: `value` is the time between, ms. */
  shipped_in: 1 << 13,
  /** First response of a ticket whose opening is known: `value` is the time between, ms. */
  responded: 1 << 14,
  /** `payment.succeeded`, each event: `amount` is paid. */
  payment: 1 << 15,
  /** `refund.issued`, each event: `amount` is refunded. */
  refund: 1 << 16,
  /** First cancellation of an order whose creation is known, or of an order by itself: `value` is its amount. */
  cancelled: 1 << 17,
} as const;
export type Mark = keyof typeof MARK;

const code = (name: string): ColumnSpec => ({ name, kind: 'code' });
const text = (name: string): ColumnSpec => ({ name, kind: 'code', text: true });
const hash = (name: string): ColumnSpec => ({ name, kind: 'hash' });
const number = (name: string): ColumnSpec => ({ name, kind: 'number' });

/**
 * The columns of the order analytics' log. `custom` are a tenant's declared dimensions, by name.
 *
 * A row is an event (`original`), or a correction: a retraction (`retraction` 1) takes back what an earlier row
 * said, and a row with the new state follows it. All rows caused by one record have its sequence. So the sum over
 * rows up to a sequence is the answer as it was there. Dimensions, currency, customer and items of an event that
 * names an order are those that it inherits where it has none of its own.
 */
export function rowSchema(custom: readonly string[] = []): LogSchema {
  return {
    columns: [
      { name: 'retraction', kind: 'code' },
      { name: 'flags', kind: 'code', provenance: true },
      text('type'),
      code('marks'),
      text('currency'),
      // 31 bits of the event id's hash: finds the candidates for an id, which their payloads confirm.
      code('event'),
      ...ROW_DIMENSIONS.map(text),
      ...custom.map(text),
      hash('order'),
      hash('customer'),
      hash('session'),
      // Of the row that an event about a ticket came in with; finds the ticket's other events.
      { name: 'ticket', kind: 'hash', provenance: true },
      number('amount'),
      number('discount'),
      number('shipping'),
      number('tax'),
      number('value'),
      // Sequence of the event that a restated row or a retraction speaks of; none where it is the row's own.
      { name: 'origin', kind: 'number', provenance: true },
      // With `displaced`: the event's part of its message.
      { name: 'origin_part', kind: 'number', provenance: true },
    ],
    items: [text('sku'), text('category'), number('quantity'), number('unit_price')],
    sortBy: 'customer',
    retraction: 'retraction',
  };
}

/** Places of the fixed columns among those of their kind (engine/log `Columns`). */
const FIXED = rowSchema().columns;
export const CODE = {
  retraction: columnIndex(FIXED, 'retraction'),
  flags: columnIndex(FIXED, 'flags'),
  type: columnIndex(FIXED, 'type'),
  marks: columnIndex(FIXED, 'marks'),
  currency: columnIndex(FIXED, 'currency'),
  event: columnIndex(FIXED, 'event'),
  /** Of the first dimension; the others follow in the order of ROW_DIMENSIONS, then the declared ones. */
  dimensions: columnIndex(FIXED, ROW_DIMENSIONS[0]),
} as const;
export const HASH = {
  order: columnIndex(FIXED, 'order'),
  customer: columnIndex(FIXED, 'customer'),
  session: columnIndex(FIXED, 'session'),
  ticket: columnIndex(FIXED, 'ticket'),
} as const;
export const NUMBER = {
  amount: columnIndex(FIXED, 'amount'),
  discount: columnIndex(FIXED, 'discount'),
  shipping: columnIndex(FIXED, 'shipping'),
  tax: columnIndex(FIXED, 'tax'),
  value: columnIndex(FIXED, 'value'),
  origin: columnIndex(FIXED, 'origin'),
  origin_part: columnIndex(FIXED, 'origin_part'),
} as const;
export const ITEM_CODE = { sku: 0, category: 1 } as const;
export const ITEM_NUMBER = { quantity: 0, unit_price: 1 } as const;
