import type { QueryContext, QueryKind } from '../../engine/index.ts';
import type { EntityWork } from '../entity-rows/index.ts';
import { MAX_RANGE_MS, type TimeRange } from '../query/index.ts';
import {
  type FamilyAnswer,
  type FamilySources,
  type OpenFamily,
  prepareHead,
  type QuerySettings,
} from '../query-head/index.ts';
import { explainOrders, type OrderShared, orderKind } from './order-kind.ts';
import { columnsOf, marked, ofType, planOrders, rowFilters, visitOrders } from './order-scan.ts';
import { followUpMs } from './refunds-schema.ts';
import { returnsBody } from './returns-body.ts';
import { RETURN_BITS, ReturnCounter, type ReturnFindings } from './returns-counter.ts';
import { type ReturnsQuery, returnsSchemaOf } from './returns-schema.ts';
import { RowGroups } from './row-groups.ts';

export const RETURNS_KIND = 'returns.summary';

/** What the parts of a plan share. Plain data. */
export interface ReturnsShared extends OrderShared<ReturnsQuery> {
  readonly range: TimeRange;
}

/** Which goods come back, why, and how long that takes. */
export function returnsKind(
  settings: QuerySettings,
  open: OpenFamily,
): QueryKind<ReturnsQuery, ReturnsShared, EntityWork, FamilyAnswer> {
  return orderKind<ReturnsQuery, ReturnsShared, ReturnFindings>(settings, open, {
    name: RETURNS_KIND,
    schema: returnsSchemaOf(settings.custom),
    plan: (sources, context, query) => planReturns(sources, context, query, settings),
    find: (sources, { query, range }, work, cancel) => {
      const { dictionary } = sources;
      const { conditions, items } = rowFilters(query.filters, settings.custom, dictionary);
      const tests = RETURN_BITS.map((name) => {
        if (name === 'order') return [marked('orders')];
        if (name === 'sold') return [marked('orders'), ...conditions];
        if (name === 'returned') return [ofType(query.event, dictionary), ...conditions];
        if (name === 'requested') return [ofType('return.requested', dictionary), ...conditions];
        return name === 'received' ? [ofType('return.received', dictionary)] : [marked('refund')];
      });
      const viewed = [[], ['sku'], ['reason'], ...(query.group_by.length > 0 ? [query.group_by] : [])];
      const dimensions = columnsOf(viewed.flat(), settings.custom);
      const views = viewed.map((names) => new RowGroups(columnsOf(names, settings.custom), items));
      const counter = new ReturnCounter(query, range, {
        views,
        names: viewed,
        custom: settings.custom,
        dictionary,
      });
      visitOrders(sources, work, { tests, dimensions }, cancel, (rows, isLoner) =>
        counter.add(rows, isLoner),
      );
      return counter.findings;
    },
    body: (found, { query }) => returnsBody(found, query),
  });
}

function planReturns(
  sources: FamilySources,
  context: QueryContext,
  query: ReturnsQuery,
  settings: QuerySettings,
) {
  const { range, upTo, header, query_id, position } = prepareHead(query, settings, context);
  // A request is finished by what comes behind the range.
  const end_ms = Math.min(MAX_RANGE_MS, range.end_ms + followUpMs(query.follow_up));
  const scanned = { start_ms: range.start_ms, end_ms };
  const { warnings, segments, ...plan } = planOrders(sources, context, scanned, upTo);
  const types = ['order.created', 'return.requested', 'return.received', 'refund.issued'];
  const behind = { ...scanned, types };
  const explain = explainOrders({ ...plan, segments }, query.basis, query, position, behind);
  return { ...plan, explain, shared: { query, header, query_id, range, warnings } };
}
