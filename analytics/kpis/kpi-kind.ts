import {
  type Cancel,
  defineKind,
  type PlanHead,
  type QueryContext,
  type QueryKind,
} from '../../engine/index.ts';
import { ofSegments, queryIdOf } from '../query-head/index.ts';
import { KpiSums, mergeSums, RowScan, readSums } from '../row-sums/index.ts';
import { answerOf, type KpiResult } from './answer.ts';
import { addCells } from './cube-cells.ts';
import { KPI_KIND, type KpiShared, type KpiWork, planKpis } from './kpi-plan.ts';
import { type KpiSettings, prepareKpis, scanSpecsOf, shapeOf } from './prepare.ts';
import { type KpiQuery, kpiSchemaOf } from './schema.ts';
import type { OpenSources } from './sources.ts';

/** An answer with the name under which it can be asked again (`as_of`). */
export interface KpiAnswer extends KpiResult {
  readonly query_id: string;
}

/** The KPI query as a kind of query over rows and cubes. */
export function kpiKind(
  settings: KpiSettings,
  open: OpenSources,
): QueryKind<KpiQuery, KpiShared, KpiWork, KpiAnswer> {
  return defineKind<KpiQuery, KpiShared, KpiWork, KpiAnswer>({
    name: KPI_KIND,
    schema: kpiSchemaOf(settings.custom),
    plan: (context, query) => planKpis(context, open(context), query, settings),
    partial: (context, plan, work, cancel) => addKpiWork(context, open, plan, work, cancel),
    merge: mergeSums,
    finish: (_context, plan, bytes) => finishKpis(plan, bytes),
  });
}

/** One part of a plan: what it adds up, as bytes. Throws what `cancel.check()` throws, and `plan_stale`. */
export function addKpiWork(
  context: QueryContext,
  open: OpenSources,
  { shared }: PlanHead<KpiShared>,
  work: KpiWork,
  cancel: Cancel,
): Uint8Array {
  const sources = ofSegments(open(context), shared.query, shared.settings.custom);
  const prepared = prepareKpis(shared.query, shared.settings, shared.now_ms);
  const sums = new KpiSums(shapeOf(prepared));
  if (work.kind === 'cells') {
    for (const stretch of work.stretches) {
      cancel.check();
      addCells(sources, stretch, prepared, sums);
    }
  } else {
    const specs = scanSpecsOf(prepared, shared.settings, sources.dictionary);
    const scans = specs.map((spec) => new RowScan(spec, sums));
    sources.scan(work.plan, (chunk) => {
      cancel.check();
      for (const scan of scans) scan.scan(chunk, work.plan.request);
    });
  }
  return sums.write((code) => sources.dictionary.textOf(code));
}

/** Throws QueryError `too_many_points` or `fx_rate_missing`. */
export function finishKpis(plan: PlanHead<KpiShared>, bytes: Uint8Array | undefined): KpiAnswer {
  const { query, settings, now_ms, position, ...facts } = plan.shared;
  const prepared = prepareKpis(query, settings, now_ms);
  const named = readSums(shapeOf(prepared), bytes === undefined ? [] : [bytes]);
  return {
    ...answerOf(named, prepared, { ...facts, source: plan.source }),
    query_id: queryIdOf(position, JSON.stringify([now_ms, query])),
    ...(query.explain === true ? { explain: plan.explain } : {}),
  };
}
