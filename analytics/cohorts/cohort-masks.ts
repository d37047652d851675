import {
  type Cancel,
  type ChunkPlace,
  countMasks,
  hasPeriod,
  PERIODS_MAX,
  PeriodsActive,
  type PlanPart,
  type ScanPlan,
} from '../../engine/index.ts';
import type { EntityWork } from '../entity-rows/index.ts';
import { eventConditions } from '../filters/index.ts';
import { MIN_RANGE_MS } from '../query/index.ts';
import type { FamilySources } from '../query-head/index.ts';
import { CODE } from '../rows/index.ts';
import { type CohortCount, CohortCounter } from './cohort-counts.ts';
import type { CohortRules } from './cohort-rules.ts';
import type { RetentionQuery } from './cohort-schema.ts';

/** CPU of a row, measured, ns. */
const ROW_NS = 12;
/** One thread does with less what two would not do much sooner. */
const SHARED_MIN_ROWS = 500_000;
const PART_MS = 300;

/**
 * The periods, where it is enough to know of each customer in which of them there was an event: cohorts by the same
 * periods of the calendar, of the same event that is a return, without groups. Begins of the periods and the end of the
 * last one; with `first_time`, what comes before the range is the first of them.
 */
export function maskEdges(query: RetentionQuery, rules: CohortRules): readonly number[] | undefined {
  const { startEvent, isFirstTime, bucket, period, group_by, calendar, range } = rules;
  if (calendar === undefined || bucket !== period || group_by.length > 0) return undefined;
  const isSame = startEvent.event === query.return.event;
  if (!isSame || hasFilters(startEvent) || hasFilters(query.return)) return undefined;
  const edges = calendar.edges_ms.slice(0, calendar.length + 1);
  // A period that the range ends in has members of a cohort, and others.
  if (!edges.includes(range.end_ms)) return undefined;
  const all = isFirstTime && range.start_ms > MIN_RANGE_MS ? [MIN_RANGE_MS, ...edges] : edges;
  return all.length - 1 <= PERIODS_MAX ? all : undefined;
}

function hasFilters({ filters }: RetentionQuery['return']): boolean {
  return Object.keys(filters ?? {}).length > 0;
}

/** Parts of stretches of time: what a row takes back has its time. */
export function maskParts(all: ScanPlan, planScan: FamilySources['planScan']): PlanPart<EntityWork>[] {
  if (all.chunks.length === 0) return [];
  const wanted = Math.ceil((all.rows * ROW_NS) / 1e6 / PART_MS);
  const count = Math.max(wanted, all.rows < SHARED_MIN_ROWS ? 1 : 2);
  const { request } = all;
  const edges_ms = [request.start_ms, ...splitTimes(all, count), request.end_ms];
  return edges_ms.slice(1).map((end_ms, at) => {
    const plan = planScan({ ...request, start_ms: edges_ms[at] as number, end_ms });
    const cost_ms = (plan.rows * ROW_NS) / 1e6;
    const work = { plan, share: { index: 0, of: 1 } };
    return { reads: 'immutable', rows: plan.rows, cost_ms, work };
  });
}

const beginOf = ({ min_ms }: ChunkPlace): number => min_ms ?? Number.NEGATIVE_INFINITY;

/** Times that divide the rows of a plan into about as many each. */
function splitTimes({ chunks, rows, request }: ScanPlan, parts: number): number[] {
  const times_ms: number[] = [];
  let before = 0;
  for (const chunk of chunks.toSorted((a, b) => beginOf(a) - beginOf(b))) {
    const begin_ms = beginOf(chunk);
    const isDue = before * parts >= rows * (times_ms.length + 1);
    if (isDue && begin_ms > (times_ms.at(-1) ?? request.start_ms) && begin_ms < request.end_ms)
      times_ms.push(begin_ms);
    before += chunk.rows;
  }
  return times_ms;
}

interface MaskScan {
  readonly sources: FamilySources;
  readonly plan: ScanPlan;
  readonly entity: number;
  readonly edges_ms: readonly number[];
  readonly event: RetentionQuery['return'];
  readonly custom: readonly string[];
  readonly cancel: Cancel;
}

/** The masks of the customers of a part. */
export function scanMasks({ sources, plan, entity, edges_ms, event, custom, cancel }: MaskScan): Uint8Array {
  const [condition] = eventConditions(event, custom, sources.dictionary);
  const known = new Map<number, boolean>();
  const accepts = (code: number): boolean => {
    const accepted = known.get(code) ?? condition?.accepts(code) === true;
    known.set(code, accepted);
    return accepted;
  };
  const periods = new PeriodsActive({
    ...{ entity, edges_ms, column: condition?.code ?? CODE.type, accepts },
    ...{ retraction: CODE.retraction, request: plan.request },
  });
  const scan = (): void =>
    sources.scan(plan, (chunk) => {
      cancel.check();
      periods.add(chunk);
    });
  scan();
  if (periods.isToBeAddedAgain) {
    periods.again();
    scan();
  }
  return periods.bytes();
}

/** Members of the cohorts and their returns, of what `scanMasks` gave. */
export function countsOfMasks(
  bytes: Uint8Array,
  edges_ms: readonly number[],
  rules: CohortRules,
  retention: RetentionQuery['retention'],
): readonly CohortCount[] {
  const { cohorts, isFirstTime, periods } = rules;
  const before = edges_ms[0] === rules.range.start_ms ? 0 : 1;
  const counter = new CohortCounter(rules, retention);
  const came = new Uint8Array(periods);
  countMasks(bytes, (low, high, entities) => {
    // A first event before the range is of no cohort of it.
    if (before === 1 && hasPeriod(low, high, 0)) return;
    for (let cohort = 0; cohort < edges_ms.length - 1 - before; cohort++) {
      if (!hasPeriod(low, high, cohort + before)) continue;
      if (cohort >= cohorts.length) return;
      for (let at = 0; at < periods; at++) {
        const period = cohort + before + at;
        came[at] = period < edges_ms.length - 1 && hasPeriod(low, high, period) ? 1 : 0;
      }
      counter.addCame(cohort, [], came, entities);
      if (isFirstTime) return;
    }
  });
  return counter.counts;
}
