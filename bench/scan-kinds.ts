import {
  CODE,
  DICTIONARY_TABLE,
  FLAG,
  HASH,
  logSource,
  OPERATORS,
  orderQueries,
  rowSchema,
} from '../analytics/index.ts';
import {
  type AnyQueryKind,
  type ChunkPlace,
  countFurthest,
  Dictionary,
  EntityEvents,
  FurthestSteps,
  PeriodsActive,
  type Plan,
  type PlanPart,
  type QueryContext,
  type QueryKind,
  type ScanPlan,
  splitPlan,
} from '../engine/index.ts';
import { eventLogView } from '../operators/index.ts';
import { SCOPE } from './scan-rows.ts';

/** The module that scan threads load. */
export const SCAN_KINDS_MODULE = import.meta.url;
export const SETTINGS = { custom: [] };

const PARTS = 2;
/** So many that none is long (`SHORT_QUERY_MAX_MS`): long ones get one thread of the two. */
const STEP_PARTS = 4;
/** CPU time of a row, ns: measured by this bench. */
const STEP_ROW_NS = 40;
const PERIOD_ROW_NS = 10;
export interface StepsQuery {
  readonly start_ms: number;
  readonly end_ms: number;
  readonly steps: readonly string[];
  readonly window_ms: number;
}

export interface PeriodsQuery {
  readonly type: string;
  /** Begins of the periods and the end of the last one. */
  readonly edges_ms: readonly number[];
}

interface Shared<Q> {
  readonly query: Q;
  readonly labels: readonly (readonly [code: number, label: number])[];
}

interface StepsPart {
  readonly plan: ScanPlan;
  /** Entries of the part end here. */
  readonly entryEnd_ms: number;
}

/** A customer's steps in order within a window, at the furthest. A part has the entries of a stretch of time. */
export const stepsKind: QueryKind<StepsQuery, Shared<StepsQuery>, StepsPart, readonly number[]> = {
  name: 'bench.steps',
  schema: { parse: (input) => input as StepsQuery },
  plan: (context, query) => {
    const { start_ms, end_ms, window_ms, steps } = query;
    const { planScan } = sourceOf(context);
    const all = planScan({ scope: context.scope, start_ms, end_ms });
    const edges_ms = [start_ms, ...splitTimes(all, STEP_PARTS), end_ms];
    const works = edges_ms.slice(1).map((entryEnd_ms, at): StepsPart => {
      const range = { start_ms: edges_ms[at] as number, end_ms: entryEnd_ms + window_ms };
      const plan = planScan({ scope: context.scope, ...range });
      return {
        entryEnd_ms,
        plan,
      };
    });
    const parts = works.map((work) => partOf(work.plan.rows, STEP_ROW_NS, work));
    return planOf('bench.steps', context, query, all, steps, parts);
  },
  partial: (context, { shared }, { plan, entryEnd_ms }, cancel) => {
    const { steps, window_ms } = shared.query;
    const events = new EntityEvents({ ...rowsOf(shared, plan), rows: plan.rows });
    sourceOf(context).scan(plan, (chunk) => {
      cancel.check();
      events.add(chunk);
    });
    const furthest = new FurthestSteps({ steps: steps.length, window_ms, entryEnd_ms });
    const reached = furthest.of(events, () => cancel.check());
    events.end();
    return reached;
  },
  merge: append,
  finish: (_context, { shared }, bytes) => {
    const furthest = [...countFurthest(bytes ?? new Uint8Array(0), shared.query.steps.length)];
    // Who reached a step reached those before it.
    for (let step = furthest.length - 1; step > 0; step--)
      furthest[step - 1] = (furthest[step - 1] as number) + (furthest[step] as number);
    return furthest;
  },
};

