import { z } from 'zod';
import {
  type Dictionary,
  defineKind,
  type QueryContext,
  type QueryKind,
  type ScanPlan,
  splitPlan,
} from '../../engine/index.ts';
import {
  Fold,
  foundAnomaly,
  type GroupTexts,
  type Pulse,
  SILENCE_REACH_MS,
  Silence,
  type Verdict,
  type WatchedRule,
} from '../../operators/index.ts';
import { type CustomMetric, OwnMetrics } from '../kpis/index.ts';
import { formatUtc, parseRange, QueryError } from '../query/index.ts';
import {
  type FamilyAnswer,
  type FamilyShared,
  type FamilySources,
  HEAD_MEMBERS,
  prepareHead,
  provenanceOf,
  type QueryHead,
  type QuerySettings,
  requireKept,
} from '../query-head/index.ts';
import { type FoundView, foundView } from './anomaly-message.ts';
import { watchedRule } from './rule-book.ts';
import { type MarkBody, type RuleBody, ruleSchemaOf } from './rule-schema.ts';
import { mergeScans, RuleScan, readScan, type ScanSums, writeScan } from './scan-sums.ts';

export const SCAN_KIND = 'anomalies.scan';

/** Rows of the log in one part, and what a thread reads of them. */
const PART_ROWS = 200_000;
const ROWS_PER_MS = 2_000;
/** Windows of groups that one scan judges. */
const MAX_JUDGED = 2_000_000;
/** Windows with their scores that one answer shows. */
const MAX_SCORED = 10_000;

const { start, end, max_staleness, force_fresh, min_position, explain, dry_run } = HEAD_MEMBERS;

/** What a scan is asked beside the rule. */
export const SCAN_MEMBERS = {
  ...{ start, end, max_staleness, force_fresh, min_position, explain, dry_run },
  scores: z
    .boolean()
    .default(false)
    .describe(`Every window with its score, expectation and bounds, at most ${MAX_SCORED}`),
};

/** A scan as it is run: of a rule that is there, or of one that is tried. */
export interface ScanQuery extends QueryHead {
  readonly rule: RuleBody;
  readonly rule_id: string;
  readonly scores: boolean;
  readonly own_metrics: readonly CustomMetric[];
  readonly marks: readonly MarkBody[];
}

/** What the parts of a plan share. Plain data. */
export interface ScanShared extends FamilyShared<ScanQuery> {
  readonly query_id: string;
  readonly scope: string;
  /** Windows before it are closed. */
  readonly closed_ms: number;
}

export interface ScanSources extends FamilySources {
  readonly dictionary: Dictionary;
}

function querySchemaOf(custom: readonly string[]): z.ZodType<ScanQuery> {
  return z.object({
    ...SCAN_MEMBERS,
    rule: ruleSchemaOf(custom),
    rule_id: z.string(),
    own_metrics: z.array(z.custom<CustomMetric>()),
    marks: z.array(z.custom<MarkBody>()),
  }) as unknown as z.ZodType<ScanQuery>;
}

/** A rule on a range of history: judged by what judges it live, from the rows that the log has. */
export function scanKind(
  settings: QuerySettings,
  open: (context: QueryContext) => ScanSources,
): QueryKind<ScanQuery, ScanShared, ScanPlan, FamilyAnswer> {
  const { custom } = settings;
  const ruleOfQuery = ({ rule, rule_id, own_metrics, marks }: ScanQuery, scope: string): WatchedRule =>
    watchedRule(rule, { id: rule_id, scope, own: new OwnMetrics(own_metrics), custom, marks });
  return defineKind<ScanQuery, ScanShared, ScanPlan, FamilyAnswer>({
    name: SCAN_KIND,
    schema: querySchemaOf(custom),
    plan: (context, query) => {
      const sources = open(context);
      const { scope } = context;
      const rule = ruleOfQuery(query, scope);
      const { header, position, query_id, range } = prepareHead(query, settings, context, query.rule.window);
      const from_ms = rule.grid.startOf(rule.first) - SILENCE_REACH_MS;
      const closed_ms = Math.min(range.end_ms, sources.complete_until_ms ?? Number.NEGATIVE_INFINITY);
      const plan = sources.planScan({ scope, start_ms: from_ms, end_ms: range.end_ms });
      requireKept(plan, range.start_ms);
      const parts = splitPlan(plan, 2 * Math.ceil(plan.rows / (2 * PART_ROWS)));
      return {
        kind: SCAN_KIND,
        ...{ rows: plan.rows, bytes: plan.bytes, chunks: plan.chunks.length, source: 'scan' },
        cost_ms: 1 + plan.rows / ROWS_PER_MS,
        explain: {
          learned_from: formatUtc(rule.grid.startOf(rule.first)),
          parts: parts.length,
          ...provenanceOf(query, position, { types: undefined, start_ms: from_ms, end_ms: range.end_ms }),
        },
        narrow: [
          'ask for a shorter range (start, end)',
          'group by fewer dimensions (group_by)',
          'use a wider window',
        ],
        shared: { query, header, query_id, scope, closed_ms },
        parts: parts.map((part) => ({
          ...{ reads: 'immutable' as const, rows: part.rows, cost_ms: part.rows / ROWS_PER_MS, work: part },
        })),
      };
    },
    partial: (context, { shared }, work, cancel) => {
      const sources = open(context);
      const scan = new RuleScan(ruleOfQuery(shared.query, shared.scope), custom, sources.dictionary);
      scan.read(work, (plan, take) => sources.scan(plan, take), cancel);
      return writeScan(scan.sums);
    },
    merge: mergeScans,
    finish: (_, { shared, explain: plan, source }, bytes) => {
      const { query, header, query_id, scope } = shared;
      const sums = bytes === undefined ? { cells: {}, pulse: {} } : readScan(bytes);
      const body = judged(ruleOfQuery(query, scope), sums, shared);
      const shown = query.explain === true ? { explain: plan } : {};
      return { query_id, header, source, ...shown, body };
    },
  });
}

