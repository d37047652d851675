import type { GeneratedEvent } from './simulated-orders.ts';

export interface OracleItem {
  readonly sku: string;
  readonly category?: string;
  readonly quantity: number;
  readonly unit_price: number;
}

/** `lines`: of a group of items their quantity × unit_price; `parts`: their share; `whole`: all of it. */
type Rule = 'lines' | 'parts' | 'whole' | 'units';

/** What an event counts for, where it belongs: with its order's newest version, and what it has from its order. */
export interface OracleRow {
  readonly tenant: string;
  readonly time_ms: number;
  readonly currency: string;
  readonly customer: string;
  readonly dimensions: Readonly<Record<string, string>>;
  readonly items: readonly OracleItem[];
  readonly counts: readonly string[];
  readonly amounts: readonly { readonly measure: string; readonly amount: bigint; readonly rule: Rule }[];
}

const DIMENSIONS = ['channel', 'country', 'sku', 'category', 'campaign'];
const ALIASES: Readonly<Record<string, string>> = {
  'order.canceled': 'order.cancelled',
  'order.placed': 'order.created',
  'order.completed': 'order.created',
};

function text(event: GeneratedEvent | undefined, name: string): string {
  const value = event?.members[name];
  return value == null ? '' : String(value);
}

function typeOf(event: GeneratedEvent): string {
  const plain = text(event, 'type').toLowerCase().replaceAll('_', '.');
  return ALIASES[plain] ?? plain;
}

function itemsOf(event: GeneratedEvent | undefined): readonly OracleItem[] {
  return (event?.members.items as readonly OracleItem[] | undefined) ?? [];
}

/** Events of an order: by its id, or one alone. */
function orderOf(event: GeneratedEvent): string {
  const id = text(event, 'order_id');
  return id === '' ? `alone ${text(event, 'event_id')}` : `order ${id}`;
}

function ticketOf(event: GeneratedEvent): string {
  return text(event, 'ticket_id') || text(event, 'order_id');
}

function groups(events: readonly GeneratedEvent[], keyOf: (event: GeneratedEvent) => string) {
  const found = new Map<string, GeneratedEvent[]>();
  for (const event of events) {
    const key = keyOf(event);
    if (key !== '') found.set(key, [...(found.get(key) ?? []), event]);
  }
  return found;
}

function earliest(events: readonly GeneratedEvent[]): GeneratedEvent | undefined {
  return events.toSorted((a, b) => a.time_ms - b.time_ms)[0];
}

const AMOUNTS = ['amount', 'discount', 'shipping', 'tax'];

/** The order as it is: each member is that of the newest version that has it; undefined before the first. */
function newest(versions: readonly GeneratedEvent[]): GeneratedEvent | undefined {
  const sorted = versions.toSorted((a, b) => a.time_ms - b.time_ms);
  const first = sorted[0];
  if (first === undefined) return undefined;
  const members: Record<string, unknown> = {};
  for (const version of sorted) {
    for (const name of [...DIMENSIONS, 'currency', 'customer_id', 'session_id'])
      if (text(version, name) !== '') members[name] = version.members[name];
    for (const name of AMOUNTS)
      if (version.members[name] !== undefined) members[name] = version.members[name];
    if (itemsOf(version).length > 0) members.items = itemsOf(version);
  }
  return { ...first, members };
}

/** Kinds of an order's events that count once an order, at the earliest. */
const FIRSTS: Readonly<Record<string, string>> = {
  'payment.succeeded': 'orders_paid',
  'order.shipped': 'orders_shipped',
  'order.delivered': 'orders_delivered',
  'order.cancelled': 'orders_cancelled',
  'order.rto': 'orders_rto',
  'refund.issued': 'orders_refunded',
};
const INHERITING = [...Object.keys(FIRSTS), 'return.received', 'chargeback.received'];

interface Order {
  readonly state: GeneratedEvent | undefined;
  readonly created: GeneratedEvent | undefined;
  readonly firsts: ReadonlyMap<string, GeneratedEvent | undefined>;
}

function orderFrom(events: readonly GeneratedEvent[]): Order {
  const ofType = (type: string): GeneratedEvent[] => events.filter((event) => typeOf(event) === type);
  return {
    state: newest([...ofType('order.created'), ...ofType('order.updated')]),
    created: earliest(ofType('order.created')),
    firsts: new Map(Object.keys(FIRSTS).map((type) => [type, earliest(ofType(type))])),
  };
}

export function rowsOf(events: readonly GeneratedEvent[]): OracleRow[] {
  return [...groups(events, ({ tenant }) => tenant).values()].flatMap(rowsOfTenant);
}

function rowsOfTenant(events: readonly GeneratedEvent[]): OracleRow[] {
  const orders = new Map([...groups(events, orderOf)].map(([key, own]) => [key, orderFrom(own)] as const));
  const counted = [...orders.values()].flatMap(({ created, state }) =>
    created === undefined || state === undefined ? [] : [{ created, state }],
  );
  const firstsBy = (member: string): Set<GeneratedEvent | undefined> => {
    const owners = new Map<string, GeneratedEvent[]>();
    for (const { created, state } of counted) {
      const owner = text(state, member);
      if (owner !== '') owners.set(owner, [...(owners.get(owner) ?? []), created]);
    }
    return new Set([...owners.values()].map(earliest));
  };
  const firstOf = (type: string, keyOf: (event: GeneratedEvent) => string) => {
    const ofType = events.filter((event) => typeOf(event) === type);
    return new Map([...groups(ofType, keyOf)].map(([key, own]) => [key, earliest(own)] as const));
  };
  const world: World = {
    newCustomers: firstsBy('customer_id'),
    orderedSessions: firstsBy('session_id'),
    visits: firstOf('visit', (event) => text(event, 'session_id')),
    carts: firstOf('add.to.cart', (event) => text(event, 'session_id')),
    opened: firstOf('ticket.opened', ticketOf),
    responses: firstOf('ticket.first.response', ticketOf),
  };
  return events.map((event) => rowOf(event, orders.get(orderOf(event)), world));
}

