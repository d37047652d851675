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
  Dictionary,
  EntityEvents,
  FurthestSteps,
  PeriodsActive,
  type QueryContext,
  type QueryKind,
  type ScanPlan,
  splitPlan,
} from '../engine/index.ts';
import { eventLogView } from '../operators/index.ts';

/** The module that scan threads load. */
export const SCAN_KINDS_MODULE = import.meta.url;
export const SETTINGS = { custom: [] };

const PARTS = 2;
/** CPU time of a row in each part: measured by this bench. */
const ROW_NS = 20;
/** Events that wait before those of which no more can come are taken: what fits the processor's cache. */
const TAKE_EVENTS = 400_000;

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
  readonly plan: ScanPlan;
  readonly labels: readonly (readonly [code: number, label: number])[];
}

/** A customer's steps in order within a window, at the furthest. A part reads all chunks for its share of customers. */
export const stepsKind: QueryKind<StepsQuery, Shared<StepsQuery>, number, readonly number[]> = {
  name: 'bench.steps',
  schema: { parse: (input) => input as StepsQuery },
  plan: (context, query) => planOf('bench.steps', context, query, query, query.steps),
  partial: (context, { shared }, part, cancel) => {
    const { query, plan } = shared;
    const events = new EntityEvents({ ...rowsOf(shared), part, parts: PARTS });
    const steps = new FurthestSteps(query.steps.length, query.window_ms);
    const nextBegins_ms = plan.chunks.slice(1).map(beginOf);
    let at = 0;
    sourceOf(context).scan(plan, (chunk) => {
      cancel.check();
      events.add(chunk);
      const next_ms = nextBegins_ms[at++];
      if (events.waiting >= TAKE_EVENTS && next_ms !== undefined) steps.take(events, next_ms);
    });
    steps.take(events);
    return bytesOf(steps.counts());
  },
  merge: addCounts,
  finish: (_context, { shared }, bytes) => {
    const furthest = countsOf(bytes, shared.query.steps.length);
    // Who reached a step reached those before it.
    for (let step = furthest.length - 1; step > 0; step--)
      furthest[step - 1] = (furthest[step - 1] as number) + (furthest[step] as number);
    return furthest;
  },
};

/** In how many later periods customers come back, by the period of their first event. A part reads some chunks. */
export const periodsKind: QueryKind<PeriodsQuery, Shared<PeriodsQuery>, number, readonly number[]> = {
  name: 'bench.periods',
  schema: { parse: (input) => input as PeriodsQuery },
  plan: (context, query) => {
    const { edges_ms, type } = query;
    const range = { start_ms: edges_ms[0] as number, end_ms: edges_ms.at(-1) as number };
    return planOf('bench.periods', context, query, range, [type]);
  },
  partial: (context, { shared }, part, cancel) => {
    const periods = periodsOf(shared);
    const plan = splitPlan(shared.plan, PARTS)[part];
    if (plan === undefined) return periods.bytes();
    sourceOf(context).scan(plan, (chunk) => {
      cancel.check();
      periods.add(chunk);
    });
    return periods.bytes();
  },
  // Entities of both are few against the rows: whoever finishes adds them up.
  merge: (a, b) => {
    const both = new Uint8Array(a.length + b.length);
    both.set(a);
    both.set(b, a.length);
    return both;
  },
  finish: (_context, { shared }, bytes) => {
    const periods = periodsOf(shared);
    if (bytes !== undefined) periods.addBytes(bytes);
    return [...periods.retention()];
  },
};

function periodsOf(shared: Shared<PeriodsQuery>): PeriodsActive {
  return new PeriodsActive({ ...rowsOf(shared), edges_ms: shared.query.edges_ms });
}

function sourceOf({ table, scope }: QueryContext) {
  return logSource(eventLogView(table, OPERATORS.log), rowSchema(SETTINGS.custom), scope);
}

function beginOf({ min_ms }: ChunkPlace): number {
  return min_ms ?? Number.NEGATIVE_INFINITY;
}

function planOf<Q>(
  kind: string,
  context: QueryContext,
  query: Q,
  { start_ms, end_ms }: { readonly start_ms: number; readonly end_ms: number },
  types: readonly string[],
) {
  const dictionary = new Dictionary(Number.POSITIVE_INFINITY);
  dictionary.follow(context.table(DICTIONARY_TABLE));
  const { planScan } = sourceOf(context);
  const scan = planScan({ scope: context.scope, start_ms, end_ms });
  const plan = { ...scan, chunks: scan.chunks.toSorted((a, b) => beginOf(a) - beginOf(b)) };
  const labels = types.map((type, at) => [dictionary.find(type), at + 1] as const);
  const { rows, bytes } = plan;
  const part_ms = (rows * ROW_NS) / 1e6;
  return {
    ...{ kind, rows, bytes, chunks: plan.chunks.length, cost_ms: part_ms * PARTS, source: 'scan' },
    ...{ explain: {}, narrow: [], shared: { query, plan, labels } },
    parts: Array.from({ length: PARTS }, (_unused, work) => ({
      ...{ reads: 'immutable' as const, rows, cost_ms: part_ms, work },
    })),
  };
}

function rowsOf({ plan, labels }: Pick<Shared<unknown>, 'plan' | 'labels'>) {
  return {
    ...{ entity: HASH.customer, kind: CODE.type, labels: new Map(labels) },
    ...{ flags: CODE.flags, flag: FLAG.original, request: plan.request },
  };
}

function bytesOf(counts: Float64Array): Uint8Array {
  return new Uint8Array(counts.buffer);
}

function countsOf(bytes: Uint8Array | undefined, length: number): number[] {
  if (bytes === undefined) return new Array<number>(length).fill(0);
  return [...new Float64Array(bytes.buffer, bytes.byteOffset, length)];
}

function addCounts(a: Uint8Array, b: Uint8Array): Uint8Array {
  const into = new Float64Array(a.buffer, a.byteOffset, a.length / 8);
  const from = new Float64Array(b.buffer, b.byteOffset, b.length / 8);
  for (let at = 0; at < into.length; at++) into[at] = (into[at] as number) + (from[at] as number);
  return a;
}

export function queryKinds(): readonly AnyQueryKind[] {
  const { kpis } = orderQueries(SETTINGS);
  return [stepsKind, periodsKind, kpis] as unknown as readonly AnyQueryKind[];
}
