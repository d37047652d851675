import {
  type Cancel,
  defineKind,
  type PlanHead,
  type QueryContext,
  type QueryKind,
} from '../../engine/index.ts';
import { ofSegments, queryIdOf } from '../query-head/index.ts';
import { KpiSums, mergeSums, RowScan, readSums } from '../row-sums/index.ts';
import { answerOf, type KpiResult, type RangeSums } from './answer.ts';
import { addCells } from './cube-cells.ts';
import { KPI_KIND, type KpiShared, type KpiWork, planKpis } from './kpi-plan.ts';
import { type KpiSettings, prepareKpis, scanSpecsOf, shapeOf } from './prepare.ts';
import { type KpiQuery, kpiSchemaOf } from './schema.ts';
import type { OpenSources } from './sources.ts';
import { readSet, writeSet } from './sums-set.ts';

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
    merge: mergeKpis,
    finish: (_context, plan, bytes) => finishKpis(plan, bytes),
  });
}

/** One part of a plan: what it adds up, as bytes. Throws what `cancel.check()` throws, and `plan_stale`. */
export function addKpiWork(
  context: QueryContext,
  open: OpenSources,
  { shared: asked }: PlanHead<KpiShared>,
  work: KpiWork,
  cancel: Cancel,
): Uint8Array {
  const shared = work.isBefore === true ? beforeOf(asked).shared : asked;
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
  const bytes = sums.write((code) => sources.dictionary.textOf(code));
  return writeSet(new Map([[work.isBefore === true ? BEFORE : ASKED, bytes]]));
}

/** Sums of the range that is asked for, and of the one that it is compared with. */
const ASKED = 0;
const BEFORE = 1;

function beforeOf({ before }: KpiShared): PlanHead<KpiShared> {
  if (before === undefined) throw new Error('a query without a comparison has no part of an earlier range');
  return before;
}

/** Adds what parts of one plan added up. */
export function mergeKpis(a: Uint8Array, b: Uint8Array): Uint8Array {
  const merged = readSet(a);
  for (const [index, bytes] of readSet(b)) {
    const own = merged.get(index);
    merged.set(index, own === undefined ? bytes : mergeSums(own, bytes));
  }
  return writeSet(merged);
}

/** Throws QueryError `too_many_points`, `fx_rate_missing` or `currency_required`. */
export function finishKpis(plan: PlanHead<KpiShared>, bytes: Uint8Array | undefined): KpiAnswer {
  const { query, now_ms, position, before, settings: _, rates: __, ...facts } = plan.shared;
  const sums = bytes === undefined ? new Map<number, Uint8Array>() : readSet(bytes);
  const summed = (of: KpiShared, index: number): RangeSums => {
    const prepared = prepareKpis(of.query, of.settings, of.now_ms);
    const own = sums.get(index);
    return { prepared, rates: of.rates, named: readSums(shapeOf(prepared), own === undefined ? [] : [own]) };
  };
  const earlier = before === undefined ? undefined : summed(before.shared, BEFORE);
  return {
    ...answerOf(summed(plan.shared, ASKED), { ...facts, source: plan.source }, earlier),
    query_id: queryIdOf(position, JSON.stringify([now_ms, query])),
    ...(query.explain === true ? { explain: plan.explain } : {}),
  };
}