/** In how many later periods customers come back, by the period of their first event. A part reads some chunks. */
export const periodsKind: QueryKind<PeriodsQuery, Shared<PeriodsQuery>, ScanPlan, readonly number[]> = {
  name: 'bench.periods',
  schema: { parse: (input) => input as PeriodsQuery },
  plan: (context, query) => {
    const { edges_ms, type } = query;
    const range = { start_ms: edges_ms[0] as number, end_ms: edges_ms.at(-1) as number };
    const all = sourceOf(context).planScan({ scope: context.scope, ...range });
    const parts = splitPlan(all, PARTS).map((plan) => partOf(plan.rows, PERIOD_ROW_NS, plan));
    return planOf('bench.periods', context, query, all, [type], parts);
  },
  partial: (context, { shared }, plan, cancel) => {
    const periods = periodsOf(shared, plan);
    sourceOf(context).scan(plan, (chunk) => {
      cancel.check();
      periods.add(chunk);
    });
    return periods.bytes();
  },
  merge: append,
  finish: (_context, { shared }, bytes) => {
    const periods = periodsOf(shared, { request: { scope: SCOPE, start_ms: 0, end_ms: 0 } });
    if (bytes !== undefined) periods.addBytes(bytes);
    return [...periods.retention()];
  },
};

function periodsOf(shared: Shared<PeriodsQuery>, plan: Pick<ScanPlan, 'request'>): PeriodsActive {
  return new PeriodsActive({ ...rowsOf(shared, plan), edges_ms: shared.query.edges_ms });
}

function sourceOf({ table, scope }: Pick<QueryContext, 'table' | 'scope'>) {
  return logSource(eventLogView(table, OPERATORS.log), rowSchema(SETTINGS.custom), scope);
}

function beginOf({ min_ms }: ChunkPlace): number {
  return min_ms ?? Number.NEGATIVE_INFINITY;
}

/** Times that divide the rows of a plan into about as many each. */
function splitTimes({ chunks, rows }: ScanPlan, parts: number): number[] {
  const times_ms: number[] = [];
  let before = 0;
  for (const chunk of chunks.toSorted((a, b) => beginOf(a) - beginOf(b))) {
    if (before * parts >= rows * (times_ms.length + 1)) times_ms.push(beginOf(chunk));
    before += chunk.rows;
  }
  return times_ms;
}

function partOf<P>(rows: number, row_ns: number, work: P) {
  return { reads: 'immutable' as const, rows, cost_ms: (rows * row_ns) / 1e6, work };
}

function planOf<Q, P>(
  kind: string,
  { table }: QueryContext,
  query: Q,
  { rows, bytes, chunks }: ScanPlan,
  types: readonly string[],
  parts: readonly PlanPart<P>[],
): Plan<Shared<Q>, P> {
  const dictionary = new Dictionary(Number.POSITIVE_INFINITY);
  dictionary.follow(table(DICTIONARY_TABLE));
  const labels = types.map((type, at) => [dictionary.find(type), at + 1] as const);
  const cost_ms = parts.reduce((sum, part) => sum + part.cost_ms, 0);
  return {
    ...{ kind, rows, bytes, chunks: chunks.length, cost_ms, source: 'scan' },
    ...{ explain: {}, narrow: [], shared: { query, labels }, parts },
  };
}

function rowsOf({ labels }: Pick<Shared<unknown>, 'labels'>, { request }: Pick<ScanPlan, 'request'>) {
  return {
    ...{ entity: HASH.customer, kind: CODE.type, labels: new Map(labels) },
    ...{ flags: CODE.flags, flag: FLAG.original, request },
  };
}

/** Entities are few against the rows: whoever finishes joins them. */
function append(a: Uint8Array, b: Uint8Array): Uint8Array {
  const both = new Uint8Array(a.length + b.length);
  both.set(a);
  both.set(b, a.length);
  return both;
}

export function queryKinds(): readonly AnyQueryKind[] {
  const { funnel, kpis } = orderQueries(SETTINGS);
  return [stepsKind, periodsKind, funnel, kpis] as unknown as readonly AnyQueryKind[];
}