type Firsts = ReadonlyMap<string, GeneratedEvent | undefined>;

interface World {
  readonly newCustomers: ReadonlySet<GeneratedEvent | undefined>;
  readonly orderedSessions: ReadonlySet<GeneratedEvent | undefined>;
  readonly visits: Firsts;
  readonly carts: Firsts;
  readonly opened: Firsts;
  readonly responses: Firsts;
}

function rowOf(event: GeneratedEvent, order: Order | undefined, world: World): OracleRow {
  const type = typeOf(event);
  const counts: string[] = [];
  const amounts: OracleRow['amounts'][number][] = [];
  const put = (measure: string, from: GeneratedEvent | undefined, member: string, rule: Rule): void => {
    const value = from?.members[member];
    if (typeof value === 'number') amounts.push({ measure, amount: BigInt(value), rule });
  };
  let shown = event;
  const state = order?.state;
  if (type === 'order.created' && order?.created === event && state !== undefined) {
    shown = state;
    counts.push('orders_count');
    if (world.newCustomers.has(event)) counts.push('customers_new');
    if (world.orderedSessions.has(event)) counts.push('sessions_with_order');
    // A group of items has the value of its lines, also where the order says no amount.
    if (typeof state.members.amount === 'number') put('revenue_gross', state, 'amount', 'lines');
    else amounts.push({ measure: 'revenue_gross', amount: 0n, rule: 'lines' });
    put('discount_total', state, 'discount', 'parts');
    put('shipping_total', state, 'shipping', 'parts');
    put('tax_total', state, 'tax', 'parts');
    amounts.push({ measure: 'units_sold', amount: 0n, rule: 'units' });
  }
  if (INHERITING.includes(type) && text(event, 'order_id') !== '') shown = inherited(event, state);
  const first = FIRSTS[type];
  const isFirst = first !== undefined && order?.firsts.get(type) === event;
  if (isFirst) counts.push(first);
  if (type === 'payment.succeeded') put('revenue_paid', event, 'amount', 'parts');
  if (type === 'refund.issued') put('refund_amount', event, 'amount', 'parts');
  if (type === 'return.received') counts.push('returns_count');
  if (isFirst && type === 'order.shipped' && order?.created !== undefined) {
    const ms = event.time_ms - order.created.time_ms;
    amounts.push({ measure: 'ship_ms', amount: BigInt(ms), rule: 'whole' });
    counts.push('ship_count');
  }
  if (isFirst && type === 'order.cancelled') {
    const isAlone = text(event, 'order_id') === '';
    const from = isAlone ? event : order?.created && state;
    if (typeof from?.members.amount === 'number') put('revenue_cancelled', from, 'amount', 'lines');
    else amounts.push({ measure: 'revenue_cancelled', amount: 0n, rule: 'lines' });
  }
  const session = text(event, 'session_id');
  if (type === 'visit') counts.push('visits');
  if (type === 'visit' && world.visits.get(session) === event) counts.push('sessions');
  if (type === 'add.to.cart' && world.carts.get(session) === event) counts.push('sessions_with_cart');
  const opened = world.opened.get(ticketOf(event));
  if (world.responses.get(ticketOf(event)) === event && opened !== undefined) {
    amounts.push({ measure: 'response_ms', amount: BigInt(event.time_ms - opened.time_ms), rule: 'whole' });
    counts.push('response_count');
  }
  return {
    tenant: event.tenant,
    time_ms: event.time_ms,
    currency: text(shown, 'currency'),
    customer: text(shown, 'customer_id'),
    dimensions: Object.fromEntries(DIMENSIONS.map((name) => [name, text(shown, name)])),
    items: itemsOf(shown),
    ...{ counts, amounts },
  };
}

/** An event with what it lacks from its order; its own sku or category says what it is about, instead of items. */
function inherited(event: GeneratedEvent, state: GeneratedEvent | undefined): GeneratedEvent {
  if (state === undefined) return event;
  const lacks = (name: string): boolean => text(event, name) === '';
  const taken = [...DIMENSIONS, 'currency', 'customer_id'].filter(lacks);
  const members = {
    ...event.members,
    ...Object.fromEntries(taken.map((name) => [name, state.members[name]])),
  };
  const own = itemsOf(event);
  if (own.length === 0 && lacks('sku') && lacks('category'))
    return { ...event, members: { ...members, items: itemsOf(state) } };
  const categoryOf = (sku: string): string =>
    itemsOf(state).find((item) => item.sku === sku && sku !== '' && item.category)?.category ?? '';
  const category = categoryOf(text(event, 'sku'));
  if (own.length === 0)
    return { ...event, members: lacks('category') && category !== '' ? { ...members, category } : members };
  const items = own.map((item) => ({ ...item, category: item.category || categoryOf(item.sku) }));
  return { ...event, members: { ...members, items } };
}
