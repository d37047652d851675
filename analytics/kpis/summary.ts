import { z } from 'zod';
import { addExact } from '../../operators/index.ts';
import { findMetric, isMonetary } from '../model/index.ts';
import { formatUtc, parseRange, QueryError, type TimeRange, type Zone, zoneOf } from '../query/index.ts';
import type { MetricValue } from './evaluate.ts';
import { kpiQuerySchema } from './kpi-schema.ts';
import { type KpiContext, type KpiResult, runKpiQuery, type Tables } from './kpis.ts';

const MINUTE_MS = 60_000;

/** What a summary shows. */
export const SUMMARY_METRICS = [
  'orders_count',
  'orders_paid',
  'units_sold',
  'customers_active',
  'customers_new',
  'visits',
  'sessions',
  'conversion_rate',
  'cart_abandonment_rate',
  'returns_count',
  'refunded_orders_rate',
  'days_to_ship_avg',
  'revenue_gross',
  'revenue_net',
  'revenue_paid',
  'discount_total',
  'refund_amount',
  'refund_rate',
  'aov',
] as const;

/** The parameters of a summary: those of a KPI query that apply, all optional. */
export const kpiSummarySchema = z.strictObject({
  start: kpiQuerySchema.shape.start.optional(),
  end: kpiQuerySchema.shape.end.optional(),
  timezone: kpiQuerySchema.shape.timezone,
  currency: kpiQuerySchema.shape.currency,
  max_staleness: kpiQuerySchema.shape.max_staleness,
});
export type KpiSummaryQuery = z.output<typeof kpiSummarySchema>;

export interface SummaryContext extends KpiContext {
  /** The clock, ms: what "today" is. */
  readonly now_ms: number;
}

/** delta = current − previous; delta_pct in percent of |previous|, null where that is 0 or unknown. */
export interface SummaryValue {
  readonly current: MetricValue;
  readonly previous: MetricValue;
  readonly delta: MetricValue;
  readonly delta_pct: number | null;
}

type SummaryValues = Readonly<Record<string, SummaryValue>>;

export interface KpiSummary {
  readonly resolved_range: { readonly start: string; readonly end: string };
  readonly previous_range: { readonly start: string; readonly end: string };
  readonly timezone: string;
  /** Metrics without money. */
  readonly kpis: SummaryValues;
  /** Metrics of money, for each currency with any in either period; null: amounts without one. */
  readonly currencies: readonly { readonly currency: string | null; readonly kpis: SummaryValues }[];
  /** The current period ends after the watermark. */
  readonly incomplete?: true;
  readonly source: string;
  readonly approximate: readonly string[];
  readonly warnings: readonly string[];
}

/**
 * The common KPIs of a period and of the one before it. Without a range: the local day so far, to the
 * end of the running minute, against the same length of the day before. With one: against the range of
 * equal length before it, in local days where it is whole local days.
 * Throws QueryError as `runKpiQuery` does, and `invalid_range` for a start without an end.
 */
export function runKpiSummary(
  table: Tables,
  tenant: string,
  query: KpiSummaryQuery,
  context: SummaryContext,
): KpiSummary {
  const zone = zoneOf(query.timezone ?? context.defaultTimezone ?? 'UTC');
  const { current, previous } = periodsOf(query, zone, context.now_ms);
  const run = (range: TimeRange, monetary: boolean): KpiResult => {
    const body = {
      metrics: SUMMARY_METRICS.filter((name) => isMoney(name) === monetary),
      start: formatUtc(range.start_ms),
      end: formatUtc(range.end_ms),
      timezone: zone.id,
      group_by: monetary && query.currency === undefined ? ['currency'] : [],
      ...(monetary && query.currency !== undefined ? { currency: query.currency } : {}),
      limit: 1_000,
    };
    return runKpiQuery(table, tenant, kpiQuerySchema.parse(body), context);
  };
  const plain = { current: run(current, false), previous: run(previous, false) };
  const money = { current: run(current, true), previous: run(previous, true) };
  const now = byCurrency(money.current);
  const before = byCurrency(money.previous);
  const results = [plain.current, plain.previous, money.current, money.previous];
  const { watermark_ms } = context;
  return {
    resolved_range: plain.current.resolved_range,
    previous_range: plain.previous.resolved_range,
    timezone: zone.id,
    kpis: compare(plain.current.groups[0]?.totals, plain.previous.groups[0]?.totals, false),
    currencies: [...new Set([...now.keys(), ...before.keys()])].map((currency) => ({
      currency,
      kpis: compare(now.get(currency), before.get(currency), true),
    })),
    ...(watermark_ms === null || current.end_ms > watermark_ms ? { incomplete: true } : {}),
    source: [...new Set(results.map(({ source }) => source))].join(', '),
    approximate: [...new Set(results.flatMap(({ approximate }) => approximate))],
    warnings: [...new Set(results.flatMap(({ warnings }) => warnings))],
  };
}

