import type { GeneratedEvent } from './simulated-orders.ts';

/**
 * The order metrics computed from the set of events by plain maps, straight from section 3 of the
 * contract and by no code of the product: what the cubes must say, by day. Works on sets in which no two
 * events share their time.
 */
export type OracleCells = ReadonlyMap<string, ReadonlyMap<string, bigint>>;

const DAY_MS = 86_400_000;

type Row = Record<string, unknown>;

interface Item {
  readonly sku: string;
  readonly category?: string;
  readonly quantity: number;
  readonly unit_price: number;
}

/** A fact or an event somewhere: its event decides tenant, currency, dimensions and day. */
interface Placed {
  readonly event: GeneratedEvent;
  readonly measure: string;
  readonly amount: bigint;
}

function text(event: GeneratedEvent, name: string): string {
  const value = (event.members as Row)[name];
  return typeof value === 'string' ? value : '';
}

function number(event: GeneratedEvent, name: string): number | undefined {
  const value = (event.members as Row)[name];
  return typeof value === 'number' ? value : undefined;
}

function typeOf(event: GeneratedEvent): string {
  return text(event, 'type').toLowerCase().replaceAll('_', '.');
}

function itemsOf(event: GeneratedEvent): readonly Item[] {
  return ((event.members as Row).items as readonly Item[] | undefined) ?? [];
}

/** The earliest event of a type for each key of a tenant; '' is no key. */
function firsts(events: readonly GeneratedEvent[], type: string, keyOf: (event: GeneratedEvent) => string) {
  const found = new Map<string, GeneratedEvent>();
  for (const event of events) {
    const id = keyOf(event);
    if (typeOf(event) !== type || id === '') continue;
    const key = `${event.tenant}/${id}`;
    const known = found.get(key);
    if (known === undefined || event.time_ms < known.time_ms) found.set(key, event);
  }
  return found;
}

const orderOf = (event: GeneratedEvent): string => text(event, 'order_id');
const sessionOf = (event: GeneratedEvent): string => text(event, 'session_id');
const customerOf = (event: GeneratedEvent): string => text(event, 'customer_id');

function ticketOf(event: GeneratedEvent): string {
  const id = (event.members as Row).ticket_id;
  return id === undefined ? orderOf(event) : String(id);
}

const ORDER_FACTS: readonly (readonly [type: string, measure: string])[] = [
  ['order.created', 'orders'],
  ['payment.succeeded', 'orders_paid'],
  ['order.shipped', 'orders_shipped'],
  ['order.delivered', 'orders_delivered'],
  ['order.cancelled', 'orders_cancelled'],
  ['order.rto', 'orders_rto'],
  ['refund.issued', 'orders_refunded'],
];

const SESSION_FACTS: readonly (readonly [type: string, measure: string])[] = [
  ['visit', 'sessions'],
  ['add.to.cart', 'sessions_with_cart'],
  ['order.created', 'sessions_with_order'],
];

function counted(events: readonly GeneratedEvent[]): Placed[] {
  const out: Placed[] = [];
  const add = (event: GeneratedEvent, measure: string, amount = 1): void => {
    out.push({ event, measure, amount: BigInt(amount) });
  };
  for (const [type, measure] of ORDER_FACTS) {
    for (const event of firsts(events, type, orderOf).values()) add(event, measure);
    for (const event of events) if (typeOf(event) === type && orderOf(event) === '') add(event, measure);
  }
  for (const [type, measure] of SESSION_FACTS) {
    for (const event of firsts(events, type, sessionOf).values()) add(event, measure);
  }
  for (const event of firsts(events, 'order.created', customerOf).values()) add(event, 'customers_new');
  const duration = (from: string, to: string, keyOf: typeof orderOf, sum: string, count: string): void => {
    const starts = firsts(events, from, keyOf);
    for (const [key, end] of firsts(events, to, keyOf)) {
      const start = starts.get(key);
      if (start === undefined) continue;
      add(end, sum, end.time_ms - start.time_ms);
      add(end, count);
    }
  };
  duration('order.created', 'order.shipped', orderOf, 'ship_ms', 'ship_count');
  duration('ticket.opened', 'ticket.first.response', ticketOf, 'response_ms', 'response_count');
  for (const event of events) {
    if (typeOf(event) === 'visit') add(event, 'visits');
    if (typeOf(event) === 'return.received') add(event, 'returns');
  }
  return out;
}

