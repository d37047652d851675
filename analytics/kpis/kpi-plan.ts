import {
  OTHER_TEXT,
  type Plan,
  type PlanHead,
  type PlanPart,
  type QueryContext,
  type ScanPlan,
  splitPlan,
} from '../../engine/index.ts';
import { type RatesByCurrency, readDayRates } from '../exchange/index.ts';
import type { LogTexts } from '../filters/index.ts';
import { DAY_MS, formatUtc, QueryError, rangeBefore } from '../query/index.ts';
import {
  answerPosition,
  behindRetention,
  ofSegments,
  provenanceOf,
  type StreamPosition,
} from '../query-head/index.ts';
import { type CubeStretch, canAnswer, type Stretch, tileSlots } from './cube-tiling.ts';
import { eventsBehind } from './events-behind.ts';
import { type KpiSettings, type Prepared, prepareKpis } from './prepare.ts';
import type { KpiQuery } from './schema.ts';
import type { KpiCube, KpiSources } from './sources.ts';

/** What the parts of a plan share, and what its answer says. Plain data. */
export interface KpiShared {
  readonly query: KpiQuery;
  readonly settings: KpiSettings;
  /** The clock when the query was planned. */
  readonly now_ms: number;
  readonly position: StreamPosition;
  readonly complete_until_ms: number | null;
  readonly rates: RatesByCurrency;
  readonly warnings: readonly string[];
  /** A cube that would answer more is being built: the share of it that is done. */
  readonly backfilling?: number;
  /** The plan for the range that this one is compared with. */
  readonly before?: PlanHead<KpiShared>;
}

/** Cells of cubes, or chunks of the log. */
type RangeWork =
  | { readonly kind: 'cells'; readonly stretches: readonly CubeStretch[] }
  | { readonly kind: 'scan'; readonly plan: ScanPlan };

/** One part; `before`: of the range that the query's is compared with. Plain data. */
export type KpiWork = RangeWork & { readonly isBefore?: true };

export const KPI_KIND = 'kpis';
/** Rows of one part of a scan: some 50 ms. */
const PART_ROWS = 2_000_000;
/** What a scan and a read of cells cost, measured on one core, for estimates only. */
const ROWS_PER_MS = 40_000;
const CELLS_PER_MS = 2_000;
const PLAN_MS = 0.1;

type PlanContext = Pick<QueryContext, 'progress' | 'now_ms' | 'scope'>;

/**
 * Throws QueryError (422): what `prepareKpis` and `answerPosition` throw, `behind_retention`, and
 * `validation_failed` for an order by a metric that is not asked for.
 */
export function planKpis(
  context: PlanContext,
  sources: KpiSources,
  query: KpiQuery,
  settings: KpiSettings,
): Plan<KpiShared, KpiWork> {
  requireOrder(query);
  const plan = planRange(context, sources, query, settings);
  if (query.compare === undefined) return plan;
  const { buckets } = prepareKpis(query, settings, context.now_ms);
  const { start_ms, end_ms } = rangeBefore(buckets.range, query.compare, buckets.zone);
  const end = formatUtc(end_ms);
  // Segments have the same customers in both: those at the end of the query.
  const segment_members = (query.segment_members ?? [])
    .filter((members) => members.end === query.end)
    .map((members) => ({ ...members, end }));
  const earlier = { ...query, start: formatUtc(start_ms), end, segment_members };
  const { parts, ...before } = planRange(context, sources, earlier, settings);
  const total = (of: (head: PlanHead<KpiShared>) => number | undefined): number =>
    (of(plan) ?? 0) + (of(before) ?? 0);
  return {
    ...plan,
    rows: total(({ rows }) => rows),
    bytes: total(({ bytes }) => bytes),
    cells: total(({ cells }) => cells),
    chunks: total(({ chunks }) => chunks),
    cost_ms: total(({ cost_ms }) => cost_ms),
    source: [...new Set([plan.source, before.source])].join(', '),
    explain: { ...plan.explain, compared: before.explain },
    shared: {
      ...plan.shared,
      warnings: [...new Set([...plan.shared.warnings, ...before.shared.warnings])],
      before,
    },
    parts: [
      ...plan.parts,
      ...parts.map(({ work, ...part }) => ({ ...part, work: { ...work, isBefore: true as const } })),
    ],
  };
}

/** Members of a compared bucket, which a metric's name would hide. */
const COMPARED = ['previous', 'delta', 'delta_pct'];

