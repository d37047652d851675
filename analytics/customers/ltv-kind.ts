import { defineKind, type QueryKind } from '../../engine/index.ts';
import { type CohortRules, cohortRules } from '../cohorts/index.ts';
import type { EntityWork } from '../entity-rows/index.ts';
import { oneCurrency, type RatesByCurrency } from '../exchange/index.ts';
import { requireColumn } from '../filters/index.ts';
import {
  formatUtc,
  parseRange,
  readLines,
  type TimeRange,
  writeLine,
  type Zone,
  zoneOf,
} from '../query/index.ts';
import {
  type FamilyAnswer,
  type FamilyShared,
  type OpenFamily,
  ofSegments,
  prepareHead,
  type QuerySettings,
  settingsOf,
} from '../query-head/index.ts';
import { historicalBody } from './ltv-historical.ts';
import { predict } from './ltv-predictive.ts';
import { type CohortValue, cohortValues, customerPasts, readPasts, writePasts } from './ltv-rows.ts';
import { type LtvQuery, ltvMembersOf } from './ltv-schema.ts';
import { planPurchases, scanPurchases, seenUntil } from './purchase-scan.ts';

export const LTV_KIND = 'customers.ltv';

/** What the parts of a plan share. Plain data. */
export interface LtvShared extends FamilyShared<LtvQuery> {
  readonly query_id: string;
  readonly complete_until_ms: number | null;
  /** Rows before it are looked at. */
  readonly until_ms: number;
  readonly rates: RatesByCurrency;
}

interface Resolved {
  readonly range: TimeRange;
  readonly zone: Zone;
  readonly cohorts: CohortRules;
}

/** Bytes of a few thousand customers: above, the fit does not belong into the API's thread. */
const FINISH_IN_API_MAX_BYTES = 64 * 1024;

/** What customers brought by age, or are expected to bring. */
export function ltvKind(
  settings: QuerySettings,
  open: OpenFamily,
): QueryKind<LtvQuery, LtvShared, EntityWork, FamilyAnswer> {
  const resolved = (query: LtvQuery): Resolved => {
    const ofQuery = settingsOf(query, settings);
    const zone = zoneOf(query.timezone ?? ofQuery.timezone ?? 'UTC');
    const range = parseRange(query.start, query.end);
    const { bucket, group_by, period, periods, alignment } = query;
    const criteria = { type: 'acquisition', mode: 'first_time', bucket, group_by } as const;
    const cohorts = cohortRules({ criteria, period, periods, alignment }, range, zone, ofQuery);
    return { range, zone, cohorts };
  };
  return defineKind<LtvQuery, LtvShared, EntityWork, FamilyAnswer>({
    name: LTV_KIND,
    schema: ltvMembersOf(settings.custom),
    plan: (context, query) => {
      const sources = ofSegments(open(context), query, settings.custom);
      const { range, cohorts } = resolved(query);
      const head = prepareHead(query, settings, context, query.period);
      const { header, query_id } = head;
      const { complete_until_ms } = sources;
      const until_ms =
        query.model === 'historical' ? cohorts.horizon_ms : seenUntil(sources, range.start_ms, range.end_ms);
      const { facts, explain, rates } = planPurchases(context, sources, query, head, until_ms);
      return {
        ...{ kind: LTV_KIND, ...facts, explain },
        narrow: ['ask for a shorter range (start, end)', 'ask for fewer periods'],
        shared: { query, header, query_id, complete_until_ms, until_ms, rates },
      };
    },
    partial: (context, { shared }, work, cancel) => {
      const { query } = shared;
      const sources = ofSegments(open(context), query, settings.custom);
      const { range, zone, cohorts } = resolved(query);
      const columns = query.group_by.map((name) => requireColumn(name, settings.custom).column);
      const scanned = { custom: settings.custom, columns };
      const { rows, money } = scanPurchases(sources, shared, work, scanned, cancel);
      const check = (): void => cancel.check();
      if (query.model === 'predictive') {
        const pasts = customerPasts(rows, range, zone, money, check);
        return writePasts(pasts, money.currency);
      }
      const values = cohortValues(rows, cohorts, money, (code) => sources.dictionary.textOf(code), check);
      return writeLine({ values, currency: money.currency });
    },
    merge: (a, b) => Buffer.concat([a, b]),
    finishesInThread: ({ shared }, bytes) =>
      shared.query.model === 'predictive' && bytes > FINISH_IN_API_MAX_BYTES,
    finish: (_context, { shared, explain, source }, bytes) => {
      const { query, header, query_id } = shared;
      const { body, warnings, approximate } =
        query.model === 'predictive'
          ? predictiveAnswer(shared, resolved(query).zone, bytes)
          : historicalAnswer(shared, resolved(query).cohorts, settings.custom, bytes);
      return {
        ...{ query_id, header, source, body, warnings, approximate },
        ...(query.explain === true ? { explain } : {}),
      };
    },
  });
}

type Answered = Pick<Required<FamilyAnswer>, 'body' | 'warnings' | 'approximate'>;

function predictiveAnswer(
  { query, until_ms }: LtvShared,
  zone: Zone,
  bytes: Uint8Array | undefined,
): Answered {
  const { pasts, currencies } = readPasts(bytes);
  const currency = query.currency ?? oneCurrency(currencies);
  const { body, warnings, approximate } = predict(pasts, zone.localDay(until_ms - 1), query);
  const seen = { observed_until: formatUtc(until_ms) };
  return {
    body: { ...(currency === undefined ? {} : { currency }), ...seen, ...body },
    warnings,
    approximate,
  };
}

function historicalAnswer(
  { query, complete_until_ms }: LtvShared,
  rules: CohortRules,
  custom: readonly string[],
  bytes: Uint8Array | undefined,
): Answered {
  const parts = readLines<{ values: CohortValue[]; currency?: string }>(bytes);
  const currency = query.currency ?? oneCurrency(parts.map((part) => part.currency));
  const body = historicalBody(
    parts.map(({ values }) => values),
    rules,
    custom,
    complete_until_ms,
  );
  return {
    body: { ...(currency === undefined ? {} : { currency }), ...body },
    warnings: [],
    approximate: [],
  };
}
