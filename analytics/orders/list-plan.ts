import {
  narrowPlan,
  type PlanPart,
  type QueryContext,
  type ScanPlan,
  splitPlan,
} from '../../engine/index.ts';
import { DEFAULT_COST, type EntityWork } from '../entity-rows/index.ts';
import { idWords } from '../events/index.ts';
import type { TimeRange } from '../query/index.ts';
import { type FamilySources, prepareHead, type QuerySettings } from '../query-head/index.ts';
import type { OrdersShared } from './list-kind.ts';
import type { OrdersQuery } from './list-schema.ts';
import { listWindows, ROWS_TO_AN_ORDER } from './list-window.ts';
import { LOOK_BACK_MS, planLives } from './order-rows.ts';

/** Since when there are events of an order of a tenant, ms, by the hash of its id; undefined: there are none. */
export type BeginOf = (words: { readonly hi: number; readonly lo: number }) => number | undefined;

/**
 * What a part of a list does: finds orders of a share among all of the range; finds those of the page, from where the
 * page begins; counts those of the range. Plain data.
 */
export interface ListWork extends EntityWork {
  readonly does: 'list' | 'page' | 'count';
}

/** An order's row that is counted, of a row that is looked at; about, measured on one core. */
const COUNT_NS = 4;
/** Of a page: a row of a chunk that has none of its orders. */
const PASSED_NS = 3;
const COUNT_PART_MS = 150;
const WHOLE = { index: 0, of: 1 };

/**
 * The plan of a list of orders. Named orders are looked for since they began, and not at all where there are none; a
 * page that is filtered by nothing that later events say, or whose total its cursor knows, is looked for from where it
 * begins. `beginOf` is of the state as it is.
 */
export function planList(
  sources: FamilySources,
  context: QueryContext,
  query: OrdersQuery,
  settings: QuerySettings,
  beginOf: BeginOf,
) {
  const head = prepareHead(query, settings, context);
  const { range, header, query_id } = head;
  const begin_ms = beginOfNamed(query, context.scope, beginOf);
  const { warnings, ...plan } = planLives(sources, context, query, head, begin_ms);
  const shared: OrdersShared = { query, header, query_id, range, warnings };
  const [first] = plan.parts;
  if (first === undefined || !isPaged(query))
    return { ...plan, parts: plan.parts.map((part) => partOf(part, 'list')), shared };
  const parts = [pagePart(first.work.plan, shared), ...countParts(first.work.plan, shared)];
  const [rows, cost_ms] = [sumOf(parts, 'rows'), sumOf(parts, 'cost_ms')];
  return { ...plan, explain: { ...plan.explain, parts: parts.length, rows }, parts, rows, cost_ms, shared };
}

const sumOf = (parts: readonly PlanPart<ListWork>[], member: 'rows' | 'cost_ms'): number =>
  parts.reduce((sum, part) => sum + part[member], 0);

const partOf = (part: PlanPart<EntityWork>, does: ListWork['does']): PlanPart<ListWork> => ({
  ...part,
  work: { ...part.work, does },
});

/** undefined: nothing is known. An answer of an earlier state may have orders that are gone now. */
function beginOfNamed(
  { order_ids, as_of }: Pick<OrdersQuery, 'order_ids' | 'as_of'>,
  tenant: string,
  beginOf: BeginOf,
): number | undefined {
  if (order_ids === undefined || as_of !== undefined) return undefined;
  return order_ids.reduce(
    (first_ms, id) => Math.min(first_ms, beginOf(idWords(tenant, id)) ?? first_ms),
    Number.POSITIVE_INFINITY,
  );
}

/** Whether the page is looked for by itself: how many orders fit is known, nobody asks, or the orders themselves tell it. */
function isPaged({ order_ids, statuses, payment_statuses, after, count }: OrdersQuery): boolean {
  if (order_ids !== undefined) return false;
  if (!count) return true;
  return after?.total !== undefined || (statuses === undefined && payment_statuses === undefined);
}

/** Finds the orders of the page, window by window, and looks at what follows for their events. */
function pagePart(plan: ScanPlan, { range, query }: OrdersShared): PlanPart<ListWork> {
  const [window] = listWindows(plan, range, query);
  const isWide = isJudged(query) || isSparse(plan, range, query);
  const first_ms = isWide ? range.start_ms : (window?.start_ms ?? range.start_ms);
  const last_ms = isWide ? range.end_ms : (window?.end_ms ?? range.end_ms);
  const read = narrowPlan(plan, first_ms - LOOK_BACK_MS, plan.request.end_ms);
  const own = narrowPlan(plan, first_ms - LOOK_BACK_MS, last_ms);
  return {
    ...{ reads: 'immutable', rows: read.rows, work: { plan, share: WHOLE, does: 'page' } },
    cost_ms: (read.rows * PASSED_NS + own.rows * DEFAULT_COST.looked_ns) / 1e6,
  };
}

/** Whether so few of the rows are orders of the list that the first window has no page of them. */
function isSparse(plan: ScanPlan, range: TimeRange, { after, limit }: OrdersQuery): boolean {
  if (after?.total === undefined) return false;
  const { rows } = narrowPlan(plan, range.start_ms, range.end_ms);
  return rows > ROWS_TO_AN_ORDER * Math.max(after.total, limit);
}

/** Whether orders are looked at that may not be of the list: a page may need all of them then. */
const isJudged = ({ statuses, payment_statuses, customer_ids, filters }: OrdersQuery): boolean =>
  statuses !== undefined ||
  payment_statuses !== undefined ||
  customer_ids !== undefined ||
  Object.keys(filters).length > 0;

function countParts(plan: ScanPlan, { range, query }: OrdersShared): readonly PlanPart<ListWork>[] {
  if (query.after?.total !== undefined || !query.count) return [];
  const own = narrowPlan(plan, range.start_ms, range.end_ms);
  const parts = Math.max(1, Math.ceil((own.rows * COUNT_NS) / 1e6 / COUNT_PART_MS));
  return splitPlan(own, parts).map((part) => ({
    ...{ reads: 'immutable', rows: part.rows, cost_ms: (part.rows * COUNT_NS) / 1e6 },
    work: { plan: part, share: WHOLE, does: 'count' },
  }));
}