function requireOrder({ order_by, metrics, compare }: KpiQuery): void {
  const hidden = compare === undefined ? undefined : metrics.find((name) => COMPARED.includes(name));
  if (hidden !== undefined) {
    const message = `A metric named "${hidden}" cannot be compared: buckets have that member. Define it under another name.`;
    throw new QueryError('validation_failed', message, [{ path: 'compare', message }]);
  }
  if (order_by === undefined || metrics.includes(order_by.metric)) return;
  const message = `Groups are ordered by a metric that is asked for: "${order_by.metric}" is not among \`metrics\`.`;
  throw new QueryError('validation_failed', message, [{ path: 'order_by.metric', message }]);
}

function planRange(
  { progress, now_ms, scope }: PlanContext,
  ofLog: KpiSources,
  query: KpiQuery,
  settings: KpiSettings,
): Plan<KpiShared, KpiWork> {
  const sources = ofSegments(ofLog, query, settings.custom);
  const prepared = prepareKpis(query, settings, now_ms);
  const { position, upTo } = answerPosition(query, progress);
  const { range } = prepared.buckets;
  const known = sources.cubes(range.start_ms, range.end_ms, (info) => canAnswer(prepared, info));
  const { cubes, scans } = tileSlots(prepared, known, () => sources.cut_ms());
  const plans = scans
    .map(({ start_ms, end_ms }) => {
      const request = { scope, start_ms, end_ms, ...(upTo === undefined ? {} : { upTo }) };
      const plan = sources.planScan(request);
      // The log begins at its cut.
      if (plan.request.start_ms > start_ms) throw lacksRollup(start_ms, plan.request.start_ms, cubes);
      return plan;
    })
    .filter(({ chunks }) => chunks.length > 0);
  const cells = cubes.reduce(
    (sum, { cube, start_ms, end_ms }) => sum + sources.estimateCells(cube, start_ms, end_ms),
    0,
  );
  const parts = [...cellParts(cubes, cells), ...plans.flatMap(scanParts)];
  const rows = plans.reduce((sum, plan) => sum + plan.rows, 0);
  const source = sourceOf(cubes, scans);
  const shared: KpiShared = {
    query,
    settings,
    now_ms,
    position,
    complete_until_ms: sources.complete_until_ms,
    rates: readDayRates(sources.rates, scope, prepared.target, range.start_ms, range.end_ms, upTo),
    warnings: [...warningsOf(cubes), ...fullDictionary(sources.dictionary, query)],
    ...(scans.length === 0 ? {} : backfillingOf(known, range.start_ms)),
  };
  return {
    kind: KPI_KIND,
    rows,
    bytes: plans.reduce((sum, plan) => sum + plan.bytes, 0),
    cells,
    chunks: plans.reduce((sum, plan) => sum + plan.chunks.length, 0),
    cost_ms: parts.reduce((sum, { cost_ms }) => sum + cost_ms, PLAN_MS),
    source,
    explain: {
      ...explainOf(prepared, cubes, scans, plans, { cells, rows, source }),
      ...provenanceOf(query, position, eventsBehind(prepared)),
    },
    narrow: narrowings(prepared),
    shared,
    parts,
  };
}

/** Of cubes that are being built and reach into the range when they are done, the one that is furthest. */
function backfillingOf(cubes: readonly KpiCube[], start_ms: number): { readonly backfilling?: number } {
  const shares = cubes.flatMap(({ share, from_ms }) =>
    share !== undefined && from_ms > start_ms ? [share] : [],
  );
  return shares.length === 0 ? {} : { backfilling: Math.floor(Math.max(...shares) * 1_000) / 1_000 };
}

function warningsOf(cubes: readonly CubeStretch[]): string[] {
  const full = cubes.flatMap(({ cube, start_ms, end_ms }) =>
    cube.full_days.filter((day_ms) => day_ms >= start_ms && day_ms < end_ms),
  );
  const days = new Set(full).size;
  return days === 0 ? [] : [fullDays(days)];
}

/** Texts that came when the dictionary was full are one: whoever asks by texts hears of it. */
function fullDictionary({ isFull, limit }: LogTexts, { group_by, filters }: KpiQuery): string[] {
  // Currencies always have codes of their own.
  const asked = [...group_by, ...Object.keys(filters)].filter((name) => name !== 'currency');
  if (!isFull || asked.length === 0) return [];
  return [
    `The dictionary has its ${limit} texts: values that were new since are under "${OTHER_TEXT}" instead of ` +
      'their own, so groups and filters miss them. Totals without filters are complete.',
  ];
}

