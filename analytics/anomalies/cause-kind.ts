import { z } from 'zod';
import { defineKind, type QueryContext, type QueryKind, type ScanPlan } from '../../engine/index.ts';
import type { WatchedRule } from '../../operators/index.ts';
import { type CustomMetric, OwnMetrics } from '../kpis/index.ts';
import { formatUtc, parseRange, QueryError } from '../query/index.ts';
import {
  type FamilyAnswer,
  type FamilyShared,
  HEAD_MEMBERS,
  prepareHead,
  provenanceOf,
  type QueryHead,
  type QuerySettings,
  requireKept,
} from '../query-head/index.ts';
import { explainChange } from '../root-cause/index.ts';
import { ROW_DIMENSIONS } from '../rows/index.ts';
import { type CauseLeaf, causeTable } from './cause-table.ts';
import { comparedWays, comparedWindows } from './cause-windows.ts';
import { metricOfRule, watchedRule } from './rule-book.ts';
import { type RuleBody, ruleSchemaOf } from './rule-schema.ts';
import type { ScanSources } from './scan-kind.ts';
import { mergeScans, RuleScan, readScan, type ScanSums, writeScan } from './scan-sums.ts';

export const CAUSE_KIND = 'anomalies.causes';

/** Dimensions that causes are looked for in at most: all their combinations are. */
export const MAX_CAUSE_DIMENSIONS = 6;
/** Those that are looked at where a caller names none, less those of the rule. */
export const CAUSE_DIMENSIONS = [
  'channel',
  'country',
  'payment_method',
  'campaign',
  'source',
  'region',
] as const;
const ROWS_PER_MS = 2_000;

/** Why a window is not as expected: of one rule, of one of its groups. `start` and `end` are the window's. */
export interface CauseQuery extends QueryHead {
  /** null: a window that no rule has found. */
  readonly anomaly_id: string | null;
  readonly rule: RuleBody;
  readonly rule_id: string;
  /** `groupKey` of the group, null: all of them. */
  readonly group: string | null;
  /** Of a money metric whose group is null: only this one. */
  readonly only_currency?: string | undefined;
  readonly dimensions: readonly string[];
  /** What the rule expected. */
  readonly expected?: number | undefined;
  readonly own_metrics: readonly CustomMetric[];
}

/** What the parts of a plan share. Plain data. */
export interface CauseShared extends FamilyShared<CauseQuery> {
  readonly query_id: string;
  readonly scope: string;
}

function querySchemaOf(custom: readonly string[]): z.ZodType<CauseQuery> {
  const names: readonly string[] = [...ROW_DIMENSIONS, ...custom];
  const { start, end, as_of, max_staleness, force_fresh, min_position, explain, dry_run } = HEAD_MEMBERS;
  return z.object({
    ...{ start, end, as_of, max_staleness, force_fresh, min_position, explain, dry_run },
    rule: ruleSchemaOf(custom),
    ...{ anomaly_id: z.string().nullable(), rule_id: z.string() },
    group: z.string().nullable(),
    only_currency: z.string().optional(),
    dimensions: z.array(z.enum(names as readonly [string, ...string[]])).max(MAX_CAUSE_DIMENSIONS),
    expected: z.number().optional(),
    own_metrics: z.array(z.custom<CustomMetric>()),
  }) as unknown as z.ZodType<CauseQuery>;
}

/** Why one window of a metric is not as others were: the dimensions and values that it comes from. */
export function causeKind(
  settings: QuerySettings,
  open: (context: QueryContext) => ScanSources,
): QueryKind<CauseQuery, CauseShared, ScanPlan, FamilyAnswer> {
  const { custom } = settings;
  // As the rule adds up, by more dimensions.
  const ruleFor = ({ rule, rule_id, own_metrics, dimensions }: CauseQuery, scope: string): WatchedRule =>
    watchedRule(
      { ...rule, group_by: [...rule.group_by, ...dimensions] },
      { id: rule_id, scope, own: new OwnMetrics(own_metrics), custom, marks: [] },
    );
  return defineKind<CauseQuery, CauseShared, ScanPlan, FamilyAnswer>({
    name: CAUSE_KIND,
    schema: querySchemaOf(custom),
    plan: (context, query) => {
      const sources = open(context);
      const { scope } = context;
      const { grid } = ruleFor(query, scope);
      const { header, position, query_id, range, upTo } = prepareHead(
        query,
        settings,
        context,
        query.rule.window,
      );
      const index = grid.indexOf(range.start_ms);
      const windows = [...new Set([index, ...comparedWays(grid, index).flat()])].sort((a, b) => a - b);
      const parts = windows.map((each) =>
        sources.planScan({
          scope,
          start_ms: grid.startOf(each),
          end_ms: grid.startOf(each + 1),
          ...(upTo === undefined ? {} : { upTo }),
        }),
      );
      requireKept(parts[windows.indexOf(index)] as ScanPlan, range.start_ms);
      const sum = (of: (plan: ScanPlan) => number): number =>
        parts.reduce((total, part) => total + of(part), 0);
      const rows = sum((part) => part.rows);
      return {
        kind: CAUSE_KIND,
        ...{
          rows,
          bytes: sum((part) => part.bytes),
          chunks: sum((part) => part.chunks.length),
          source: 'scan',
        },
        cost_ms: 1 + rows / ROWS_PER_MS,
        explain: {
          parts: parts.length,
          ...provenanceOf(query, position, { types: undefined, ...range }),
        },
        narrow: ['name fewer dimensions (dimensions)'],
        shared: { query, header, query_id, scope },
        parts: parts.map((part) => ({
          ...{ reads: 'immutable' as const, rows: part.rows, cost_ms: part.rows / ROWS_PER_MS, work: part },
        })),
      };
    },
    partial: (context, { shared }, work, cancel) => {
      const sources = open(context);
      const scan = new RuleScan(ruleFor(shared.query, shared.scope), custom, sources.dictionary);
      scan.read(work, (plan, take) => sources.scan(plan, take), cancel);
      return writeScan(scan.sums);
    },
    merge: mergeScans,
    finish: (_, { shared, explain: plan, source }, bytes) => {
      const { query, header, query_id, scope } = shared;
      const sums = bytes === undefined ? { cells: {}, pulse: {} } : readScan(bytes);
      const shown = query.explain === true ? { explain: plan } : {};
      return { query_id, header, source, ...shown, body: causesOf(ruleFor(query, scope), query, sums) };
    },
  });
}

