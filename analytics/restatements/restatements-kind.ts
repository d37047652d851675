import {
  defineKind,
  type Plan,
  type PlanPart,
  type QueryContext,
  type QueryKind,
  type ScanPlan,
  splitPlan,
} from '../../engine/index.ts';
import { scanFacts } from '../entity-rows/index.ts';
import { findMetric, isMonetary, measuresOf } from '../kpis/index.ts';
import {
  bucketsOf,
  formatUtc,
  MAX_RANGE_MS,
  QueryError,
  readLines,
  writeLine,
  zoneOf,
} from '../query/index.ts';
import {
  answerPosition,
  type FamilyAnswer,
  type FamilyShared,
  type FamilySources,
  type OpenFamily,
  prepareHead,
  provenanceOf,
  type QuerySettings,
  requireKept,
  type StreamPosition,
} from '../query-head/index.ts';
import type { Measure } from '../rows/index.ts';
import { ChangeScan, type PointLine } from './change-scan.ts';
import { restatementPage } from './restatements-body.ts';
import { type RestatementsQuery, restatementsSchema } from './restatements-schema.ts';

/** What the parts of a plan share. Plain data. */
export interface RestatementsShared extends FamilyShared<RestatementsQuery> {
  readonly query_id: string;
  /** The position that the answer is of. */
  readonly position: StreamPosition;
  readonly since: StreamPosition;
  readonly since_sequence: number;
  readonly range: { readonly start_ms: number; readonly end_ms: number };
  readonly measures: readonly Measure[];
  readonly byCurrency: boolean;
  /** The tenant's now: what is complete stays so. ms */
  readonly complete_now_ms: number | null;
  /** The newest event time of whole chunks at `since`, ms; null: of none. */
  readonly newest_ms: number | null;
}

/** Rows of the range, or rows among which the newest event time is looked for. Plain data. */
export interface RestatementsWork {
  readonly of: 'rows' | 'newest';
  readonly plan: ScanPlan;
}

interface PartLine {
  readonly points: readonly PointLine[];
  readonly newest_ms: number | null;
}

/** Rows of one part: some 100 ms. */
const PART_ROWS = 1_000_000;
const ROWS_PER_MS = 10_000;
/** What the watermark of a tenant is behind its newest event, ms. */
const ALLOWED_LATE_MS = 30_000;

/** What changed of buckets since an earlier answer in which they were complete, and the events that did it. */
export function restatementsKind(
  settings: QuerySettings,
  open: OpenFamily,
): QueryKind<RestatementsQuery, RestatementsShared, RestatementsWork, FamilyAnswer> {
  return defineKind<RestatementsQuery, RestatementsShared, RestatementsWork, FamilyAnswer>({
    name: 'restatements',
    schema: restatementsSchema,
    plan: (context, query) => planRestatements(context, open(context), query, settings),
    partial: (context, { shared }, { of, plan }, cancel) => {
      const sources = open(context);
      if (of === 'newest') {
        let newest_ms: number | null = null;
        sources.scan(plan, (chunk) => {
          cancel.check();
          const [times, sequences] = [chunk.time_ms(), chunk.sequence()];
          for (let row = 0; row < chunk.rows; row++)
            if ((sequences[row] as number) <= shared.since_sequence)
              newest_ms = Math.max(newest_ms ?? Number.NEGATIVE_INFINITY, times[row] as number);
        });
        return writeLine({ points: [], newest_ms } satisfies PartLine);
      }
      const { measures, byCurrency, since_sequence: since } = shared;
      const changes = new ChangeScan({ buckets: bucketsIn(shared), measures, byCurrency, since });
      sources.scan(plan, (chunk) => {
        cancel.check();
        changes.scan(chunk, plan.request);
      });
      return writeLine({ points: changes.lines(sources.dictionary), newest_ms: null } satisfies PartLine);
    },
    merge: (a, b) => Buffer.concat([a, b]),
    finish: (_context, { shared, explain, source }, bytes) => {
      const { query, header, query_id, position, since, measures } = shared;
      const lines = readLines<PartLine>(bytes);
      const complete_until_ms = completeThen(shared, lines);
      const page = restatementPage(
        lines.flatMap(({ points }) => points),
        { ...query, buckets: bucketsIn(shared), measures, complete_until_ms },
      );
      const complete_until = complete_until_ms === null ? null : formatUtc(complete_until_ms);
      return {
        ...{ query_id, header, source },
        ...(query.explain === true ? { explain } : {}),
        body: { since, position, complete_until, ...page },
      };
    },
  });
}