interface ScoredWindow {
  readonly group: Readonly<Record<string, string | null>>;
  readonly currency: string | null;
  readonly start: string;
  readonly value: number | null;
  readonly score: number;
  readonly expected: number | null;
  readonly lower: number | null;
  readonly upper: number | null;
}

/** Judges what was added up, group by group, in the order of their keys. */
function judged(rule: WatchedRule, sums: ScanSums, shared: ScanShared): Readonly<Record<string, unknown>> {
  const { query, closed_ms } = shared;
  const { grid, first } = rule;
  const { start_ms } = parseRange(query.start, query.end);
  const to = Math.max(first, grid.indexOf(closed_ms));
  const keys = Object.keys(sums.cells).sort();
  const groups = keys.slice(0, rule.max_groups);
  if (groups.length * (to - first) > MAX_JUDGED) {
    const message = `${groups.length} groups of ${to - first} windows are to be judged; ${MAX_JUDGED} can be.`;
    throw new QueryError('too_many_points', message);
  }
  const silent = silentOf(rule, sums, first, to);
  const found: FoundView[] = [];
  const windows: ScoredWindow[] = [];
  for (const key of groups) {
    const texts = textsOfKey(rule, key);
    const values = valuesOf(rule, sums.cells[key] ?? {});
    const begin = values.first;
    if (begin === undefined) continue;
    const from = Math.max(first, begin);
    const fold = new Fold(rule, key, { first: from, state: rule.detector.start(key), episode: undefined });
    for (let index = from; index < to; index++) {
      const value = silent.has(index) ? null : rule.valueOf(values.of(index));
      const verdict = fold.next(index, value);
      const isShown = query.scores && windows.length < MAX_SCORED && grid.startOf(index) >= start_ms;
      if (isShown) windows.push(scored(rule, texts, index, value, verdict));
    }
    for (const { episode, isEnded } of fold.folded.episodes)
      if (grid.startOf(episode.start + 1) > start_ms)
        found.push(foundView(foundAnomaly(rule, texts, episode, isEnded)));
  }
  found.sort((a, b) => (a.start < b.start ? -1 : a.start > b.start ? 1 : a.id < b.id ? -1 : 1));
  return {
    anomalies: found,
    ...(query.scores ? { windows } : {}),
    groups: groups.length,
    groups_left_out: keys.length - groups.length,
    learned_from: formatUtc(grid.startOf(first)),
    judged_until: formatUtc(grid.startOf(to)),
    silent: Array.from(silent, (index) => formatUtc(grid.startOf(index))).filter(
      (at) => at >= formatUtc(start_ms),
    ),
  };
}

function textsOfKey(rule: WatchedRule, key: string): GroupTexts {
  const texts = JSON.parse(key) as string[];
  const count = rule.cube.dimensions.length;
  return { values: texts.slice(0, count), currency: rule.byCurrency ? texts[count] : undefined };
}

/** The sums of a group by window. */
function valuesOf(rule: WatchedRule, cells: Readonly<Record<string, number[]>>) {
  const { grid, cube } = rule;
  const measures = cube.reader?.measures ?? 0;
  const zeros = new Float64Array(measures);
  const windows = new Map<number, Float64Array>();
  let begin: number | undefined;
  for (const [bucket, sums] of Object.entries(cells)) {
    if (sums.every((sum) => sum === 0)) continue;
    const index = grid.indexOf(Number(bucket) * cube.bucket_ms);
    if (index < rule.first) continue;
    const window = windows.get(index) ?? new Float64Array(measures);
    for (const [measure, sum] of sums.entries()) window[measure] = (window[measure] as number) + sum;
    windows.set(index, window);
    begin = Math.min(begin ?? index, index);
  }
  return { first: begin, of: (index: number): Float64Array => windows.get(index) ?? zeros };
}

function silentOf(rule: WatchedRule, { pulse }: ScanSums, from: number, to: number): ReadonlySet<number> {
  const { pulse_ms } = rule;
  const counts: Pulse = {
    bucket_ms: pulse_ms,
    read: (start_ms, end_ms, add) => {
      for (const [bucket, events] of Object.entries(pulse)) {
        const at_ms = Number(bucket) * pulse_ms;
        if (at_ms >= start_ms && at_ms < end_ms) add(at_ms, events);
      }
    },
  };
  const silent = new Set<number>();
  if (to <= from) return silent;
  const silence = new Silence(counts, rule.grid, from, to);
  for (let index = from; index < to; index++) if (silence.expectedOf(index) !== undefined) silent.add(index);
  return silent;
}

function scored(
  rule: WatchedRule,
  texts: GroupTexts,
  index: number,
  value: number | null,
  { score, expected, lower, upper }: Verdict,
): ScoredWindow {
  const group = rule.cube.dimensions.map((name, at) => [
    name,
    texts.values[at] === '' ? null : texts.values[at],
  ]);
  const currency = texts.currency ?? null;
  const at = formatUtc(rule.grid.startOf(index));
  return { group: Object.fromEntries(group), currency, start: at, value, score, expected, lower, upper };
}
