import { defineKind, type QueryContext, type QueryKind } from '../../engine/index.ts';
import type { EntityWork } from '../entity-rows/index.ts';
import { type RatesByCurrency, readDayRates } from '../exchange/index.ts';
import { bySegment } from '../filters/index.ts';
import { DAY_MS, formatUtc, readLines, type TimeRange, writeLine } from '../query/index.ts';
import {
  type FamilyAnswer,
  type FamilyShared,
  type OpenFamily,
  ofSegments,
  prepareHead,
  provenanceOf,
  type QuerySettings,
} from '../query-head/index.ts';
import { columnsOf, followUpMs, RowGroups, Tallies, type Tally } from '../returns/index.ts';
import { LIFE_TYPES } from './life-bits.ts';
import { itemFilters, planLives, visitLives } from './order-rows.ts';
import { outcomesBody, SUMS, VIEWS } from './outcomes-body.ts';
import { type OutcomesQuery, outcomesSchemaOf } from './outcomes-schema.ts';

export const OUTCOMES_KIND = 'orders.outcomes';

/** What the parts of a plan share. Plain data. */
export interface OutcomesShared extends FamilyShared<OutcomesQuery> {
  readonly query_id: string;
  readonly range: TimeRange;
  readonly rates: RatesByCurrency;
  readonly warnings: readonly string[];
}

/** What became of the orders of a range: by status, payment, and how they were to be paid. */
export function outcomesKind(
  settings: QuerySettings,
  open: OpenFamily,
): QueryKind<OutcomesQuery, OutcomesShared, EntityWork, FamilyAnswer> {
  return defineKind<OutcomesQuery, OutcomesShared, EntityWork, FamilyAnswer>({
    name: OUTCOMES_KIND,
    schema: outcomesSchemaOf(settings.custom),
    plan: (context, query) => planOutcomes(context, open, query, settings),
    partial: (context, { shared }, work, cancel) => {
      const { query, range } = shared;
      const { filters, group_by, follow_up, currency: target } = query;
      const { custom } = settings;
      const sources = ofSegments(open(context), query, custom);
      const { dictionary } = sources;
      const items = itemFilters(filters, custom, dictionary);
      const [whole, grouped] = [new RowGroups([], items), new RowGroups(columnsOf(group_by, custom), items)];
      const tallies = new Tallies(SUMS.length);
      const follow_ms = followUpMs(follow_up);
      const spec = { range, follow_ms, filters, dimensions: group_by, custom };
      visitLives(sources, work, spec, cancel, (life, order) => {
        const currency = dictionary.textOf(order.currency);
        // Only what is converted is of a day.
        const day = target === undefined ? 0 : Math.floor(life.created_ms / DAY_MS);
        const counts = [
          1,
          Number(life.isShipped),
          ...['delivered', 'cancelled', 'rto'].map((status) => Number(life.status === status)),
        ];
        const views = { all: '', status: life.status, payment: life.payment_status, kind: life.payment_kind };
        for (const { gross, part } of whole.of([], order.items)) {
          const sums = [...counts, gross ?? part(order.amount), part(order.discount)];
          for (const view of VIEWS) tallies.add([view, views[view], currency, day], sums);
        }
        if (group_by.length === 0) return;
        for (const { values, gross, part } of grouped.of(order.codes.slice(2), order.items)) {
          const sums = [...counts, gross ?? part(order.amount), part(order.discount)];
          const texts = values.map((value) => dictionary.textOf(value));
          for (const own of bySegment(texts, group_by, custom))
            tallies.add(['group', JSON.stringify(own), currency, day], sums);
        }
      });
      return writeLine(tallies.all);
    },
    merge: (a, b) => Buffer.concat([a, b]),
    finish: (_context, { shared, explain, source }, bytes) => {
      const { query, header, query_id, rates, warnings } = shared;
      const body = outcomesBody(readLines<Tally[]>(bytes).flat(), query, rates);
      return { query_id, header, source, body, warnings, ...(query.explain === true ? { explain } : {}) };
    },
  });
}

function planOutcomes(
  context: QueryContext,
  open: OpenFamily,
  query: OutcomesQuery,
  settings: QuerySettings,
) {
  const sources = ofSegments(open(context), query, settings.custom);
  const { range, upTo, header, query_id, position } = prepareHead(query, settings, context);
  const follow_ms = followUpMs(query.follow_up);
  const { warnings, segments, scanned, ...plan } = planLives(sources, context, range, follow_ms, upTo);
  const { start_ms, end_ms } = range;
  const rates = readDayRates(sources.rates, context.scope, query.currency, start_ms, end_ms, upTo);
  const explain = {
    ...{ source: 'scan', entity: 'order_id', basis: 'order', parts: plan.parts.length, segments },
    ...{ rows: plan.rows, until: formatUtc(scanned.end_ms) },
    ...provenanceOf(query, position, {
      ...scanned,
      types: [...LIFE_TYPES, 'payment.succeeded', 'refund.issued'],
    }),
  };
  return {
    kind: OUTCOMES_KIND,
    ...plan,
    explain,
    shared: { query, header, query_id, range, rates, warnings },
  };
}
