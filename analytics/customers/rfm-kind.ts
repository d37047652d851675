import { defineKind, type QueryKind } from '../../engine/index.ts';
import { EntityRows, type EntityWork, entityParts, scanFacts } from '../entity-rows/index.ts';
import { oneCurrency, type RatesByCurrency, RowMoney, readDayRates } from '../exchange/index.ts';
import { filterConditions, SEGMENT, segmentLabels } from '../filters/index.ts';
import { DAY_MS } from '../query/index.ts';
import {
  type FamilyAnswer,
  type FamilyShared,
  type OpenFamily,
  ofSegments,
  prepareHead,
  provenanceOf,
  type QuerySettings,
  requireKept,
  type StreamPosition,
} from '../query-head/index.ts';
import { HASH } from '../rows/index.ts';
import { readTotals, totalsColumns, totalsOf, totalsTests, writeTotals } from './customer-totals.ts';
import { type RfmQuery, rfmSchemaOf } from './rfm-schema.ts';
import { type ScoredCustomer, scoreCustomers } from './rfm-scores.ts';

export const RFM_KIND = 'customers.rfm';

/** What the parts of a plan share. Plain data. */
export interface RfmShared extends FamilyShared<RfmQuery> {
  readonly query_id: string;
  readonly position: StreamPosition;
  readonly end_ms: number;
  readonly rates: RatesByCurrency;
}

/** Recency, frequency and money of each customer, scored and named. */
export function rfmKind(
  settings: QuerySettings,
  open: OpenFamily,
): QueryKind<RfmQuery, RfmShared, EntityWork, FamilyAnswer> {
  return defineKind<RfmQuery, RfmShared, EntityWork, FamilyAnswer>({
    name: RFM_KIND,
    schema: rfmSchemaOf(settings.custom),
    plan: (context, query) => {
      const sources = ofSegments(open(context), query, settings.custom);
      const { range, upTo, header, query_id, position } = prepareHead(query, settings, context);
      const request = { scope: context.scope, ...range, ...(upTo === undefined ? {} : { upTo }) };
      const plan = sources.planScan(request);
      requireKept(plan, range.start_ms);
      const parts = entityParts(plan);
      const { start_ms, end_ms } = range;
      const rates = readDayRates(sources.rates, context.scope, query.currency, start_ms, end_ms, upTo);
      return {
        ...{ kind: RFM_KIND, ...scanFacts(plan, parts) },
        explain: {
          ...{ source: 'scan', entity: 'customer_id', parts: parts.length, segments: plan.segments },
          ...provenanceOf(query, position, {
            ...range,
            types: ['order.created', 'refund.issued'],
          }),
        },
        narrow: ['ask for a shorter range (start, end)'],
        shared: { query, header, query_id, position, end_ms: range.end_ms, rates },
      };
    },
    partial: (context, { shared }, { plan, share }, cancel) => {
      const sources = ofSegments(open(context), shared.query, settings.custom);
      const tests = totalsTests(filterConditions(shared.query.filters, settings.custom, sources.dictionary));
      const { request } = plan;
      const columns = totalsColumns(shared.query.group_by.length > 0);
      const rows = new EntityRows({ entity: HASH.customer, share, tests, request, ...columns });
      sources.scan(plan, (chunk) => {
        cancel.check();
        rows.add(chunk);
      });
      const money = new RowMoney(shared.query.currency, shared.rates, sources.dictionary);
      const totals = totalsOf(rows, money, sources.dictionary, () => cancel.check());
      return writeTotals(totals, money.currency);
    },
    merge: (a, b) => Buffer.concat([a, b]),
    finish: (_context, { shared, explain, source }, bytes) => {
      const { query, header, query_id, end_ms } = shared;
      const { totals, currencies } = readTotals(bytes);
      const currency = query.currency ?? oneCurrency(currencies);
      const scored = scoreCustomers(totals, query, end_ms);
      return {
        ...{ query_id, header, source },
        ...(query.explain === true ? { explain } : {}),
        body: { ...(currency === undefined ? {} : { currency }), ...rfmBody(scored, query, end_ms) },
      };
    },
  });
}

/** Best first; equal ones in the order of their hashes, so that pages fit together. */
function compareScored(a: ScoredCustomer, b: ScoredCustomer): number {
  return b.r + b.f + b.m - (a.r + a.f + a.m) || b.net - a.net || (a.hi >>> 0) - (b.hi >>> 0) || a.lo - b.lo;
}

function rfmBody(
  scored: readonly ScoredCustomer[],
  { scoring, group_by, limit, offset }: RfmQuery,
  end_ms: number,
): Readonly<Record<string, unknown>> {
  const page = scored.toSorted(compareScored).slice(offset, offset + limit);
  return {
    scoring,
    ...distribution(scored),
    ...(group_by.length === 0 ? {} : { group_by, groups: groupsOf(scored) }),
    customers: page.map(({ hi, lo, r, f, m, segment, last_ms, first_ms, orders, net, places }) => ({
      ...{ customer: { hi, lo, events: places }, r, f, m, score: `${r}${f}${m}`, segment },
      recency_days: Math.floor((end_ms - last_ms) / DAY_MS),
      ...{ frequency: orders, monetary: net },
      ...{ first_order: new Date(first_ms).toISOString(), last_order: new Date(last_ms).toISOString() },
    })),
  };
}

/** How many customers there are of each score and named segment. */
function distribution(scored: readonly ScoredCustomer[]): Readonly<Record<string, unknown>> {
  const segments = new Map<string, Group>();
  const buckets = new Map<string, Group>();
  for (const { r, f, m, segment, net, orders } of scored) {
    addTo(segments, segment, net, orders);
    addTo(buckets, `${r}${f}${m}`, net, orders);
  }
  return {
    customers_total: scored.length,
    segments: listed(segments).map(([segment, group]) => ({
      ...{ segment, ...group },
      share: group.customers / scored.length,
    })),
    buckets: listed(buckets).map(([score, group]) => {
      const [r, f, m] = [...score].map(Number);
      return { ...{ r, f, m }, ...group };
    }),
  };
}

/** By stored segment, the largest first; null: in none of them. Scores are those among all customers. */
function groupsOf(scored: readonly ScoredCustomer[]): readonly object[] {
  const groups = new Map<string, ScoredCustomer[]>();
  for (const customer of scored) {
    const texts = customer.segments === '' ? [''] : segmentLabels(customer.segments);
    for (const name of texts) {
      const own = groups.get(name);
      if (own === undefined) groups.set(name, [customer]);
      else own.push(customer);
    }
  }
  return [...groups]
    .sort(([a, x], [b, y]) => y.length - x.length || (a < b ? -1 : 1))
    .map(([name, own]) => ({ key: { [SEGMENT]: name === '' ? null : name }, ...distribution(own) }));
}

interface Group {
  readonly customers: number;
  readonly orders: number;
  readonly monetary: number;
}

function addTo(groups: Map<string, Group>, key: string, net: number, orders: number): void {
  const group = groups.get(key) ?? { customers: 0, orders: 0, monetary: 0 };
  groups.set(key, {
    customers: group.customers + 1,
    orders: group.orders + orders,
    monetary: group.monetary + net,
  });
}

/** The largest first. */
function listed(groups: ReadonlyMap<string, Group>): [string, Group][] {
  return [...groups].sort(([a, x], [b, y]) => y.customers - x.customers || (a < b ? -1 : 1));
}
