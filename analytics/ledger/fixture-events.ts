import { Dictionary, type RowBatch } from '../../engine/index.ts';
import { EventBatch, T } from '../events/index.ts';
import { CODE, FLAG, HASH, ITEM_CODE, ITEM_NUMBER, NUMBER, ROW_DIMENSIONS } from '../rows/index.ts';

export interface TestItem {
  readonly sku: string;
  readonly category: string;
  readonly quantity: number;
  readonly unit_price: number;
}

/** An event as a test says it; ids are small numbers, 0: none. */
export interface TestEvent {
  readonly id: string;
  readonly type: keyof typeof T;
  readonly time_ms: number;
  readonly order: number;
  readonly customer: number;
  readonly session: number;
  readonly ticket: number;
  readonly currency: string;
  readonly dimensions: Readonly<Record<string, string>>;
  readonly amount: number | null;
  readonly discount: number | null;
  readonly items: readonly TestItem[];
  /** Says that it stands in the place of the event with its id, or which ids it takes back. */
  readonly amends?: 'supersedes' | readonly string[];
  readonly version?: number;
  /** Tells contents of one id apart. */
  readonly payload?: number;
}

/** An order of nobody, unless said otherwise. */
export function testEvent(given: Partial<TestEvent> & { readonly id: string }): TestEvent {
  return {
    type: 'order.created',
    time_ms: 1_000_000_000_000,
    ...{ order: 0, customer: 0, session: 0, ticket: 0, currency: '', dimensions: {} },
    ...{ amount: null, discount: null, items: [] },
    ...given,
  };
}

/** 31 bits that stand for an event's id. */
export function eventCode(id: string): number {
  let hash = 7;
  for (const char of id) hash = (Math.imul(hash, 31) + char.charCodeAt(0)) & 0x7fffffff;
  return hash;
}

export function newBatch(): EventBatch {
  return new EventBatch(new Dictionary());
}

export function appendEvent(batch: EventBatch, event: TestEvent, sequence: number): void {
  const { dictionary, own } = batch;
  const row = batch.append();
  const { codes, hashes, numbers } = own.columns;
  const setCode = (column: number, value: number): void => {
    (codes[column] as Int32Array)[row] = value;
  };
  own.time_ms[row] = event.time_ms;
  own.sequence[row] = sequence;
  own.part[row] = 0;
  own.scope[row] = dictionary.codeOf('tenant');
  setCode(CODE.retraction, 0);
  setCode(CODE.flags, FLAG.original);
  setCode(CODE.type, dictionary.codeOf(event.type));
  setCode(CODE.marks, 0);
  setCode(CODE.currency, dictionary.codeOf(event.currency));
  setCode(CODE.event, eventCode(event.id));
  for (const [index, name] of ROW_DIMENSIONS.entries())
    setCode(CODE.dimensions + index, dictionary.codeOf(event.dimensions[name] ?? ''));
  for (const [column, id] of [
    [HASH.order, event.order],
    [HASH.customer, event.customer],
    [HASH.session, event.session],
  ] as const) {
    const hash = hashes[column];
    if (hash === undefined) throw new Error('no such hash column');
    hash.hi[row] = id === 0 ? 0 : id * 7;
    hash.lo[row] = id;
  }
  const ticket = hashes[HASH.ticket];
  const isTicket = event.type === 'ticket.opened' || event.type === 'ticket.first.response';
  if (ticket !== undefined) {
    ticket.hi[row] = isTicket ? event.ticket : 0;
    ticket.lo[row] = isTicket ? event.ticket : 0;
  }
  const setNumber = (column: number, value: number | null): void => {
    (numbers[column] as Float64Array)[row] = value ?? Number.NaN;
  };
  setNumber(NUMBER.amount, event.amount);
  setNumber(NUMBER.discount, event.discount);
  setNumber(NUMBER.shipping, null);
  setNumber(NUMBER.tax, null);
  setNumber(NUMBER.value, null);
  setNumber(NUMBER.origin, null);
  setNumber(NUMBER.origin_part, null);
  own.itemStart[row] = own.appendItems(event.items.length);
  own.itemCount[row] = event.items.length;
  for (const [index, item] of event.items.entries()) {
    const at = (own.itemStart[row] as number) + index;
    (own.items.codes[ITEM_CODE.sku] as Int32Array)[at] = dictionary.codeOf(item.sku);
    (own.items.codes[ITEM_CODE.category] as Int32Array)[at] = dictionary.codeOf(item.category);
    (own.items.numbers[ITEM_NUMBER.quantity] as Float64Array)[at] = item.quantity;
    (own.items.numbers[ITEM_NUMBER.unit_price] as Float64Array)[at] = item.unit_price;
  }
  batch.id0[row] = eventCode(event.id);
  batch.id1[row] = eventCode(`${event.id}x`);
  batch.id2[row] = 1;
  batch.payload[row] = event.payload ?? 0;
  batch.kind[row] = T[event.type];
  batch.ticket_hi[row] = event.ticket;
  batch.ticket_lo[row] = event.ticket;
  batch.record[row] = 0;
  const bytes = new TextEncoder().encode(event.id);
  batch.setId(row, bytes, 0, bytes.length);
  if (event.amends === undefined) return;
  const supersedes = event.amends === 'supersedes';
  const ids = event.amends === 'supersedes' ? [event.id] : event.amends;
  const targets = ids.map((id) => ({
    ...{ id0: eventCode(id), id1: eventCode(`${id}x`), id2: 1, event: eventCode(id) },
    id: new TextEncoder().encode(id),
  }));
  batch.amendments.push({ row, supersedes, ...KEPT, version: event.version ?? 1, id: bytes, targets });
}

const KEPT = { erases: false, isGone: false, erased_payload: undefined, first_payload: undefined };

/** A row as text: everything that counts, nothing of where it came from. */
export function rowText(rows: RowBatch, row: number): string {
  const { dictionary } = rows;
  const { codes, hashes, numbers } = rows.columns;
  const code = (column: number): number => (codes[column] as Int32Array)[row] as number;
  const hash = (column: number): number => (hashes[column]?.lo[row] ?? 0) as number;
  const number = (column: number): number | null => {
    const value = (numbers[column] as Float64Array)[row] as number;
    return Number.isNaN(value) ? null : value;
  };
  const start = rows.itemStart[row] as number;
  const items = Array.from({ length: rows.itemCount[row] as number }, (_, index) => ({
    sku: dictionary.textOf((rows.items.codes[ITEM_CODE.sku] as Int32Array)[start + index] as number),
    category: dictionary.textOf(
      (rows.items.codes[ITEM_CODE.category] as Int32Array)[start + index] as number,
    ),
    quantity: (rows.items.numbers[ITEM_NUMBER.quantity] as Float64Array)[start + index],
    unit_price: (rows.items.numbers[ITEM_NUMBER.unit_price] as Float64Array)[start + index],
  }));
  return JSON.stringify({
    time_ms: rows.time_ms[row],
    type: dictionary.textOf(code(CODE.type)),
    marks: code(CODE.marks),
    currency: dictionary.textOf(code(CODE.currency)),
    event: code(CODE.event),
    dimensions: ROW_DIMENSIONS.map((_, index) => dictionary.textOf(code(CODE.dimensions + index))),
    order: hash(HASH.order),
    customer: hash(HASH.customer),
    session: hash(HASH.session),
    amount: number(NUMBER.amount),
    discount: number(NUMBER.discount),
    value: number(NUMBER.value),
    items,
  });
}
