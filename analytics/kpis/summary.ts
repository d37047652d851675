import { z } from 'zod';
import { defineKind, type QueryKind } from '../../engine/index.ts';
import { formatUtc, type TimeRange, zoneOf } from '../query/index.ts';
import { settingsOf } from '../query-head/index.ts';
import type { KpiResult } from './answer.ts';
import { type Change, changeOf } from './change.ts';
import type { MetricValue } from './evaluate.ts';
import type { KpiAnswer } from './kpi-kind.ts';
import { planKpis } from './kpi-plan.ts';
import { isMonetary, type MetricDefinition } from './metrics.ts';
import { OwnMetrics, requireMetric } from './own-metrics.ts';
import type { KpiSettings } from './prepare.ts';
import { addSetWork, finishSet, mergeSets, planSet, type SetShared, type SetWork } from './query-set.ts';
import { type KpiQuery, kpiQuerySchema, type OfTenant } from './schema.ts';
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
  metrics: z
    .string()
    .max(4_096)
    .transform((text) => text.split(','))
    .pipe(kpiQuerySchema.shape.metrics)
    .optional()
    .describe('Further metrics beside the common ones, joined by commas'),
});
export type KpiSummaryQuery = z.output<typeof kpiSummarySchema> &
  OfTenant & {
    /** Which customers; both periods are of those that a segment has at the end of the current one. */
    readonly filters?: KpiQuery['filters'];
    /** The position that the segment's customers are of. */
    readonly as_of?: KpiQuery['as_of'];
  };

export interface SummaryValue extends Change {
  readonly current: MetricValue;
  readonly previous: MetricValue;
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
  /** What is shown, in order. */
  readonly plain: readonly string[];
  readonly money: readonly string[];
  /** Of them those that are null where there is nothing; the others are 0. */
  readonly ratios: readonly string[];
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
      const zone = zoneOf(query.timezone ?? settingsOf(query, settings).timezone ?? 'UTC');
      const shown = shownBy(query);
      const { current, previous } = summaryPeriods(query, zone, context.now_ms);
      const plans = [false, true].flatMap((monetary) =>
        [current, previous].map((range) =>
          planKpis(context, sources, bodyOf(query, zone.id, range, monetary, shown), settings),
        ),
      );
      const { complete_until_ms } = sources;
      const isComplete = complete_until_ms !== null && current.end_ms <= complete_until_ms;
      return planSet(SUMMARY_KIND, plans, { timezone: zone.id, isComplete, ...shown });
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

type Shown = Pick<Periods, 'plain' | 'money' | 'ratios'>;

/** The common metrics and those that are asked for besides. Throws QueryError `validation_failed`. */
function shownBy({ metrics = [], own_metrics = [] }: KpiSummaryQuery): Shown {
  const own = new OwnMetrics(own_metrics);
  const names = [...new Set<string>([...SUMMARY_METRICS, ...metrics])];
  const found = names.map((name) => ({ name, metric: requireMetric(own, name, 'metrics') }));
  const namesOf = (isWanted: (metric: MetricDefinition) => boolean): string[] =>
    found.filter(({ metric }) => isWanted(metric)).map(({ name }) => name);
  return {
    plain: namesOf((metric) => !isMonetary(metric)),
    money: namesOf(isMonetary),
    ratios: namesOf(({ formula }) => formula.kind === 'ratio' || formula.kind === 'quotient'),
  };
}

function bodyOf(
  { currency: asked, tenant, own_metrics, filters = {}, segment_members, as_of }: KpiSummaryQuery,
  timezone: string,
  range: TimeRange,
  monetary: boolean,
  { plain, money }: Shown,
): KpiQuery {
  const currency = asked ?? tenant?.currency;
  const body = kpiQuerySchema.parse({
    metrics: monetary ? money : plain,
    start: formatUtc(range.start_ms),
    end: formatUtc(range.end_ms),
    timezone,
    group_by: monetary && currency === undefined ? ['currency'] : [],
    ...(monetary && currency !== undefined ? { currency } : {}),
    limit: 1_000,
  });
  return {
    ...{ ...body, filters },
    ...(as_of === undefined ? {} : { as_of }),
    ...(own_metrics === undefined ? {} : { own_metrics }),
    ...(segment_members === undefined
      ? {}
      : { segment_members: segment_members.map((members) => ({ ...members, end: body.end })) }),
  };
}

function summaryOf(
  answers: readonly KpiAnswer[],
  { timezone, isComplete, plain: plainNames, money: moneyNames, ratios }: Periods,
): KpiSummary {
  const [plain, plainBefore, money, moneyBefore] = answers;
  if (plain === undefined || plainBefore === undefined || money === undefined || moneyBefore === undefined)
    throw new Error('a summary is made of four answers');
  const now = byCurrency(money);
  const before = byCurrency(moneyBefore);
  return {
    resolved_range: plain.resolved_range,
    previous_range: plainBefore.resolved_range,
    timezone,
    kpis: compare(plain.groups[0]?.totals, plainBefore.groups[0]?.totals, plainNames, ratios),
    currencies: [...new Set([...now.keys(), ...before.keys()])].map((currency) => ({
      currency,
      kpis: compare(now.get(currency), before.get(currency), moneyNames, ratios),
    })),
    ...(isComplete ? {} : { incomplete: true }),
    source: [...new Set(answers.map(({ source }) => source))].join(', '),
    approximate: [...new Set(answers.flatMap(({ approximate }) => approximate))],
    warnings: [...new Set(answers.flatMap(({ warnings }) => warnings))],
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
  names: readonly string[],
  ratios: readonly string[],
): SummaryValues {
  return Object.fromEntries(
    names.map((name) => [name, change(ratios.includes(name), current?.[name], previous?.[name])]),
  );
}

function change(
  isRatio: boolean,
  now: MetricValue | undefined,
  before: MetricValue | undefined,
): SummaryValue {
  // A currency that has no group in one period had no money in it: its sums are 0, its ratios unknown.
  const absent = isRatio ? null : 0;
  const current = now === undefined ? absent : now;
  const previous = before === undefined ? absent : before;
  return { current, previous, ...changeOf(current, previous) };
}