function isMoney(name: string): boolean {
  const metric = findMetric(name);
  return metric !== undefined && isMonetary(metric);
}

function periodsOf(
  { start, end }: KpiSummaryQuery,
  zone: Zone,
  now_ms: number,
): { readonly current: TimeRange; readonly previous: TimeRange } {
  if (start === undefined && end === undefined) {
    const today = zone.localDay(now_ms);
    const start_ms = zone.startOfDay(today);
    const length_ms = (Math.floor((now_ms - start_ms) / MINUTE_MS) + 1) * MINUTE_MS;
    const before_ms = zone.startOfDay(today - 1);
    return {
      current: { start_ms, end_ms: start_ms + length_ms },
      // The day before can be an hour shorter than today has lasted.
      previous: { start_ms: before_ms, end_ms: Math.min(before_ms + length_ms, start_ms) },
    };
  }
  if (start === undefined || end === undefined) {
    const path = start === undefined ? 'start' : 'end';
    const message = 'Give both `start` and `end`, or neither for today so far.';
    throw new QueryError('invalid_range', message, [{ path, message }]);
  }
  const current = parseRange(start, end);
  return { current, previous: rangeBefore(current, zone) };
}

function rangeBefore({ start_ms, end_ms }: TimeRange, zone: Zone): TimeRange {
  const first = zone.localDay(start_ms);
  const last = zone.localDay(end_ms);
  const wholeDays = zone.startOfDay(first) === start_ms && zone.startOfDay(last) === end_ms;
  return {
    start_ms: wholeDays ? zone.startOfDay(first - (last - first)) : start_ms - (end_ms - start_ms),
    end_ms: start_ms,
  };
}

type Totals = Readonly<Record<string, MetricValue>>;

/** Totals by currency, those with the largest revenue first, as the query orders them. */
function byCurrency({ groups, currency }: KpiResult): Map<string | null, Totals> {
  return new Map(groups.map(({ key, totals }) => [key.currency ?? currency ?? null, totals]));
}

function compare(
  current: Totals | undefined,
  previous: Totals | undefined,
  monetary: boolean,
): SummaryValues {
  const names = SUMMARY_METRICS.filter((name) => isMoney(name) === monetary);
  return Object.fromEntries(names.map((name) => [name, change(name, current?.[name], previous?.[name])]));
}

function change(name: string, now: MetricValue | undefined, before: MetricValue | undefined): SummaryValue {
  // A currency that has no group in one period had no money in it: its sums are 0, its ratios unknown.
  const absent = findMetric(name)?.formula.kind === 'ratio' ? null : 0;
  const current = now === undefined ? absent : now;
  const previous = before === undefined ? absent : before;
  if (current === null || previous === null) return { current, previous, delta: null, delta_pct: null };
  const delta =
    isExact(current) && isExact(previous) ? addExact(current, -previous) : Number(current) - Number(previous);
  const delta_pct = Number(previous) === 0 ? null : (100 * Number(delta)) / Math.abs(Number(previous));
  return { current, previous, delta, delta_pct };
}

function isExact(value: number | bigint): boolean {
  return typeof value === 'bigint' || Number.isSafeInteger(value);
}
