import {
  defineKind,
  type EntityShare,
  type PlanPart,
  type QueryContext,
  type QueryKind,
  type ScanPlan,
} from '../../engine/index.ts';
import { EntityRows, entityParts } from '../entity-rows/index.ts';
import { normalType } from '../events/index.ts';
import { type RatesByCurrency, RowMoney, readDayRates } from '../exchange/index.ts';
import { filterConditions, requireColumn } from '../filters/index.ts';
import { MAX_RANGE_MS, readLines, writeLine } from '../query/index.ts';
import {
  type FamilyAnswer,
  type FamilyShared,
  type FamilySources,
  type OpenFamily,
  ofSegments,
  prepareHead,
  provenanceOf,
  type QuerySettings,
  requireKept,
} from '../query-head/index.ts';
import { SeriesTable } from '../row-sums/index.ts';
import { HASH } from '../rows/index.ts';
import { attributionBody } from './attribution-body.ts';
import { type AttributionQuery, durationMs } from './attribution-schema.ts';
import { type AttributionPart, CreditBook } from './credits.ts';
import { type JourneyRules, journeyColumns, journeyTests, visitJourneys } from './journeys.ts';
import { spendOf } from './spend.ts';

export const ATTRIBUTION_KIND = 'attribution';

/** What the parts of a plan share. Plain data. */
export interface AttributionShared extends FamilyShared<AttributionQuery> {
  readonly query_id: string;
  readonly start_ms: number;
  readonly end_ms: number;
  readonly rates: RatesByCurrency;
}

/** One part: the journeys of some customers, or the money that was spent. Plain data. */
export type AttributionWork =
  | { readonly kind: 'journeys'; readonly plan: ScanPlan; readonly share: EntityShare }
  | { readonly kind: 'spend'; readonly plan: ScanPlan };

/** Orders credited to the touches before them, by one or several methods, beside what was spent. */
export function attributionKind(
  settings: QuerySettings,
  open: OpenFamily,
): QueryKind<AttributionQuery, AttributionShared, AttributionWork, FamilyAnswer> {
  return defineKind<AttributionQuery, AttributionShared, AttributionWork, FamilyAnswer>({
    name: ATTRIBUTION_KIND,
    // Routes check it: each of them takes other members.
    schema: { parse: (input) => input as AttributionQuery },
    plan: (context, query) =>
      planOf(context, ofSegments(open(context), query, settings.custom), query, settings),
    partial: (context, { shared }, work, cancel) => {
      const sources = ofSegments(open(context), shared.query, settings.custom);
      const money = new RowMoney(shared.query.currency, shared.rates, sources.dictionary);
      const scan = (take: Parameters<FamilySources['scan']>[1]): void =>
        sources.scan(work.plan, (chunk) => {
          cancel.check();
          take(chunk);
        });
      const groups = groupColumns(shared.query, settings);
      if (work.kind === 'journeys') {
        return writeLine(journeysPart(shared, work, settings, sources, money, scan, () => cancel.check()));
      }
      const spend = spendOf(scan, work.plan, groups, sources.dictionary, money);
      const { currency } = money;
      return writeLine({ kind: 'spend', spend, ...(currency === undefined ? {} : { currency }) });
    },
    merge: (a, b) => Buffer.concat([a, b]),
    finish: (_context, { shared, explain, source }, bytes) => {
      const { query, header, query_id } = shared;
      const { body, warnings } = attributionBody(readLines<AttributionPart>(bytes), query);
      return { query_id, header, source, body, warnings, ...(query.explain === true ? { explain } : {}) };
    },
  });
}

