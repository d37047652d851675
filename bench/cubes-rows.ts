import { CODE, FLAG, HASH, MARK, NUMBER, ROW_DIMENSIONS, rowSchema } from '../analytics/index.ts';
import { type Dictionary, RowBatch } from '../engine/index.ts';
import { type TrafficOptions, traffic } from './traffic.ts';

interface Event {
  readonly type: string;
  readonly time: string;
  readonly currency: string;
  readonly order_id?: string;
  readonly amount?: number;
  readonly shipping?: number;
  readonly [dimension: string]: unknown;
}

/** What a ledger makes of the traffic's events: each session visits, fills its cart and orders once. */
const MARKS: Readonly<Record<string, number>> = {
  visit: MARK.visits | MARK.sessions,
  add_to_cart: MARK.sessions_with_cart,
  'order.created': MARK.orders | MARK.sessions_with_order | MARK.customers_new,
  'payment.succeeded': MARK.payment | MARK.orders_paid,
  'order.shipped': MARK.orders_shipped | MARK.shipped_in,
  'order.delivered': MARK.orders_delivered,
};
/** What later events of an order take from it. */
const INHERITED = ['payment_method', 'customer_segment', 'sku', 'category'] as const;

/** Batches of rows as the ledger would hand them on, one a call, of the traffic's events in order. */
export function rowBatches(options: TrafficOptions, dictionary: Dictionary): (count: number) => RowBatch {
  const next = traffic(options);
  const orders = new Map<string, Event>();
  let sequence = 0;
  return (count) => {
    const batch = new RowBatch(rowSchema(), dictionary);
    for (let left = count; left > 0; left--) {
      const event = JSON.parse(next()) as Event;
      if (event.type === 'order.created') orders.set(event.order_id as string, event);
      const order = event.order_id === undefined ? undefined : orders.get(event.order_id);
      addRow(batch, event, order, ++sequence);
      if (event.type === 'order.delivered') orders.delete(event.order_id as string);
    }
    return batch;
  };
}

function addRow(batch: RowBatch, event: Event, order: Event | undefined, sequence: number): void {
  const { dictionary } = batch;
  const row = batch.append();
  const { codes, hashes, numbers } = batch.columns;
  const setCode = (column: number, value: number): void => {
    (codes[column] as Int32Array)[row] = value;
  };
  const text = (value: unknown): number => dictionary.codeOf(typeof value === 'string' ? value : '');
  batch.time_ms[row] = Date.parse(event.time);
  batch.sequence[row] = sequence;
  batch.part[row] = 0;
  batch.scope[row] = dictionary.codeOf('default');
  batch.itemStart[row] = 0;
  batch.itemCount[row] = 0;
  setCode(CODE.retraction, 0);
  setCode(CODE.flags, FLAG.original);
  setCode(CODE.type, text(event.type));
  setCode(CODE.marks, MARKS[event.type] ?? 0);
  setCode(CODE.currency, text(event.currency));
  setCode(CODE.event, sequence);
  for (const [at, name] of ROW_DIMENSIONS.entries()) {
    const inherited = INHERITED.some((each) => each === name) ? order?.[name] : undefined;
    setCode(CODE.dimensions + at, text(event[name] ?? inherited));
  }
  for (const column of Object.values(HASH)) {
    const hash = hashes[column];
    if (hash === undefined) continue;
    hash.hi[row] = 0;
    hash.lo[row] = 0;
  }
  const value = event.type === 'order.shipped' && order !== undefined ? 86_400_000 : Number.NaN;
  const given = { amount: event.amount, shipping: event.shipping, value };
  for (const column of Object.values(NUMBER)) (numbers[column] as Float64Array)[row] = Number.NaN;
  for (const [name, amount] of Object.entries(given))
    (numbers[NUMBER[name as keyof typeof given]] as Float64Array)[row] = amount ?? Number.NaN;
}
