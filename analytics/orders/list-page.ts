import { type Cancel, narrowPlan, type ScanPlan } from '../../engine/index.ts';
import { type EntityWork, HashSet } from '../entity-rows/index.ts';
import type { FamilySources } from '../query-head/index.ts';
import type { HashWords, OrderRow } from '../returns/index.ts';
import type { ListedOrder, OrdersShared } from './list-kind.ts';
import type { OrdersPlace, OrdersQuery } from './list-schema.ts';
import { listWindows } from './list-window.ts';
import type { OrderLife } from './order-life.ts';
import { type LivesSpec, LOOK_BACK_MS, visitCounted, visitLives } from './order-rows.ts';

/** Versions of an order that are named, the newest. */
const MAX_VERSIONS = 20;

export type CustomerTest = (customer: HashWords) => boolean;

export function keyOf({ hi, lo }: HashWords): string {
  return [hi, lo].map((word) => (word >>> 0).toString(16).padStart(8, '0')).join('');
}

/** Where an order lies in a list. */
function placeOf(row: OrderRow): OrdersPlace {
  const [place] = row.places();
  // An order by itself is known by its event.
  const isLoner = row.order.hi === 0 && row.order.lo === 0;
  return { time_ms: row.time_ms, key: isLoner ? `~${place?.sequence}.${place?.part}` : keyOf(row.order) };
}

/** Above 0 where a time comes later in a list than another. */
function sideOf(order: OrdersQuery['order'], time_ms: number, other_ms: number): number {
  return order === 'asc' ? time_ms - other_ms : other_ms - time_ms;
}

/** The later first, or the earlier; orders of one time by their names. */
function byPlace(order: OrdersQuery['order']): (a: OrdersPlace, b: OrdersPlace) => number {
  return (a, b) => sideOf(order, a.time_ms, b.time_ms) || (a.key < b.key ? -1 : a.key > b.key ? 1 : 0);
}

export function firstOf(
  orders: readonly ListedOrder[],
  { order }: Pick<OrdersQuery, 'order'>,
  count: number,
): ListedOrder[] {
  const compare = byPlace(order);
  const at = ({ created_ms, key }: ListedOrder): OrdersPlace => ({ time_ms: created_ms, key });
  return orders.toSorted((a, b) => compare(at(a), at(b))).slice(0, count);
}

/** The orders of a page, of all that pass. */
export class Page {
  readonly #query: OrdersQuery;
  #orders: ListedOrder[] = [];
  #total = 0;
  /** What lies behind it is on another page. */
  #last: ListedOrder | undefined;

  constructor(query: OrdersQuery) {
    this.#query = query;
  }

  /** Those that were shown, also before the page. */
  get total(): number {
    return this.#total;
  }

  add(life: OrderLife, row: OrderRow, currencyOf: () => string): void {
    this.#total++;
    const last = this.#last;
    // Most orders are not on the page: their names are not made.
    if (last !== undefined && sideOf(this.#query.order, life.created_ms, last.created_ms) > 0) return;
    const place = placeOf(row);
    if (!isBehind(place, this.#query)) return;
    this.#orders.push(listedOf(life, row, place.key, currencyOf()));
    if (this.#orders.length > 2 * (this.#query.limit + 1)) this.#cut();
  }

  /** One more than the page has: whether there is another. */
  get orders(): readonly ListedOrder[] {
    this.#cut();
    return this.#orders;
  }

  #cut(): void {
    const wanted = this.#query.limit + 1;
    this.#orders = firstOf(this.#orders, this.#query, wanted);
    this.#last = this.#orders[wanted - 1];
  }
}

function isBehind(place: OrdersPlace, { after, order }: OrdersQuery): boolean {
  return after === undefined || byPlace(order)(place, after) > 0;
}

function listedOf(life: OrderLife, row: OrderRow, key: string, currency: string): ListedOrder {
  const { created_ms, updated_ms, status, status_ms, payment_status, payment_kind, total, paid, refunded } =
    life;
  const orNull = (value: number): number | null => (Number.isNaN(value) ? null : value);
  const versions = life.versions.slice(-MAX_VERSIONS);
  return {
    ...{ key, order: row.order, customer: row.customer },
    versions: (versions.length === 0 ? [row] : versions).map((version) => [...version.places()]),
    ...{ created_ms, updated_ms, version_ms: versions.at(-1)?.time_ms ?? created_ms, status, status_ms },
    ...{ payment_status, payment_kind, currency },
    ...{ amount: orNull(row.amount), discount: orNull(row.discount) },
    ...{ shipping: orNull(row.shipping), tax: orNull(row.tax), total, paid, refunded },
  };
}

/** What a list shows of orders, and of which. */
export interface ListSpec {
  readonly lives: Omit<LivesSpec, 'range' | 'orders'>;
  readonly isOfCustomer: CustomerTest;
  /** Whether an order is shown, by what became of it. */
  readonly passes: (life: OrderLife) => boolean;
}

/**
 * The orders of a page, found window by window from where the page begins: their own rows first, which say when they
 * were created, then the events of those that may be on it.
 */
export function findPage(
  sources: FamilySources,
  { query, range }: OrdersShared,
  { plan, share }: EntityWork,
  { lives, isOfCustomer, passes }: ListSpec,
  cancel: Cancel,
): Page {
  const page = new Page(query);
  const wanted = query.limit + 1;
  const isJudged = query.statuses !== undefined || query.payment_statuses !== undefined;
  const compare = byPlace(query.order);
  const add = (life: OrderLife, row: OrderRow): void => {
    if (passes(life)) page.add(life, row, () => sources.dictionary.textOf(row.currency));
  };
  for (const { start_ms, end_ms } of listWindows(plan, range, query)) {
    const found: (OrdersPlace & { readonly order: HashWords })[] = [];
    const work = { plan: narrowPlan(plan, start_ms, end_ms), share };
    const window = { ...lives, range: { start_ms, end_ms } };
    visitCounted(sources, work, window, cancel, (row) => {
      const place = placeOf(row);
      if (isOfCustomer(row.customer) && isBehind(place, query)) found.push({ ...place, order: row.order });
    });
    const open = wanted - page.orders.length;
    const some = isJudged ? found : found.sort(compare).slice(0, open);
    const own = new Set(some.map(({ key }) => key));
    const look = (at: ScanPlan, orders: (hi: number, lo: number) => boolean): void =>
      visitLives(sources, { plan: at, share }, { ...window, orders }, cancel, (life, row) => {
        if (own.has(placeOf(row).key)) add(life, row);
      });
    const named = new HashSet(some.map(({ order }) => order));
    if (named.size > 0)
      look(narrowPlan(plan, start_ms - LOOK_BACK_MS, plan.request.end_ms), (hi, lo) => named.has(hi, lo));
    // An order by itself has no other events.
    if (named.size < some.length) look(work.plan, (hi, lo) => (hi | lo) === 0);
    if (page.orders.length >= wanted) break;
  }
  return page;
}
