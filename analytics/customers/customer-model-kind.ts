import { defineKind, type QueryKind } from '../../engine/index.ts';
import type { EntityWork } from '../entity-rows/index.ts';
import { oneCurrency, type RatesByCurrency } from '../exchange/index.ts';
import { DAY_MS, formatUtc, parseRange, QueryError, type Zone, zoneOf } from '../query/index.ts';
import {
  type FamilyAnswer,
  type FamilyShared,
  type OpenFamily,
  ofSegments,
  prepareHead,
  type QuerySettings,
  settingsOf,
} from '../query-head/index.ts';
import { scoreChurn, trainChurn } from './churn-model.ts';
import { type CustomerModelQuery, customerModelSchemaOf } from './customer-model-schema.ts';
import { purchaseDays } from './ltv-rows.ts';
import { customerAt, type PurchaseDays, readPurchaseDays, writePurchaseDays } from './purchase-days.ts';
import { planPurchases, scanPurchases, seenUntil } from './purchase-scan.ts';
import { scoreValue, trainValue } from './value-model.ts';

export const CUSTOMER_MODEL_KIND = 'customers.model';

/** What the parts of a plan share. Plain data. */
export interface CustomerModelShared extends FamilyShared<CustomerModelQuery> {
  readonly query_id: string;
  /** Rows before it are looked at. */
  readonly until_ms: number;
  readonly rates: RatesByCurrency;
}

/** Bytes of some hundred customers: above, the fit does not belong into the API's thread. */
const FINISH_IN_API_MAX_BYTES = 8 * 1024;

/** Trains a model of customers; with `churn` or `value`, what it was trained to, it scores them. */
export function customerModelKind(
  settings: QuerySettings,
  open: OpenFamily,
): QueryKind<CustomerModelQuery, CustomerModelShared, EntityWork, FamilyAnswer> {
  const zoneFor = (query: CustomerModelQuery): Zone =>
    zoneOf(query.timezone ?? settingsOf(query, settings).timezone ?? 'UTC');
  return defineKind<CustomerModelQuery, CustomerModelShared, EntityWork, FamilyAnswer>({
    name: CUSTOMER_MODEL_KIND,
    schema: customerModelSchemaOf(settings.custom),
    plan: (context, query) => {
      const sources = ofSegments(open(context), query, settings.custom);
      const head = prepareHead(query, settings, context);
      const { header, query_id, range } = head;
      const until_ms = seenUntil(sources, range.start_ms, range.end_ms);
      const { facts, explain, rates } = planPurchases(context, sources, query, head, until_ms);
      return {
        ...{ kind: CUSTOMER_MODEL_KIND, ...facts, explain },
        narrow: ['ask for a shorter range (start, end)'],
        shared: { query, header, query_id, until_ms, rates },
      };
    },
    partial: (context, { shared }, work, cancel) => {
      const { query } = shared;
      const sources = ofSegments(open(context), query, settings.custom);
      const scanned = { custom: settings.custom, columns: [] };
      const { rows, money } = scanPurchases(sources, shared, work, scanned, cancel);
      const range = parseRange(query.start, query.end);
      const found = purchaseDays(rows, range, zoneFor(query), money, () => cancel.check());
      return writePurchaseDays(found, money.currency);
    },
    merge: (a, b) => Buffer.concat([a, b]),
    finishesInThread: ({ shared }, bytes) => shared !== undefined && bytes > FINISH_IN_API_MAX_BYTES,
    finish: (_context, { shared, explain, source }, bytes) => {
      const { query, header, query_id, until_ms } = shared;
      const { customers, currencies } = readPurchaseDays(bytes);
      const currency = query.currency ?? oneCurrency(currencies);
      const end_day = zoneFor(query).localDay(until_ms - 1);
      const facts = { observed_until: formatUtc(until_ms), ...(currency === undefined ? {} : { currency }) };
      return {
        ...{ query_id, header, source, warnings: [], approximate: [] },
        body: { ...facts, ...answered(query, customers, end_day) },
        ...(query.explain === true ? { explain } : {}),
      };
    },
  });
}

function answered(
  query: CustomerModelQuery,
  customers: readonly PurchaseDays[],
  end_day: number,
): Readonly<Record<string, unknown>> {
  const { churn, value } = query;
  if (churn !== undefined) {
    return pageOf(query, customers, end_day, (at) => {
      const score = scoreChurn(churn, at, query.horizon_days);
      return { score, rank: score.probability_of_churn };
    });
  }
  if (value !== undefined) {
    return pageOf(query, customers, end_day, (at) => {
      const score = scoreValue(value, at, query.horizon_days);
      return { score, rank: score.expected_value ?? score.expected_purchases };
    });
  }
  try {
    const train = query.model === 'churn' ? trainChurn : trainValue;
    return { ...train(customers, end_day, query.horizon_days), customers_total: customers.length };
  } catch (error) {
    const { code, message } = error as { code?: string; message: string };
    if (code === 'not_enough_data') throw new QueryError(code, message, [{ path: 'dataset.start', message }]);
    throw error;
  }
}

type At = NonNullable<ReturnType<typeof customerAt>>;

/** The highest rank first, equal ones in the order of their hashes, so that pages fit together. */
function pageOf(
  { offset, limit }: CustomerModelQuery,
  customers: readonly PurchaseDays[],
  end_day: number,
  rate: (at: At) => { readonly score: object; readonly rank: number },
): Readonly<Record<string, unknown>> {
  const rated = customers.flatMap((customer) => {
    const at = customerAt(customer, end_day);
    return at === undefined ? [] : [{ customer, ...rate(at) }];
  });
  // A stable sort: customers come in the order of their hashes.
  rated.sort((a, b) => b.rank - a.rank);
  return {
    customers_total: rated.length,
    customers: rated
      .slice(offset, offset + limit)
      .map(({ customer: { hi, lo, days, values, places }, score }) => ({
        customer: { hi, lo, events: places },
        ...{
          purchase_days: days.length,
          first_day: dateOf(days[0] ?? 0),
          last_day: dateOf(days.at(-1) ?? 0),
        },
        value_to_date: values.reduce((sum, one) => sum + one, 0),
        ...score,
      })),
  };
}

const dateOf = (day: number): string => new Date(day * DAY_MS).toISOString().slice(0, 10);