/** Amounts of events: measure by type and field. */
const MONEY: readonly (readonly [type: string, field: string, measure: string])[] = [
  ['order.created', 'amount', 'revenue_gross'],
  ['order.created', 'discount', 'discount'],
  ['order.created', 'shipping', 'shipping'],
  ['order.created', 'tax', 'tax'],
  ['payment.succeeded', 'amount', 'revenue_paid'],
  ['refund.issued', 'amount', 'refund'],
];

/** Measures whose amounts an order's items share in proportion: only their total is this oracle's business. */
export const SHARED = ['discount', 'shipping', 'tax', 'revenue_paid', 'refund'] as const;

class Cells {
  readonly cells = new Map<string, Map<string, bigint>>();
  readonly #dimensions: readonly string[];

  constructor(dimensions: readonly string[]) {
    this.#dimensions = dimensions;
  }

  add(
    event: GeneratedEvent,
    item: { sku?: string; category?: string } | undefined,
    measure: string,
    amount: bigint,
  ): void {
    const values = this.#dimensions.map((name) => {
      if (item !== undefined && (name === 'sku' || name === 'category')) return item[name] ?? '';
      return text(event, name);
    });
    const day = Math.floor(event.time_ms / DAY_MS) * DAY_MS;
    const key = JSON.stringify([event.tenant, day, text(event, 'currency'), ...values]);
    const cell = this.cells.get(key) ?? new Map<string, bigint>();
    const sum = (cell.get(measure) ?? 0n) + amount;
    if (sum === 0n) cell.delete(measure);
    else cell.set(measure, sum);
    if (cell.size > 0) this.cells.set(key, cell);
    else this.cells.delete(key);
  }
}

/** Cells by JSON of [tenant, day in ms, currency, ...values]; sums that are 0 are left out. */
export function oracle(events: readonly GeneratedEvent[], dimensions: readonly string[]): OracleCells {
  const cells = new Cells(dimensions);
  const byItem = dimensions.includes('sku') || dimensions.includes('category');
  const groups = (event: GeneratedEvent): Map<string, Item[]> => {
    const found = new Map<string, Item[]>();
    for (const item of itemsOf(event)) {
      const key = JSON.stringify([
        dimensions.includes('sku') ? item.sku : '',
        dimensions.includes('category') ? (item.category ?? '') : '',
      ]);
      found.set(key, [...(found.get(key) ?? []), item]);
    }
    return found;
  };
  for (const { event, measure, amount } of counted(events)) {
    if (!byItem || itemsOf(event).length === 0) cells.add(event, undefined, measure, amount);
    else for (const [first] of groups(event).values()) cells.add(event, first, measure, amount);
  }
  for (const event of events) {
    const split = byItem && itemsOf(event).length > 0;
    for (const [type, field, measure] of MONEY) {
      const amount = number(event, field);
      if (typeOf(event) !== type || amount === undefined) continue;
      if (!split) cells.add(event, undefined, measure, BigInt(amount));
    }
    if (typeOf(event) !== 'order.created') continue;
    const parts: (readonly Item[])[] = split ? [...groups(event).values()] : [itemsOf(event)];
    for (const items of parts) {
      const units = items.reduce((sum, { quantity }) => sum + BigInt(quantity), 0n);
      const item = split ? items[0] : undefined;
      if (units !== 0n) cells.add(event, item, 'units', units);
      if (!split) continue;
      const value = items.reduce(
        (sum, { quantity, unit_price }) => sum + BigInt(quantity) * BigInt(unit_price),
        0n,
      );
      cells.add(event, item, 'revenue_gross', value);
    }
  }
  return cells.cells;
}

/** Distinct customers of orders by cell of whole orders. */
export function oracleCustomers(
  events: readonly GeneratedEvent[],
  dimensions: readonly string[],
): ReadonlyMap<string, number> {
  const found = new Map<string, Set<string>>();
  for (const event of events) {
    if (typeOf(event) !== 'order.created' || customerOf(event) === '') continue;
    const day = Math.floor(event.time_ms / DAY_MS) * DAY_MS;
    const key = JSON.stringify([
      event.tenant,
      day,
      text(event, 'currency'),
      ...dimensions.map((name) => text(event, name)),
    ]);
    found.set(key, (found.get(key) ?? new Set()).add(customerOf(event)));
  }
  return new Map([...found].map(([key, customers]) => [key, customers.size]));
}
