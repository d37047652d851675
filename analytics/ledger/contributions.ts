import {
  type CubeRow,
  type Fact,
  type FactChange,
  hash53,
  murmur128,
  type WithFacts,
} from '../../operators/index.ts';
import { ABSENT, type Amount, type OrderEvent, T } from '../events/index.ts';
import { D, M, WHOLE } from '../model/index.ts';
import {
  CREATED,
  CUSTOMER,
  type FactPlace,
  FIRST_RESPONSE,
  OPENED,
  ORDER,
  SESSION,
  SHIPPED,
  TICKET,
} from './facts.ts';
import { type Group, groupLines, groupPlace, type LineGroup } from './lines.ts';

/** Measure that a slot of an entity counts, by entity and slot; -1 for slots that only take part in a duration. */
const COUNTED: readonly (readonly number[])[] = [
  [
    M.orders,
    M.orders_paid,
    M.orders_shipped,
    M.orders_delivered,
    M.orders_cancelled,
    M.orders_rto,
    M.orders_refunded,
  ],
  [M.customers_new],
  [M.sessions, M.sessions_with_cart, M.sessions_with_order],
  [-1, -1],
];

/** Events that count as an order of their own when they name none, by type. */
const LONE_ORDER = new Map<number, number>([
  [T['order.created'], M.orders],
  [T['payment.succeeded'], M.orders_paid],
  [T['order.shipped'], M.orders_shipped],
  [T['order.delivered'], M.orders_delivered],
  [T['order.cancelled'], M.orders_cancelled],
  [T['order.rto'], M.orders_rto],
  [T['refund.issued'], M.orders_refunded],
]);

const NOTHING: readonly number[] = [];
const scratch = new Uint32Array(4);
const encoder = new TextEncoder();
/** Room for the UTF-8 of the longest id. */
const idBytes = new Uint8Array(128 * 3);

/** A customer as a 53-bit member of a distinct set. */
export function customerMember(customer_id: string): number {
  const { written } = encoder.encodeInto(customer_id, idBytes);
  murmur128(idBytes, 0, written, 0, scratch);
  return hash53(scratch);
}

/** One shape for every row: spreading objects together costs several times as much. */
function rowOf(
  scope: string,
  time_ms: number,
  unit: string,
  dimensions: readonly string[],
  mask: number,
  sums: readonly number[],
  observed: readonly number[],
  member: number,
): CubeRow {
  return { scope, time_ms, unit, dimensions, mask, sums, observed, member };
}

/** Which item groups the configured cubes need: masks of model.ts. */
export function contributionsOf(groups: readonly LineGroup[]) {
  const all = groups.reduce((mask, group) => mask | group.mask, WHOLE);

  /** What an event and the facts that it changed add to the cubes; pure. */
  return ({ event, changes }: WithFacts<OrderEvent, FactPlace>, push: (row: CubeRow) => void): void => {
    if (changes.length === 0 && event.order_id !== '') {
      pushEvent(event, NOTHING, groups, all, push);
      return;
    }
    const sums: number[] = [];
    const lone = event.order_id === '' ? LONE_ORDER.get(event.type) : undefined;
    if (lone !== undefined) sums.push(lone, 1);
    for (const change of changes) {
      const measure = (COUNTED[change.entity] as readonly number[])[change.slot] as number;
      if (measure < 0) continue;
      sums.push(measure, 1);
      if (change.before !== undefined) pushPlaced(event.tenant, change.before, [measure, -1], groups, push);
    }
    pushEvent(event, sums, groups, all, push);
    for (const change of changes) pushDurations(event.tenant, change, groups, push);
  };
}

/** Counts at a fact's own place and time: for what is taken back, and for durations. */
function pushPlaced(
  scope: string,
  { time_ms, payload }: Fact<FactPlace>,
  sums: readonly number[],
  groups: readonly LineGroup[],
  push: (row: CubeRow) => void,
): void {
  const { currency: unit, dimensions, items } = payload;
  const at = (placed: readonly string[], mask: number): void =>
    push(rowOf(scope, time_ms, unit, placed, mask, sums, NOTHING, -1));
  if (items === null) {
    at(
      dimensions,
      groups.reduce((mask, group) => mask | group.mask, WHOLE),
    );
    return;
  }
  at(dimensions, WHOLE);
  for (const group of groups) {
    for (const placed of groupPlace(group, dimensions, items)) at(placed, group.mask);
  }
}

function pushDurations(
  scope: string,
  change: FactChange<FactPlace>,
  groups: readonly LineGroup[],
  push: (row: CubeRow) => void,
): void {
  if (change.entity === ORDER)
    pushDuration(scope, change, CREATED, SHIPPED, M.ship_ms, M.ship_count, groups, push);
  else if (change.entity === TICKET) {
    pushDuration(scope, change, OPENED, FIRST_RESPONSE, M.response_ms, M.response_count, groups, push);
  }
}