/** What the window's change comes from. */
function causesOf(rule: WatchedRule, query: CauseQuery, sums: ScanSums): Readonly<Record<string, unknown>> {
  const { grid, pulse_ms } = rule;
  const index = grid.indexOf(parseRange(query.start, query.end).start_ms);
  const busy = new Set(Object.keys(sums.pulse).map((bucket) => grid.indexOf(Number(bucket) * pulse_ms)));
  const compared = comparedWindows(comparedWays(grid, index), (window) => busy.has(window));
  const head = {
    ...{ anomaly_id: query.anomaly_id, metric: query.rule.metric },
    window: { start: formatUtc(grid.startOf(index)), end: formatUtc(grid.startOf(index + 1)) },
  };
  if (compared === undefined) {
    const nothing = { actual: null, expected: null, unexplained: null };
    return { ...head, ...nothing, dimensions: query.dimensions, left_out: [], compared_with: [], causes: [] };
  }
  const metric = metricOfRule(query.rule, new OwnMetrics(query.own_metrics));
  const leaves = leavesOf(rule, query, sums, index, compared);
  const { table, left_out } = causeTable(metric, query.dimensions, leaves, query.expected);
  const { actual, expected, causes, unexplained } = explainChange(table);
  return {
    ...head,
    ...{ actual, expected, dimensions: table.dimensions, left_out, unexplained },
    compared_with: compared.map((window) => formatUtc(grid.startOf(window))),
    causes: causes.map(({ where, ...cause }) => ({
      where: Object.fromEntries(
        Object.entries(where).map(([name, value]) => [name, value === '' ? null : value]),
      ),
      ...cause,
    })),
  };
}

function leavesOf(
  rule: WatchedRule,
  { rule: { group_by }, group, only_currency }: CauseQuery,
  sums: ScanSums,
  index: number,
  compared: readonly number[],
): readonly CauseLeaf[] {
  const measures = rule.cube.reader?.measures ?? 0;
  const width = group_by.length;
  const asked = group === null ? undefined : (JSON.parse(group) as readonly string[]);
  const currencies = new Set<string>();
  const leaves = Object.entries(sums.cells).flatMap(([key, cells]): readonly CauseLeaf[] => {
    const texts = JSON.parse(key) as readonly string[];
    const own = [...texts.slice(0, width), ...(rule.byCurrency ? texts.slice(-1) : [])];
    if (asked !== undefined && own.some((text, at) => text !== asked[at])) return [];
    if (rule.byCurrency) {
      const currency = texts.at(-1) ?? '';
      if (only_currency !== undefined && currency !== only_currency) return [];
      currencies.add(currency);
    }
    const actual = new Float64Array(measures);
    const before = compared.map(() => new Float64Array(measures));
    for (const [bucket, values] of Object.entries(cells)) {
      const window = rule.grid.indexOf(Number(bucket) * rule.cube.bucket_ms);
      const into = window === index ? actual : before[compared.indexOf(window)];
      if (into === undefined) continue;
      for (const [measure, value] of values.entries()) into[measure] = (into[measure] as number) + value;
    }
    return [{ values: texts.slice(width, rule.cube.dimensions.length), actual, before }];
  });
  if (currencies.size <= 1) return leaves;
  throw new QueryError(
    'currency_required',
    `The window has money of several currencies (${[...currencies].sort().join(', ')}), which is never added: name one in \`currency\`.`,
  );
}
