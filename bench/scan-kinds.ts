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
  Dictionary,
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
/** CPU time of a row, ns: measured by this bench. */
const PERIOD_ROW_NS = 10;
export interface PeriodsQuery {
  readonly type: string;
  /** Begins of the periods and the end of the last one. */
  readonly edges_ms: readonly number[];
}

interface Shared<Q> {
  readonly query: Q;
  readonly labels: readonly (readonly [code: number, label: number])[];
}

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
  return [periodsKind, funnel, kpis] as unknown as readonly AnyQueryKind[];
}
