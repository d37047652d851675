import type { QueryContext, QueryKind } from '../../engine/index.ts';
import type { EntityWork } from '../entity-rows/index.ts';
import { type RatesByCurrency, readDayRates } from '../exchange/index.ts';
import { bySegment, type LogTexts } from '../filters/index.ts';
import { DAY_MS, formatUtc, MAX_RANGE_MS, rangeBefore, type TimeRange } from '../query/index.ts';
import {
  type FamilyAnswer,
  type FamilySources,
  type OpenFamily,
  prepareHead,
  type QuerySettings,
} from '../query-head/index.ts';
import { explainOrders, type OrderShared, orderKind } from './order-kind.ts';
import { columnsOf, marked, type OrderRow, planOrders, rowFilters, visitOrders } from './order-scan.ts';
import { refundsBody } from './refunds-body.ts';
import { followUpMs, type RefundsQuery, refundsSchemaOf } from './refunds-schema.ts';
import { RowGroups } from './row-groups.ts';
import { Tallies, type Tally } from './tallies.ts';

export const REFUNDS_KIND = 'refunds.impact';

/** What the parts of a plan share. Plain data. */
export interface RefundsShared extends OrderShared<RefundsQuery> {
  /** The range, then the one that it is compared with. */
  readonly periods: readonly TimeRange[];
  readonly rates: RatesByCurrency;
}

const IS_ORDER = 1;
const IS_SOLD = 2;
const IS_REFUND = 4;
const IS_FIRST = 8;

/** What refunds take from revenue, and where they come from. */
export function refundsKind(
  settings: QuerySettings,
  open: OpenFamily,
): QueryKind<RefundsQuery, RefundsShared, EntityWork, FamilyAnswer> {
  return orderKind<RefundsQuery, RefundsShared, readonly Tally[]>(settings, open, {
    name: REFUNDS_KIND,
    schema: refundsSchemaOf(settings.custom),
    plan: (sources, context, query) => planRefunds(sources, context, query, settings),
    find: (sources, { query, periods }, work, cancel) => {
      const { dictionary } = sources;
      const { conditions, items } = rowFilters(query.filters, settings.custom, dictionary);
      const tests = [
        [marked('orders')],
        [marked('orders'), ...conditions],
        [marked('refund'), ...conditions],
        [marked('customers_new')],
      ];
      const dimensions = columnsOf(query.drivers, settings.custom);
      const views = [new RowGroups([], items), ...dimensions.map((column) => new RowGroups([column], items))];
      const counter = new RefundCounter(query, periods, { views, custom: settings.custom, dictionary });
      visitOrders(sources, work, { tests, dimensions }, cancel, (rows, isLoner) =>
        counter.add(rows, isLoner),
      );
      return counter.tallies.all;
    },
    body: (found, { query, periods, rates }) => refundsBody(found, query, periods, rates),
  });
}

function planRefunds(
  sources: FamilySources,
  context: QueryContext,
  query: RefundsQuery,
  settings: QuerySettings,
) {
  const { range, zone, upTo, header, query_id, position } = prepareHead(query, settings, context);
  const periods = query.compare === undefined ? [range] : [range, rangeBefore(range, query.compare, zone)];
  const start_ms = Math.min(...periods.map((period) => period.start_ms));
  // What became of orders is said by the events behind them.
  const end_ms = Math.min(MAX_RANGE_MS, range.end_ms + followMs(query));
  const { warnings, segments, ...plan } = planOrders(sources, context, { start_ms, end_ms }, upTo);
  const { scope } = context;
  const rates = readDayRates(sources.rates, scope, query.currency, start_ms, end_ms, upTo);
  const behind = { start_ms, end_ms, types: ['order.created', 'refund.issued'] };
  const explain = {
    ...explainOrders({ ...plan, segments }, query.basis, query, position, behind),
    periods: periods.map((period) => ({
      start: formatUtc(period.start_ms),
      end: formatUtc(period.end_ms),
    })),
  };
  return { ...plan, explain, shared: { query, header, query_id, periods, rates, warnings } };
}

/** How long behind a range its orders are followed. */
function followMs({ basis, follow_up }: RefundsQuery): number {
  return basis === 'order' ? followUpMs(follow_up) : 0;
}

/** How rows are told apart: all together, then a view for each driver. */
interface RefundViews {
  readonly views: readonly RowGroups[];
  readonly custom: readonly string[];
  readonly dictionary: LogTexts;
}

/** Adds up orders and refunds, by view, value, period, currency and day. */
class RefundCounter {
  /** Key: view, value, period, currency, UTC day. Sums: orders, gross, discount, refund events, refunds. */
  readonly tallies = new Tallies(5);
  readonly #query: RefundsQuery;
  readonly #periods: readonly TimeRange[];
  readonly #views: RefundViews;

  constructor(query: RefundsQuery, periods: readonly TimeRange[], views: RefundViews) {
    this.#query = query;
    this.#periods = periods;
    this.#views = views;
  }

  /** The rows of one order. */
  add(rows: readonly OrderRow[], isLoner: boolean): void {
    const { basis, orders } = this.#query;
    const isByOrder = basis === 'order';
    const follow_ms = followMs(this.#query);
    const order = rows.find(({ bits }) => (bits & IS_ORDER) !== 0);
    for (const row of rows) {
      const by = isByOrder ? (isLoner ? ((row.bits & IS_ORDER) !== 0 ? row : undefined) : order) : row;
      if (by === undefined || (orders === 'first' && (by.bits & IS_FIRST) === 0)) continue;
      for (const [period, { start_ms, end_ms }] of this.#periods.entries()) {
        const isFollowed = row.time_ms < end_ms + follow_ms;
        if (by.time_ms >= start_ms && by.time_ms < end_ms && isFollowed) this.#addRow(row, period);
      }
    }
  }

  #addRow(row: OrderRow, period: number): void {
    const isSold = (row.bits & IS_SOLD) !== 0;
    const isRefund = (row.bits & IS_REFUND) !== 0;
    if (!isSold && !isRefund) return;
    const { views, custom, dictionary } = this.#views;
    const { drivers } = this.#query;
    const currency = dictionary.textOf(row.currency);
    // Only what is converted is of a day.
    const day = this.#query.currency === undefined ? 0 : Math.floor(row.time_ms / DAY_MS);
    for (const [view, groups] of views.entries()) {
      const own = view === 0 ? [] : [row.codes[view - 1] as number];
      for (const group of groups.of(own, row.items)) {
        const sums = [
          isSold ? 1 : 0,
          isSold ? (group.gross ?? group.part(row.amount)) : 0,
          isSold ? group.part(row.discount) : 0,
          isRefund ? 1 : 0,
          isRefund ? group.part(row.amount) : 0,
        ];
        const texts = group.values.map((value) => dictionary.textOf(value));
        for (const [value = ''] of bySegment(texts, drivers.slice(view - 1, view), custom))
          this.tallies.add([view, value, period, currency, day], sums);
      }
    }
  }
}