/** The time between two facts of an entity, counted at the later one; a moved end takes the old one back. */
function pushDuration(
  scope: string,
  { slot, before, record }: FactChange<FactPlace>,
  from: number,
  to: number,
  sum: number,
  count: number,
  groups: readonly LineGroup[],
  push: (row: CubeRow) => void,
): void {
  if (slot !== from && slot !== to) return;
  const start = record[from];
  const end = record[to];
  if (start === undefined || end === undefined) return;
  if (before !== undefined) {
    const oldStart = slot === from ? before : start;
    const oldEnd = slot === to ? before : end;
    pushPlaced(scope, oldEnd, [sum, oldStart.time_ms - oldEnd.time_ms, count, -1], groups, push);
  }
  pushPlaced(scope, end, [sum, end.time_ms - start.time_ms, count, 1], groups, push);
}

function addMoney(
  sums: number[],
  observed: number[],
  measure: number,
  distribution: number,
  amount: Amount,
): void {
  if (amount === ABSENT) return;
  sums.push(measure, amount);
  observed.push(distribution, amount);
}

/** The event's own amounts and counts, with the counts of the facts that it became. */
function pushEvent(
  event: OrderEvent,
  counts: readonly number[],
  groups: readonly LineGroup[],
  all: number,
  push: (row: CubeRow) => void,
): void {
  const { tenant: scope, time_ms, currency: unit, dimensions, items, type } = event;
  const member =
    type === T['order.created'] && event.customer_id !== '' ? customerMember(event.customer_id) : -1;
  const lines = items !== null && items.length > 0 ? items : null;
  const whole = amountsOf(event, counts);
  if (whole.sums.length === 0 && member < 0) return;
  const { sums, observed } = whole;
  push(rowOf(scope, time_ms, unit, dimensions, lines === null ? all : WHOLE, sums, observed, member));
  if (lines === null) return;
  for (const group of groups) {
    for (const part of groupLines(group, event, lines)) {
      const amounts = partAmounts(event, part, counts);
      push(rowOf(scope, time_ms, unit, part.dimensions, group.mask, amounts.sums, amounts.observed, member));
    }
  }
}

interface Amounts {
  readonly sums: readonly number[];
  readonly observed: readonly number[];
}

function amountsOf(event: OrderEvent, counts: readonly number[]): Amounts {
  const { type } = event;
  if (type === T['order.created']) {
    const sums = [...counts];
    const observed: number[] = [];
    addMoney(sums, observed, M.revenue_gross, D.revenue_gross, event.amount);
    addMoney(sums, observed, M.discount, D.discount, event.discount);
    addMoney(sums, observed, M.shipping, D.shipping, event.shipping);
    addMoney(sums, observed, M.tax, D.tax, event.tax);
    const units = event.items?.reduce((sum, { quantity }) => sum + quantity, 0) ?? 0;
    if (units !== 0) sums.push(M.units, units);
    return { sums, observed };
  }
  if (type === T['payment.succeeded']) return money(counts, M.revenue_paid, D.revenue_paid, event.amount);
  if (type === T['refund.issued']) return money(counts, M.refund, D.refund, event.amount);
  if (type === T['return.received']) return { sums: [...counts, M.returns, 1], observed: NOTHING };
  if (type === T.visit) return { sums: [...counts, M.visits, 1], observed: NOTHING };
  return { sums: counts, observed: NOTHING };
}

function money(counts: readonly number[], measure: number, distribution: number, amount: Amount): Amounts {
  const sums = [...counts];
  const observed: number[] = [];
  addMoney(sums, observed, measure, distribution, amount);
  return { sums, observed };
}

/** The share of one sku or category: its lines' value, and its part of the order's other amounts. */
function partAmounts(event: OrderEvent, part: Group, counts: readonly number[]): Amounts {
  const { type } = event;
  if (type === T['order.created']) {
    const sums = [...counts, M.units, part.quantity];
    const observed: number[] = [];
    addMoney(sums, observed, M.revenue_gross, D.revenue_gross, part.value);
    addMoney(sums, observed, M.discount, D.discount, part.share(event.discount));
    addMoney(sums, observed, M.shipping, D.shipping, part.share(event.shipping));
    addMoney(sums, observed, M.tax, D.tax, part.share(event.tax));
    return { sums, observed };
  }
  if (type === T['payment.succeeded'])
    return money(counts, M.revenue_paid, D.revenue_paid, part.share(event.amount));
  if (type === T['refund.issued']) return money(counts, M.refund, D.refund, part.share(event.amount));
  return amountsOf(event, counts);
}

export { CUSTOMER, SESSION };
