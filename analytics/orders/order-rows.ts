import type { QueryContext } from '../../engine/index.ts';
import type { EntityWork, RowTest } from '../entity-rows/index.ts';
import { normalType } from '../events/index.ts';
import { columnOf, type Filters, type LogTexts } from '../filters/index.ts';
import { DAY_MS, MAX_RANGE_MS, type TimeRange } from '../query/index.ts';
import type { FamilySources, PreparedHead } from '../query-head/index.ts';
import {
  columnsOf,
  explainOrders,
  followUpMs,
  type ItemFilter,
  marked,
  type OrderRow,
  ofType,
  planOrders,
  rowFilters,
  visitOrders,
} from '../returns/index.ts';
import { CODE, ROW_DIMENSIONS } from '../rows/index.ts';
import { LIFE_BITS, LIFE_TYPES } from './life-bits.ts';
import { type OrderLife, orderLife } from './order-life.ts';

/** Events of an order count from so long before its creation: a payment may come first. */
export const LOOK_BACK_MS = DAY_MS;

/** Places of the dimensions that every life is made of, among the codes of a row. */
const OWN_DIMENSIONS = ['status', 'payment_method'] as const;

const STATUS_COLUMN = CODE.dimensions + ROW_DIMENSIONS.indexOf('status');

const OLDER_NAMES =
  'The state was begun by a version that knew fewer names of statuses (fulfilled, returned_to_origin, new_status, those in ' +
  'data): orders may have an earlier status here than their events say. A backfill puts it right.';

const isOfOrderType = (dictionary: LogTexts): RowTest[number] => ({
  code: CODE.type,
  accepts: (code) => normalType(dictionary.textOf(code)).startsWith('order.'),
});

/** Which orders, and what of them. */
export interface LivesSpec {
  readonly range: TimeRange;
  /** How long after its creation the events of an order count, ms. */
  readonly follow_ms: number;
  readonly filters: Filters;
  /** Dimensions wanted beside those of every life. */
  readonly dimensions: readonly string[];
  readonly custom: readonly string[];
  /** Only orders of these hashes; default: all. */
  readonly orders?: (hi: number, lo: number) => boolean;
  /** false: `items` of rows are not looked at. */
  readonly items?: boolean;
}

/** The plan of a query over the lives of the orders of a range. */
export function planLives(
  sources: FamilySources,
  context: Pick<QueryContext, 'scope'>,
  query: { readonly follow_up: Parameters<typeof followUpMs>[0] },
  { range, upTo, position }: Pick<PreparedHead, 'range' | 'upTo' | 'position'>,
  /** No order that is asked for is older. */
  begin_ms: number = range.start_ms,
) {
  const scanned = {
    start_ms: Math.min(Math.max(range.start_ms, begin_ms), MAX_RANGE_MS) - LOOK_BACK_MS,
    end_ms: Math.min(MAX_RANGE_MS, range.end_ms + followUpMs(query.follow_up)),
  };
  const { segments, ...plan } = planOrders(sources, context, scanned, upTo);
  const isOld = sources.complete_until_ms !== null && sources.hasOlderNames?.() === true;
  const warnings = isOld ? [...plan.warnings, OLDER_NAMES] : plan.warnings;
  const types = [...LIFE_TYPES, 'payment.succeeded', 'refund.issued'];
  const explain = explainOrders({ ...plan, segments }, 'order', query, position, { ...scanned, types });
  return { ...plan, explain, warnings };
}

/**
 * Visits the orders that were created in the range and pass the filters, each with its life. A filter on items is met
 * by an order with such an item; `items` are those filters, for whoever tells the lines of an order apart.
 */
export function visitLives(
  sources: FamilySources & { readonly dictionary: LogTexts },
  work: EntityWork,
  { range, follow_ms, filters, dimensions, custom, orders, items = true }: LivesSpec,
  cancel: Parameters<typeof visitOrders>[3],
  visit: (life: OrderLife, order: OrderRow) => void,
): void {
  const { dictionary } = sources;
  const { conditions } = rowFilters(filters, custom, dictionary);
  const tests: RowTest[] = [
    [marked('orders')],
    [marked('orders'), ...conditions],
    [marked('payment')],
    [marked('refund')],
    ...LIFE_TYPES.map((type) => [ofType(type, dictionary)]),
    [isOfOrderType(dictionary), { code: STATUS_COLUMN, accepts: (code) => code !== 0 }],
  ];
  const own = OWN_DIMENSIONS.map((name) => columnOf(name, custom) ?? { column: CODE.type, item: -1 });
  const spec = {
    tests,
    items,
    dimensions: [...own, ...columnsOf(dimensions, custom)],
    ...(orders === undefined ? {} : { orders }),
  };
  const textOf = (code: number): string => dictionary.textOf(code);
  visitOrders(sources, work, spec, cancel, (rows, isLoner) => {
    // Events without an order id come alone: orders among them are orders by themselves.
    const order = rows.find(({ bits }) => (bits & LIFE_BITS.order) !== 0);
    if (order === undefined || (order.bits & LIFE_BITS.counted) === 0) return;
    const { time_ms } = order;
    if (time_ms < range.start_ms || time_ms >= range.end_ms) return;
    const near = isLoner
      ? [order]
      : rows.filter((row) => row.time_ms >= time_ms - LOOK_BACK_MS && row.time_ms < time_ms + follow_ms);
    visit(orderLife(order, near, textOf), order);
  });
}

/** Visits the rows at which orders of the range that pass the filters count, without their other events. */
export function visitCounted(
  sources: FamilySources & { readonly dictionary: LogTexts },
  work: EntityWork,
  { range, filters, custom }: Pick<LivesSpec, 'range' | 'filters' | 'custom'>,
  cancel: Parameters<typeof visitOrders>[3],
  visit: (order: OrderRow) => void,
): void {
  const { conditions } = rowFilters(filters, custom, sources.dictionary);
  const tests: RowTest[] = [[marked('orders')], [marked('orders'), ...conditions]];
  visitOrders(sources, work, { tests, dimensions: [], items: false }, cancel, (rows) => {
    for (const row of rows) {
      const isInside = row.time_ms >= range.start_ms && row.time_ms < range.end_ms;
      if (isInside && (row.bits & LIFE_BITS.counted) !== 0) visit(row);
    }
  });
}

/** Filters on items, for `RowGroups`. */
export function itemFilters(
  filters: Filters,
  custom: readonly string[],
  dictionary: LogTexts,
): readonly ItemFilter[] {
  return rowFilters(filters, custom, dictionary).items;
}
