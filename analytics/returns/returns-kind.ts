import { defineKind, type QueryContext, type QueryKind } from '../../engine/index.ts';
import type { EntityWork } from '../entity-rows/index.ts';
import { formatUtc, MAX_RANGE_MS, readLines, type TimeRange, writeLine } from '../query/index.ts';
import {
  type FamilyAnswer,
  type FamilyShared,
  type OpenFamily,
  ofSegments,
  prepareHead,
  provenanceOf,
  type QuerySettings,
} from '../query-head/index.ts';
import { columnsOf, marked, ofType, planOrders, rowFilters, visitOrders } from './order-scan.ts';
import { followUpMs } from './refunds-schema.ts';
import { returnsBody } from './returns-body.ts';
import { RETURN_BITS, ReturnCounter, type ReturnFindings } from './returns-counter.ts';
import { type ReturnsQuery, returnsSchemaOf } from './returns-schema.ts';
import { RowGroups } from './row-groups.ts';

export const RETURNS_KIND = 'returns.summary';

/** What the parts of a plan share. Plain data. */
export interface ReturnsShared extends FamilyShared<ReturnsQuery> {
  readonly query_id: string;
  readonly range: TimeRange;
  readonly warnings: readonly string[];
}

/** Which goods come back, why, and how long that takes. */
export function returnsKind(
  settings: QuerySettings,
  open: OpenFamily,
): QueryKind<ReturnsQuery, ReturnsShared, EntityWork, FamilyAnswer> {
  return defineKind<ReturnsQuery, ReturnsShared, EntityWork, FamilyAnswer>({
    name: RETURNS_KIND,
    schema: returnsSchemaOf(settings.custom),
    plan: (context, query) => planReturns(context, open, query, settings),
    partial: (context, { shared }, work, cancel) => {
      const { query, range } = shared;
      const sources = ofSegments(open(context), query, settings.custom);
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
      return writeLine(counter.findings);
    },
    merge: (a, b) => Buffer.concat([a, b]),
    finish: (_context, { shared, explain, source }, bytes) => {
      const { query, header, query_id, warnings } = shared;
      const body = returnsBody(readLines<ReturnFindings>(bytes), query);
      return { query_id, header, source, body, warnings, ...(query.explain === true ? { explain } : {}) };
    },
  });
}

function planReturns(context: QueryContext, open: OpenFamily, query: ReturnsQuery, settings: QuerySettings) {
  const { range, upTo, header, query_id, position } = prepareHead(query, settings, context);
  // A request is finished by what comes behind the range.
  const end_ms = Math.min(MAX_RANGE_MS, range.end_ms + followUpMs(query.follow_up));
  const scanned = { start_ms: range.start_ms, end_ms };
  const { warnings, segments, ...plan } = planOrders(
    ofSegments(open(context), query, settings.custom),
    context,
    scanned,
    upTo,
  );
  const explain = {
    ...{ source: 'scan', entity: 'order_id', basis: query.basis, parts: plan.parts.length, segments },
    ...{ rows: plan.rows, until: formatUtc(end_ms) },
    ...provenanceOf(query, position, {
      ...scanned,
      types: ['order.created', 'return.requested', 'return.received', 'refund.issued'],
    }),
  };
  return { kind: RETURNS_KIND, ...plan, explain, shared: { query, header, query_id, range, warnings } };
}
