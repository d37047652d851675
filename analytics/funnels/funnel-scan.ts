import type { Cancel, QueryContext } from '../../engine/index.ts';
import type { FunnelResult } from '../../operators/index.ts';
import { DEFAULT_COST, type EntityWork, entityParts } from '../entity-rows/index.ts';
import { formatUtc, granularityOf, MAX_RANGE_MS, MIN_RANGE_MS, parseRange } from '../query/index.ts';
import {
  type FamilyShared,
  type FamilySources,
  prepareHead,
  provenanceOf,
  type QuerySettings,
  requireKept,
  type StreamPosition,
} from '../query-head/index.ts';
import { MAX_LABEL_BITS } from './event-labels.ts';
import { type FunnelPlace, FunnelRows } from './funnel-events.ts';
import { type FunnelPlan, funnelPlan } from './funnel-plan.ts';
import type { FunnelQuery } from './funnel-schema.ts';
import { testBits } from './funnel-tests.ts';
import { OrderedAttempts } from './ordered-attempts.ts';

/** What the parts of a plan share. Plain data. */
export interface FunnelShared<Q extends FunnelQuery = FunnelQuery> extends FamilyShared<Q> {
  readonly query_id: string;
  readonly position: StreamPosition;
  readonly watermark_ms: number | null;
  /** `labels`: events are a time and a label, read in one pass; `rows`: what a query may ask of events. */
  readonly way: 'labels' | 'rows';
  /** Of a stored funnel that is being built for this range: the share of the log that is read. */
  readonly backfilling?: number;
}

/** CPU of rows, measured. Where each event becomes an object, as other than ordered funnels need it, it is more. */
const LABEL_COST = { looked_ns: 3, taken_ns: 40, share: 0.5, part_rows: 6_000_000 } as const;
const OBJECT_COST = { ...DEFAULT_COST, taken_ns: 600 } as const;

export function planOfQuery(query: FunnelQuery): FunnelPlan {
  return funnelPlan(query, parseRange(query.start, query.end));
}

/** The plan of a query over the entities of a funnel. Throws QueryError. */
export function planFunnel<Q extends FunnelQuery>(
  kind: string,
  { context, sources, settings }: { context: QueryContext; sources: FamilySources; settings: QuerySettings },
  query: Q,
  needsRows: boolean,
) {
  const { range, upTo, header, query_id, position } = prepareHead(
    query,
    settings,
    context,
    granularityOf(query.granularity),
  );
  const funnel = funnelPlan(query, range);
  const scan = { start_ms: funnel.scan.start_ms, end_ms: Math.min(funnel.scan.end_ms, MAX_RANGE_MS) };
  const request = { scope: context.scope, ...scan, ...(upTo === undefined ? {} : { upTo }) };
  const plan = sources.planScan(request);
  // From the beginning on: what is kept is meant.
  const isFromStart = range.start_ms === MIN_RANGE_MS;
  if (!isFromStart) requireKept(plan, range.start_ms);
  const why = needsRows ? 'ids of entities are asked for' : whyRows(query, funnel);
  const way = why === undefined ? ('labels' as const) : ('rows' as const);
  const isOrdered = OrderedAttempts.takes(funnel.rules, query.hold_constant);
  const cost = isOrdered ? (way === 'labels' ? LABEL_COST : DEFAULT_COST) : OBJECT_COST;
  const parts = entityParts(plan, cost);
  const shared: FunnelShared<Q> = {
    ...{ query, header, query_id, position, way },
    watermark_ms: sources.complete_until_ms,
  };
  return {
    ...{ kind, rows: plan.rows, bytes: plan.bytes, chunks: plan.chunks.length, source: 'scan', parts },
    cost_ms: parts.reduce((total, { cost_ms }) => total + cost_ms, 0),
    explain: {
      ...{ source: 'scan', way, ...(why === undefined ? {} : { why }), entity: query.entity },
      ...{ parts: parts.length, rows: plan.rows },
      complete_until: sources.complete_until_ms === null ? null : formatUtc(sources.complete_until_ms),
      ...provenanceOf(meantBy(query), position, { ...scan, types: typesOf(query) }),
    },
    narrow: ['ask for a shorter range (start, end)', 'ask for a shorter `window`'],
    shared,
  };
}

/** Why events have to be more than a time and a label; undefined: they need not. */
function whyRows({ group_by, hold_constant }: FunnelQuery, funnel: FunnelPlan): string | undefined {
  if (group_by.length > 0) return 'group_by';
  if (hold_constant.length > 0) return 'hold_constant';
  return testBits(funnel) > MAX_LABEL_BITS ? 'many different events' : undefined;
}

/** The members that say what the funnel means: the same for the same steps and rules, stored or not. */
function meantBy(query: FunnelQuery): object {
  const { steps, window, order, entry, ties, exclusions, hold_constant, entity } = query;
  return { steps, window, order, entry, ties, exclusions, hold_constant, entity };
}

/** Types of the events that the numbers are made from; undefined: all, of which each may lie between two steps. */
function typesOf({ steps, exclusions, order }: FunnelQuery): string[] | undefined {
  if (order === 'strict') return undefined;
  return [...steps, ...exclusions].map(({ event }) => event);
}

/** One part of a plan, and what it is read with. */
export interface FunnelPart {
  readonly sources: FamilySources;
  readonly shared: FunnelShared;
  readonly work: EntityWork;
  readonly custom: readonly string[];
  readonly cancel: Cancel;
}

/** Before the first event nothing is over. */
export function watermarkOf({ watermark_ms }: FunnelShared): number {
  return watermark_ms ?? Number.NEGATIVE_INFINITY;
}

/** Each entity of the part that is in the funnel, in the order of hashes. */
export function visitFunnel(
  { sources, shared, work, custom, cancel }: FunnelPart,
  take: (result: FunnelResult, place: FunnelPlace) => void,
): void {
  const { query } = shared;
  const { share, plan: scanned } = work;
  const rows = new FunnelRows({
    ...{ plan: planOfQuery(query), query, share, request: scanned.request, custom },
    ...{ dictionary: sources.dictionary, watermark_ms: watermarkOf(shared) },
  });
  const check = (): void => cancel.check();
  sources.scan(scanned, (chunk) => {
    check();
    rows.rows.add(chunk);
  });
  rows.visit(take, check);
}
