import type { QueryContext, QueryKind } from '../../engine/index.ts';
import { HashSet } from '../entity-rows/index.ts';
import { idWords } from '../events/index.ts';
import type { EventPlace } from '../events-query/index.ts';
import type { TimeRange } from '../query/index.ts';
import type { FamilyAnswer, OpenFamily, QuerySettings } from '../query-head/index.ts';
import { followUpMs, type HashWords, type OrderShared, orderKind } from '../returns/index.ts';
import { countOrders } from './list-count.ts';
import { findPage, firstOf, type ListSpec, Page } from './list-page.ts';
import { type BeginOf, type ListWork, planList } from './list-plan.ts';
import { type OrdersPlace, type OrdersQuery, ordersSchemaOf } from './list-schema.ts';
import { type OrderLife, statusText } from './order-life.ts';
import { visitLives } from './order-rows.ts';

export const ORDERS_KIND = 'orders.list';

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

/** Orders one by one, as they are now, by the time of their creation. `beginsOf`: since when there are events of one. */
export function ordersKind(
  settings: QuerySettings,
  open: OpenFamily,
  beginsOf: (context: QueryContext) => BeginOf,
): QueryKind<OrdersQuery, OrdersShared, ListWork, FamilyAnswer> {
  return orderKind<OrdersQuery, OrdersShared, Found, ListWork>(settings, open, {
    name: ORDERS_KIND,
    schema: ordersSchemaOf(settings.custom),
    plan: (sources, context, query) => planList(sources, context, query, settings, beginsOf(context)),
    find: (sources, shared, work, cancel, { scope }) => {
      const { query, range } = shared;
      const { filters, order_ids, customer_ids } = query;
      const { custom } = settings;
      const spec = specOf(query, scope, custom);
      const { isOfCustomer, passes, lives } = spec;
      if (work.does === 'page')
        return { total: 0, orders: findPage(sources, shared, work, spec, cancel).orders };
      if (work.does === 'count') {
        const ofSome = customer_ids === undefined ? {} : { isOfCustomer };
        return { total: countOrders(sources, work.plan, { filters, custom, ...ofSome }, cancel), orders: [] };
      }
      const page = new Page(query);
      const named = order_ids === undefined ? undefined : hashesOf(scope, order_ids);
      const orders =
        named === undefined ? {} : { orders: (hi: number, lo: number): boolean => named.has(hi, lo) };
      visitLives(sources, work, { ...lives, range, ...orders }, cancel, (life, row) => {
        if (passes(life) && isOfCustomer(row.customer))
          page.add(life, row, () => sources.dictionary.textOf(row.currency));
      });
      return { total: page.total, orders: page.orders };
    },
    body: (found, { query }) => listBody(found, query),
  });
}

function specOf(query: OrdersQuery, tenant: string, custom: readonly string[]): ListSpec {
  const { filters, follow_up, customer_ids, statuses, payment_statuses } = query;
  const customers = customer_ids === undefined ? undefined : hashesOf(tenant, customer_ids);
  const wanted = statuses === undefined ? undefined : new Set(statuses.map(statusText));
  return {
    lives: { follow_ms: followUpMs(follow_up), filters, dimensions: [], custom, items: false },
    isOfCustomer: ({ hi, lo }) => customers?.has(hi, lo) ?? true,
    passes: ({ status, payment_status }) =>
      wanted?.has(status) !== false && payment_statuses?.includes(payment_status) !== false,
  };
}

const hashesOf = (tenant: string, ids: readonly string[]): HashSet =>
  new HashSet(ids.map((id) => idWords(tenant, id)));

function listBody(found: readonly Found[], query: OrdersQuery): Readonly<Record<string, unknown>> {
  const all = firstOf(
    found.flatMap(({ orders }) => orders),
    query,
    query.limit + 1,
  );
  const orders = all.slice(0, query.limit);
  const last = orders.at(-1);
  const counted = query.after?.total ?? found.reduce((sum, { total }) => sum + total, 0);
  const orders_total = query.count ? counted : null;
  const isMore = all.length > orders.length && last !== undefined;
  const next: OrdersPlace | null = isMore
    ? { time_ms: last.created_ms, key: last.key, ...(orders_total === null ? {} : { total: orders_total }) }
    : null;
  return { orders_total, orders, next };
}
