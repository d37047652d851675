import type { QueryContext, QueryKind } from '../../engine/index.ts';
import type { EntityWork } from '../entity-rows/index.ts';
import { type RatesByCurrency, readDayRates } from '../exchange/index.ts';
import { bySegment } from '../filters/index.ts';
import { DAY_MS, type TimeRange } from '../query/index.ts';
import {
  type FamilyAnswer,
  type FamilySources,
  type OpenFamily,
  prepareHead,
  type QuerySettings,
} from '../query-head/index.ts';
import {
  columnsOf,
  followUpMs,
  type OrderShared,
  orderKind,
  RowGroups,
  Tallies,
  type Tally,
} from '../returns/index.ts';
import { itemFilters, planLives, visitLives } from './order-rows.ts';
import { outcomesBody, SUMS, VIEWS } from './outcomes-body.ts';
import { type OutcomesQuery, outcomesSchemaOf } from './outcomes-schema.ts';

export const OUTCOMES_KIND = 'orders.outcomes';

/** What the parts of a plan share. Plain data. */
export interface OutcomesShared extends OrderShared<OutcomesQuery> {
  readonly range: TimeRange;
  readonly rates: RatesByCurrency;
}

/** What became of the orders of a range: by status, payment, and how they were to be paid. */
export function outcomesKind(
  settings: QuerySettings,
  open: OpenFamily,
): QueryKind<OutcomesQuery, OutcomesShared, EntityWork, FamilyAnswer> {
  return orderKind<OutcomesQuery, OutcomesShared, readonly Tally[]>(settings, open, {
    name: OUTCOMES_KIND,
    schema: outcomesSchemaOf(settings.custom),
    plan: (sources, context, query) => planOutcomes(sources, context, query, settings),
    find: (sources, { query, range }, work, cancel) => {
      const { filters, group_by, follow_up, currency: target } = query;
      const { custom } = settings;
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
      return tallies.all;
    },
    body: (found, { query, rates }) => outcomesBody(found.flat(), query, rates),
  });
}

function planOutcomes(
  sources: FamilySources,
  context: QueryContext,
  query: OutcomesQuery,
  settings: QuerySettings,
) {
  const head = prepareHead(query, settings, context);
  const { warnings, ...plan } = planLives(sources, context, query, head);
  const { range, upTo, header, query_id } = head;
  const { start_ms, end_ms } = range;
  const rates = readDayRates(sources.rates, context.scope, query.currency, start_ms, end_ms, upTo);
  return { ...plan, shared: { query, header, query_id, range, rates, warnings } };
}
