import type { Cancel, QueryContext } from '../../engine/index.ts';
import { EntityRows, type EntityWork, entityParts, scanFacts } from '../entity-rows/index.ts';
import { type RatesByCurrency, RowMoney, readDayRates } from '../exchange/index.ts';
import { type Filters, filterConditions } from '../filters/index.ts';
import { formatUtc, MIN_RANGE_MS } from '../query/index.ts';
import { type FamilySources, type PreparedHead, provenanceOf, requireKept } from '../query-head/index.ts';
import { HASH } from '../rows/index.ts';
import { ltvColumns, ltvTests } from './ltv-rows.ts';

interface PurchaseQuery {
  readonly model: string;
  readonly currency?: string | undefined;
  readonly filters: Filters;
}

/** What comes after the watermark is not seen as a whole: a model must not take it for silence. */
export function seenUntil({ complete_until_ms }: FamilySources, start_ms: number, end_ms: number): number {
  return Math.max(start_ms, Math.min(end_ms, (complete_until_ms ?? start_ms) + 1));
}

/** The plan of a scan of customers' purchases up to `until_ms`, and the rates of their money. */
export function planPurchases(
  { scope }: QueryContext,
  sources: FamilySources,
  query: PurchaseQuery,
  { range: { start_ms }, upTo, position }: PreparedHead,
  until_ms: number,
) {
  const until = upTo === undefined ? {} : { upTo };
  const plan = sources.planScan({ scope, start_ms, end_ms: until_ms, ...until });
  requireKept(plan, start_ms);
  const parts = entityParts(plan);
  return {
    facts: scanFacts(plan, parts),
    explain: {
      ...{ source: 'scan', entity: 'customer_id', model: query.model, parts: parts.length },
      ...{ segments: plan.segments, until: formatUtc(until_ms) },
      // An order before the range says that a customer is none of it.
      ...provenanceOf(query, position, {
        types: ['order.created', 'refund.issued'],
        ...{ start_ms: MIN_RANGE_MS, end_ms: until_ms },
      }),
    },
    rates: readDayRates(sources.rates, scope, query.currency, start_ms, until_ms, upTo),
  };
}

/** The rows of a part of such a plan, by customer, and what turns them into money. */
export function scanPurchases(
  sources: FamilySources,
  { query, rates }: { readonly query: PurchaseQuery; readonly rates: RatesByCurrency },
  { plan, share }: EntityWork,
  {
    custom,
    columns,
  }: { readonly custom: readonly string[]; readonly columns: Parameters<typeof ltvColumns>[0] },
  cancel: Cancel,
): { readonly rows: EntityRows; readonly money: RowMoney } {
  const { dictionary } = sources;
  const tests = ltvTests(filterConditions(query.filters, custom, dictionary));
  const { request } = plan;
  const rows = new EntityRows({ entity: HASH.customer, share, tests, request, ...ltvColumns(columns) });
  sources.scan(plan, (chunk) => {
    cancel.check();
    rows.add(chunk);
  });
  return { rows, money: new RowMoney(query.currency, rates, dictionary) };
}
