import type { QueryContext, QueryKind } from '../../engine/index.ts';
import type { EntityWork } from '../entity-rows/index.ts';
import { idWords } from '../events/index.ts';
import type { EventPlace } from '../events-query/index.ts';
import type { TimeRange } from '../query/index.ts';
import {
  type FamilyAnswer,
  type FamilySources,
  type OpenFamily,
  prepareHead,
  type QuerySettings,
} from '../query-head/index.ts';
import { followUpMs, type HashWords, type OrderRow, type OrderShared, orderKind } from '../returns/index.ts';
import { type OrdersPlace, type OrdersQuery, ordersSchemaOf } from './list-schema.ts';
import { type OrderLife, statusText } from './order-life.ts';
import { planLives, visitLives } from './order-rows.ts';

export const ORDERS_KIND = 'orders.list';
/** Versions of an order that are named, the newest. */
const MAX_VERSIONS = 20;

/** What the parts of a plan share. Plain data. */
export interface OrdersShared extends OrderShared<OrdersQuery> {
  readonly range: TimeRange;
}

/** An order of a list. Money in minor units; plain data. */
export interface ListedOrder {
  /** The log's own name of the order: with the time its place in the list. */
  readonly key: string;
  readonly order: HashWords;
  readonly customer: HashWords;
  /** Its `order.created` and `order.updated`, by time: the events of each that say it. */
  readonly versions: readonly (readonly EventPlace[])[];
  readonly created_ms: number;
  readonly updated_ms: number;
  /** Of the newest version. */
  readonly version_ms: number;
  readonly status: string;
  readonly status_ms: number;
  readonly payment_status: OrderLife['payment_status'];
  readonly payment_kind: OrderLife['payment_kind'];
  readonly currency: string;
  readonly amount: number | null;
  readonly discount: number | null;
  readonly shipping: number | null;
  readonly tax: number | null;
  readonly total: number;
  readonly paid: number;
  readonly refunded: number;
}

/** What a part found. Plain data. */
interface Found {
  readonly total: number;
  readonly orders: readonly ListedOrder[];
}

/** Orders one by one, as they are now, by the time of their creation. */
export function ordersKind(
  settings: QuerySettings,
  open: OpenFamily,
): QueryKind<OrdersQuery, OrdersShared, EntityWork, FamilyAnswer> {
  return orderKind<OrdersQuery, OrdersShared, Found>(settings, open, {
    name: ORDERS_KIND,
    schema: ordersSchemaOf(settings.custom),
    plan: (sources, context, query) => planOrdersList(sources, context, query, settings),
    find: (sources, { query, range }, work, cancel, context) => {
      const { custom } = settings;
      const { dictionary } = sources;
      const { filters, follow_up, order_ids, customer_ids, statuses, payment_statuses } = query;
      const named = hashesOf(context.scope, order_ids);
      const customers = hashesOf(context.scope, customer_ids);
      const wanted = statuses === undefined ? undefined : new Set(statuses.map(statusText));
      const page = new Page(query);
      const orders =
        named === undefined ? {} : { orders: (hi: number, lo: number) => named.has(keyOf({ hi, lo })) };
      const spec = { range, follow_ms: followUpMs(follow_up), filters, dimensions: [], custom, ...orders };
      visitLives(sources, work, spec, cancel, (life, row) => {
        if (wanted?.has(life.status) === false) return;
        if (payment_statuses?.includes(life.payment_status) === false) return;
        if (customers?.has(keyOf(row.customer)) === false) return;
        page.add(life, row, () => dictionary.textOf(row.currency));
      });
      return page.found;
    },
    body: (found, { query }) => listBody(found, query),
  });
}

function planOrdersList(
  sources: FamilySources,
  context: QueryContext,
  query: OrdersQuery,
  settings: QuerySettings,
) {
  const head = prepareHead(query, settings, context);
  const { warnings, ...plan } = planLives(sources, context, query, head);
  const { range, header, query_id } = head;
  return { ...plan, shared: { query, header, query_id, range, warnings } };
}

function hashesOf(tenant: string, ids: readonly string[] | undefined): ReadonlySet<string> | undefined {
  return ids === undefined ? undefined : new Set(ids.map((id) => keyOf(idWords(tenant, id))));
}

function keyOf({ hi, lo }: HashWords): string {
  return [hi, lo].map((word) => (word >>> 0).toString(16).padStart(8, '0')).join('');
}

/** The orders of a page, of all that pass. */
class Page {
  readonly #query: OrdersQuery;
  #orders: ListedOrder[] = [];
  #total = 0;

  constructor(query: OrdersQuery) {
    this.#query = query;
  }

  add(life: OrderLife, row: OrderRow, currencyOf: () => string): void {
    this.#total++;
    const own = keyOf(row.order);
    const [place] = row.places();
    // An order by itself is known by its event.
    const key = row.order.hi === 0 && row.order.lo === 0 ? `~${place?.sequence}.${place?.part}` : own;
    const { after, order, limit } = this.#query;
    if (after !== undefined && byPlace(order)({ time_ms: life.created_ms, key }, after) <= 0) return;
    this.#orders.push(listedOf(life, row, key, currencyOf()));
    if (this.#orders.length > 2 * (limit + 1)) this.#cut();
  }

  get found(): Found {
    this.#cut();
    return { total: this.#total, orders: this.#orders };
  }

  /** One more than the page has: whether there is another. */
  #cut(): void {
    this.#orders = firstOf(this.#orders, this.#query, this.#query.limit + 1);
  }
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

/** The later first, or the earlier; orders of one time by their names. */
function byPlace(order: OrdersQuery['order']): (a: OrdersPlace, b: OrdersPlace) => number {
  const sign = order === 'asc' ? 1 : -1;
  return (a, b) => sign * (a.time_ms - b.time_ms) || (a.key < b.key ? -1 : a.key > b.key ? 1 : 0);
}

function firstOf(orders: readonly ListedOrder[], { order }: OrdersQuery, count: number): ListedOrder[] {
  const compare = byPlace(order);
  const placeOf = ({ created_ms, key }: ListedOrder): OrdersPlace => ({ time_ms: created_ms, key });
  return orders.toSorted((a, b) => compare(placeOf(a), placeOf(b))).slice(0, count);
}

function listBody(found: readonly Found[], query: OrdersQuery): Readonly<Record<string, unknown>> {
  const all = firstOf(
    found.flatMap(({ orders }) => orders),
    query,
    query.limit + 1,
  );
  const orders = all.slice(0, query.limit);
  const last = orders.at(-1);
  const next: OrdersPlace | null =
    all.length > orders.length && last !== undefined ? { time_ms: last.created_ms, key: last.key } : null;
  return { orders_total: found.reduce((sum, { total }) => sum + total, 0), orders, next };
}