function fullDays(days: number): string {
  return (
    `On ${days} UTC ${days === 1 ? 'day' : 'days'} of the range, whose events are no longer ` +
    'kept, there were more combinations of values than a rollup keeps: some are under ' +
    `"${OTHER_TEXT}" instead of their own, so groups and filters miss them. Totals are ` +
    'complete.'
  );
}

function lacksRollup(start_ms: number, cut_ms: number, cubes: readonly CubeStretch[]): QueryError {
  const lacks =
    cubes.length === 0 ? 'no rollup has these dimensions for that time' : 'a rollup lacks a part of it';
  return behindRetention(
    cut_ms,
    `${lacks} (from ${formatUtc(start_ms)}). Ask from ${formatUtc(cut_ms)} on, for whole days, or by fewer dimensions.`,
  );
}

function cellParts(stretches: readonly CubeStretch[], cells: number): PlanPart<KpiWork>[] {
  if (stretches.length === 0) return [];
  return [{ reads: 'mutable', rows: 0, cost_ms: cells / CELLS_PER_MS, work: { kind: 'cells', stretches } }];
}

/** As many for each of two threads, or one would be idle while the other has a part more. */
function scanParts(plan: ScanPlan): PlanPart<KpiWork>[] {
  const parts = 2 * Math.ceil(plan.rows / (2 * PART_ROWS));
  return splitPlan(plan, parts).map((part) => ({
    ...{ reads: 'immutable', rows: part.rows, cost_ms: part.rows / ROWS_PER_MS },
    work: { kind: 'scan', plan: part },
  }));
}

/** `rollup:country@1d`, `scan`, `rollup:country@1d+15m+scan`: what is read, the widest cells first. */
function sourceOf(cubes: readonly CubeStretch[], scans: readonly Stretch[]): string {
  const [first] = cubes;
  if (first === undefined) return 'scan';
  const widths = widthsOf(cubes);
  return `rollup:${first.cube.name}@${[...widths, ...(scans.length > 0 ? ['scan'] : [])].join('+')}`;
}

function widthsOf(cubes: readonly CubeStretch[]): string[] {
  const widths = new Set(cubes.map(({ cube }) => cube.info.bucket_ms));
  return [...widths].sort((a, b) => b - a).map(widthName);
}

function widthName(width_ms: number): string {
  if (width_ms % DAY_MS === 0) return `${width_ms / DAY_MS}d`;
  return width_ms % 3_600_000 === 0 ? `${width_ms / 3_600_000}h` : `${width_ms / 60_000}m`;
}

function explainOf(
  { buckets, slots, seriesBy, filters, measures }: Prepared,
  cubes: readonly CubeStretch[],
  scans: readonly Stretch[],
  plans: readonly ScanPlan[],
  { cells, rows, source }: { readonly cells: number; readonly rows: number; readonly source: string },
): Readonly<Record<string, unknown>> {
  const [first] = cubes;
  const shown = ({ start_ms, end_ms }: Stretch) => ({ start: formatUtc(start_ms), end: formatUtc(end_ms) });
  return {
    source,
    cube: first?.cube.name ?? null,
    dimensions: first?.cube.info.dimensions ?? [],
    cell_granularities: widthsOf(cubes),
    buckets: buckets.length,
    time_slots: slots.buckets.length,
    cells_estimated: cells,
    rollup_ranges: cubes.map((stretch) => ({
      ...shown(stretch),
      granularity: widthName(stretch.cube.info.bucket_ms),
    })),
    scan_ranges: scans.map(shown),
    scan: {
      segments: plans.reduce((sum, { segments }) => sum + segments, 0),
      chunks: plans.reduce((sum, { chunks }) => sum + chunks.length, 0),
      rows,
      bytes: plans.reduce((sum, { bytes }) => sum + bytes, 0),
    },
    groups_by: seriesBy,
    filters: filters.map(({ dimension, not, values }) => ({ dimension, not, values: values.size })),
    measures,
  };
}

function narrowings({ query, seriesBy }: Prepared): string[] {
  return [
    'ask for a shorter range (start, end)',
    ...(seriesBy.length > 1 ? ['group by fewer dimensions (group_by)'] : []),
    ...(query.aggregation === 'sum' ? [] : ['leave out `aggregation`, so that rollups can answer']),
    ...(query.as_of === undefined ? [] : ['leave out `as_of`, so that rollups can answer']),
  ];
}