function planRestatements(
  context: QueryContext,
  sources: FamilySources,
  query: RestatementsQuery,
  settings: QuerySettings,
): Plan<RestatementsShared, RestatementsWork> {
  const { scope, progress } = context;
  const { granularity, metrics } = query;
  const { range, header, query_id, position, upTo } = prepareHead(query, settings, context, granularity);
  const since = answerPosition({ as_of: query.since }, progress);
  const since_sequence = since.upTo ?? 0;
  if (upTo !== undefined && since_sequence > upTo) throw sinceIsLater(since_sequence, upTo);
  const plan = sources.planScan({ scope, ...range, ...(upTo === undefined ? {} : { upTo }) });
  requireKept(plan, range.start_ms);
  const newest =
    query.complete_until === undefined
      ? newestOf(sources, scope, range.start_ms, since_sequence)
      : { newest_ms: null, plan: undefined };
  const parts = [
    ...partsOf('rows', plan, Math.ceil(plan.rows / PART_ROWS)),
    ...(newest.plan === undefined ? [] : partsOf('newest', newest.plan, 1)),
  ];
  const asked = metrics.flatMap((name) => findMetric(name) ?? []);
  const shared: RestatementsShared = {
    ...{ query, header, query_id, position, range, since: since.position, since_sequence },
    measures: [...new Set(asked.flatMap((metric) => measuresOf(metric) as readonly Measure[]))],
    byCurrency: asked.some(isMonetary),
    complete_now_ms: sources.complete_until_ms,
    newest_ms: newest.newest_ms,
  };
  // Checked here: no part runs for buckets that are refused.
  bucketsIn(shared);
  return {
    kind: 'restatements',
    ...scanFacts(plan, parts),
    explain: {
      ...{ source: 'scan', parts: parts.length, rows: plan.rows, since: since.position },
      ...provenanceOf(query, position, { types: undefined, ...range }),
    },
    narrow: ['ask for a shorter range (start, end)'],
    shared,
  };
}

function sinceIsLater(since: number, upTo: number): QueryError {
  const message = `\`since\` is ${since}, behind \`as_of\` ${upTo}: it is the earlier one.`;
  return new QueryError('position_ahead', message, [{ path: 'since', message }]);
}

function bucketsIn({ range, header, query }: RestatementsShared) {
  return bucketsOf({ range, granularity: query.granularity, zone: zoneOf(header.timezone) });
}

function partsOf(of: RestatementsWork['of'], plan: ScanPlan, parts: number): PlanPart<RestatementsWork>[] {
  return splitPlan(plan, parts).map((part) => ({
    ...{ reads: 'immutable', rows: part.rows, cost_ms: part.rows / ROWS_PER_MS, work: { of, plan: part } },
  }));
}

/**
 * The newest event time that the tenant's rows had at a sequence, from the start of the range on: by manifests where a
 * chunk is whole; `plan` has the chunks that must be read because they may have a newer one.
 */
function newestOf(sources: FamilySources, scope: string, start_ms: number, upTo: number) {
  const plan = sources.planScan({ scope, start_ms, end_ms: MAX_RANGE_MS, upTo });
  const known = plan.chunks.flatMap(({ isWhole, max_ms }) => (isWhole && max_ms !== undefined ? max_ms : []));
  const newest_ms = known.reduce<number | null>((a, b) => Math.max(a ?? b, b), null);
  const chunks = plan.chunks.filter(
    ({ isWhole, max_ms }) =>
      max_ms === undefined || (!isWhole && max_ms > (newest_ms ?? Number.NEGATIVE_INFINITY)),
  );
  const rows = chunks.reduce((sum, chunk) => sum + chunk.rows, 0);
  const bytes = plan.rows === 0 ? 0 : Math.round((plan.bytes * rows) / plan.rows);
  return { newest_ms, plan: { ...plan, chunks, rows, bytes } };
}

/**
 * What the tenant's events were complete until at `since`: what the caller says, else what event times alone prove: the
 * newest less the allowance. The clock may have moved it further while the tenant was quiet.
 */
function completeThen(
  { query, newest_ms: known, complete_now_ms }: RestatementsShared,
  lines: readonly PartLine[],
): number | null {
  if (query.complete_until !== undefined) return Date.parse(query.complete_until);
  const found = [known, ...lines.map(({ newest_ms }) => newest_ms)].filter((time_ms) => time_ms !== null);
  if (found.length === 0 || complete_now_ms === null) return null;
  return Math.min(Math.max(...found) - ALLOWED_LATE_MS, complete_now_ms);
}
