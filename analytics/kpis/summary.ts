import { z } from 'zod';
import { defineKind, type QueryKind } from '../../engine/index.ts';
import { addExact } from '../../operators/index.ts';
import { formatUtc, type TimeRange, zoneOf } from '../query/index.ts';
import type { KpiResult } from './answer.ts';
import type { MetricValue } from './evaluate.ts';
import type { KpiAnswer } from './kpi-kind.ts';
import { planKpis } from './kpi-plan.ts';
import { findMetric, isMonetary } from './metrics.ts';
import type { KpiSettings } from './prepare.ts';
import { addSetWork, finishSet, mergeSets, planSet, type SetShared, type SetWork } from './query-set.ts';
import { kpiQuerySchema } from './schema.ts';
import type { OpenSources } from './sources.ts';
import { summaryPeriods } from './summary-periods.ts';

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
  /** The current period ends after the time up to which events are complete. */
  readonly incomplete?: true;
  readonly source: string;
  readonly approximate: readonly string[];
  readonly warnings: readonly string[];
}

/** Plain data. */
export interface Periods {
  readonly timezone: string;
  readonly isComplete: boolean;
}

export const SUMMARY_KIND = 'kpi-summary';

/**
 * The common KPIs of a period and of the one before it. Without a range: the local day so far, to the end of the
 * running minute, against the same length of the day before. With one: against the range of equal length before
 * it, in local days where it is whole local days. Throws QueryError as a KPI query does, and `invalid_range` for a
 * start without an end.
 */
export function kpiSummaryKind(
  settings: KpiSettings,
  open: OpenSources,
): QueryKind<KpiSummaryQuery, SetShared<Periods>, SetWork, KpiSummary> {
  return defineKind<KpiSummaryQuery, SetShared<Periods>, SetWork, KpiSummary>({
    name: SUMMARY_KIND,
    schema: kpiSummarySchema,
    plan: (context, query) => {
      const sources = open(context);
      const zone = zoneOf(query.timezone ?? settings.timezone ?? 'UTC');
      const { current, previous } = summaryPeriods(query, zone, context.now_ms);
      const plans = [false, true].flatMap((monetary) =>
        [current, previous].map((range) =>
          planKpis(context, sources, kpiQuerySchema.parse(bodyOf(query, zone.id, range, monetary)), settings),
        ),
      );
      const { complete_until_ms } = sources;
      const isComplete = complete_until_ms !== null && current.end_ms <= complete_until_ms;
      return planSet(SUMMARY_KIND, plans, { timezone: zone.id, isComplete });
    },
    partial: (context, plan, work, cancel) => addSetWork(context, open, plan, work, cancel),
    merge: mergeSets,
    finish: (_context, plan, bytes) => {
      const answers = finishSet(plan, bytes, (error): never => {
        throw error;
      });
      return summaryOf(
        answers.filter((answer) => answer !== undefined),
        plan.shared.extra,
      );
    },
  });
}

function bodyOf(
  { currency }: KpiSummaryQuery,
  timezone: string,
  range: TimeRange,
  monetary: boolean,
): object {
  return {
    metrics: SUMMARY_METRICS.filter((name) => isMoney(name) === monetary),
    start: formatUtc(range.start_ms),
    end: formatUtc(range.end_ms),
    timezone,
    group_by: monetary && currency === undefined ? ['currency'] : [],
    ...(monetary && currency !== undefined ? { currency } : {}),
    limit: 1_000,
  };
}

function summaryOf(answers: readonly KpiAnswer[], { timezone, isComplete }: Periods): KpiSummary {
  const [plain, plainBefore, money, moneyBefore] = answers;
  if (plain === undefined || plainBefore === undefined || money === undefined || moneyBefore === undefined)
    throw new Error('a summary is made of four answers');
  const now = byCurrency(money);
  const before = byCurrency(moneyBefore);
  return {
    resolved_range: plain.resolved_range,
    previous_range: plainBefore.resolved_range,
    timezone,
    kpis: compare(plain.groups[0]?.totals, plainBefore.groups[0]?.totals, false),
    currencies: [...new Set([...now.keys(), ...before.keys()])].map((currency) => ({
      currency,
      kpis: compare(now.get(currency), before.get(currency), true),
    })),
    ...(isComplete ? {} : { incomplete: true }),
    source: [...new Set(answers.map(({ source }) => source))].join(', '),
    approximate: [...new Set(answers.flatMap(({ approximate }) => approximate))],
    warnings: [...new Set(answers.flatMap(({ warnings }) => warnings))],
  };
}

function isMoney(name: string): boolean {
  const metric = findMetric(name);
  return metric !== undefined && isMonetary(metric);
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
