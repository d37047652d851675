import { defineKind, type PlanHead, type QueryKind } from '../../engine/index.ts';
import {
  addKpiWork,
  type CustomMetric,
  finishKpis,
  type KpiQuery,
  type KpiShared,
  type KpiWork,
  mergeKpis,
  type OpenSources,
  planKpis,
} from '../kpis/index.ts';
import { granularityOf } from '../query/index.ts';
import {
  type FamilyAnswer,
  type FamilyShared,
  prepareHead,
  type QuerySettings,
} from '../query-head/index.ts';
import { type FraudQuery, fraudSchemaOf } from './fraud-schema.ts';

export const FRAUD_KIND = 'fraud.trends';

/** What the parts of a plan share. Plain data. */
export interface FraudShared extends FamilyShared<FraudQuery> {
  readonly kpis: PlanHead<KpiShared>;
}

const FLAGGED = { event: 'fraud.flagged', filters: {} };
const CHARGEBACK = { event: 'chargeback.received', filters: {} };

/** What is counted, as metrics of the log. */
const FRAUD_METRICS: readonly CustomMetric[] = [
  { name: 'fraud_flags', type: 'count', ...FLAGGED },
  { name: 'fraud_amount', type: 'sum', field: 'amount', ...FLAGGED },
  { name: 'chargebacks', type: 'count', ...CHARGEBACK },
  { name: 'chargeback_amount', type: 'sum', field: 'amount', ...CHARGEBACK },
  { name: 'chargeback_rate', type: 'ratio', numerator: 'chargebacks', denominator: 'orders_paid' },
];
const SHOWN = [
  ...['fraud_flags', 'fraud_amount', 'chargebacks', 'chargeback_amount', 'chargeback_rate'],
  ...['orders_paid', 'revenue_paid'],
];

/** Fraud flags and chargebacks over time, as a KPI query of these metrics. */
export function fraudKind(
  settings: QuerySettings,
  open: OpenSources,
): QueryKind<FraudQuery, FraudShared, KpiWork, FamilyAnswer> {
  return defineKind<FraudQuery, FraudShared, KpiWork, FamilyAnswer>({
    name: FRAUD_KIND,
    schema: fraudSchemaOf(settings.custom),
    plan: (context, query) => {
      const { header } = prepareHead(query, settings, context, granularityOf(query.granularity));
      const { parts, ...head } = planKpis(context, open(context), kpiQueryOf(query), settings);
      const explain = { ...head.explain, parts: parts.length };
      return { ...head, kind: FRAUD_KIND, explain, shared: { query, header, kpis: head }, parts };
    },
    partial: (context, { shared }, work, cancel) => addKpiWork(context, open, shared.kpis, work, cancel),
    merge: mergeKpis,
    finish: (_context, { shared: { query, kpis }, explain, source }, bytes) => {
      const answer = finishKpis(kpis, bytes);
      const { query_id, resolved_range, timezone, granularity, approximate, warnings } = answer;
      const { groups, groups_total, truncated, currency } = answer;
      return {
        ...{ query_id, source, approximate, warnings, header: { resolved_range, timezone, granularity } },
        ...(query.explain === true ? { explain } : {}),
        body: { ...(currency === undefined ? {} : { currency }), groups, groups_total, truncated },
      };
    },
  });
}

function kpiQueryOf(query: FraudQuery): KpiQuery {
  const { ip_clusters: _, min_customers: __, min_cards: ___, max_events: ____, ...asked } = query;
  return { ...asked, metrics: SHOWN, aggregation: 'sum', own_metrics: FRAUD_METRICS };
}