function planOf(
  context: QueryContext,
  sources: FamilySources,
  query: AttributionQuery,
  settings: QuerySettings,
) {
  const { range, upTo, header, query_id, position } = prepareHead(query, settings, context);
  const { start_ms, end_ms } = range;
  const until = upTo === undefined ? {} : { upTo };
  const { scope } = context;
  // Refunds count whenever they come.
  const last_ms = query.value === 'revenue_net' ? MAX_RANGE_MS : end_ms;
  const first_ms = start_ms - durationMs(query.lookback);
  const journeys = sources.planScan({ scope, start_ms: first_ms, end_ms: last_ms, ...until });
  // Touches of the lookback, too: without them the credit would go elsewhere.
  requireKept(journeys, first_ms);
  const spent = sources.planScan({ scope, start_ms, end_ms, ...until });
  const parts: PlanPart<AttributionWork>[] = entityParts(journeys).map((part) => ({
    ...part,
    work: { kind: 'journeys', ...part.work },
  }));
  if (spent.chunks.length > 0) {
    const cost_ms = spent.rows * 5e-6;
    const work = { kind: 'spend', plan: spent } as const;
    parts.push({ reads: 'immutable', rows: spent.rows, cost_ms, work });
  }
  const rates = readDayRates(sources.rates, scope, query.currency, first_ms, last_ms, upTo);
  return {
    ...{ kind: ATTRIBUTION_KIND, rows: journeys.rows + spent.rows, bytes: journeys.bytes + spent.bytes },
    ...{ chunks: journeys.chunks.length, source: 'scan', parts },
    cost_ms: parts.reduce((sum, { cost_ms }) => sum + cost_ms, 0),
    explain: {
      ...{ source: 'scan', methods: query.methods, entity: 'customer_id', parts: parts.length },
      touches_from: new Date(first_ms).toISOString(),
      ...provenanceOf(query, position, {
        ...{ start_ms: first_ms, end_ms: last_ms },
        types: [...query.touch_types, 'order.created', 'refund.issued', 'campaign.spend'],
      }),
    },
    narrow: ['ask for a shorter range (start, end)', 'ask for a shorter `lookback`'],
    shared: { query, header, query_id, start_ms, end_ms, rates },
  };
}

function journeysPart(
  { query, start_ms, end_ms }: AttributionShared,
  { plan, share }: Extract<AttributionWork, { kind: 'journeys' }>,
  settings: QuerySettings,
  { dictionary }: FamilySources,
  money: RowMoney,
  scan: (take: Parameters<FamilySources['scan']>[1]) => void,
  check: () => void,
): AttributionPart {
  const groups = groupColumns(query, settings);
  const types = new Set(query.touch_types.map(normalType));
  const isTouchType = (code: number): boolean => types.has(normalType(dictionary.textOf(code)));
  const filters = filterConditions(query.filters, settings.custom, dictionary);
  const tests = journeyTests(isTouchType, filters);
  const columns = journeyColumns(groups);
  const { request } = plan;
  const rows = new EntityRows({ entity: HASH.customer, share, tests, request, ...columns });
  scan((chunk) => rows.add(chunk));
  const series = new SeriesTable(groups.length);
  const direct = new Set([0, ...['direct', 'Direct', '(direct)'].map((text) => dictionary.find(text))]);
  const rules: JourneyRules = {
    ...{ start_ms, end_ms, lookback_ms: durationMs(query.lookback), isNet: query.value === 'revenue_net' },
    groupColumns: groups.length,
    keyOf: (codes) => series.find(codes),
    isDirectChannel: (code) => direct.has(code),
  };
  const book = new CreditBook(query.methods, durationMs(query.half_life));
  visitJourneys(rows, rules, money, (journey) => book.add(journey), check);
  const nameOf = (key: number): string =>
    JSON.stringify(groups.map((_, at) => dictionary.textOf(series.codeOf(key, at))));
  const { currency } = money;
  return {
    ...{ kind: 'journeys', part: share.index, ...(currency === undefined ? {} : { currency }) },
    byMethod: Object.fromEntries(
      [...book.byMethod].map(([method, credits]) => [
        method,
        [...credits].map(([key, credit]) => [nameOf(key), credit] as const),
      ]),
    ),
    ...{ unattributed: book.unattributed, total: book.total },
    paths: [...book.paths].map(([keys, { conversions, lost }]) => [
      keys.split(',').map((key) => nameOf(Number(key))),
      conversions,
      lost,
    ]),
  };
}

/** Code columns of the dimensions that touches are grouped by. */
function groupColumns({ group_by }: AttributionQuery, { custom }: QuerySettings): number[] {
  return group_by.map((dimension) => requireColumn(dimension, custom).column);
}
