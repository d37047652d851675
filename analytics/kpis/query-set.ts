import type { Cancel, Plan, PlanHead, QueryContext } from '../../engine/index.ts';
import { addKpiWork, finishKpis, type KpiAnswer, mergeKpis } from './kpi-kind.ts';
import type { KpiShared, KpiWork } from './kpi-plan.ts';
import type { OpenSources } from './sources.ts';
import { readSet, writeSet } from './sums-set.ts';

/** Several KPI queries that run as one, of one snapshot. `heads` has null for a query that could not be planned. */
export interface SetShared<X> {
  readonly heads: readonly (PlanHead<KpiShared> | null)[];
  /** What `finish` needs besides. Plain data. */
  readonly extra: X;
}

/** Work of the query at `index`. */
export interface SetWork {
  readonly index: number;
  readonly work: KpiWork;
}

/** The plans of a set as one plan. */
export function planSet<X>(
  kind: string,
  plans: readonly (Plan<KpiShared, KpiWork> | null)[],
  extra: X,
): Plan<SetShared<X>, SetWork> {
  const made = plans.filter((plan) => plan !== null);
  const total = (of: (plan: Plan<KpiShared, KpiWork>) => number): number =>
    made.reduce((sum, plan) => sum + of(plan), 0);
  return {
    kind,
    rows: total(({ rows }) => rows),
    bytes: total(({ bytes }) => bytes),
    cells: total(({ cells = 0 }) => cells),
    chunks: total(({ chunks = 0 }) => chunks),
    cost_ms: total(({ cost_ms }) => cost_ms),
    source: [...new Set(made.map(({ source }) => source))].join(', '),
    explain: { queries: plans.map((plan) => plan?.explain ?? null) },
    narrow: [...new Set(made.flatMap(({ narrow }) => narrow))],
    shared: {
      heads: plans.map((plan) => {
        if (plan === null) return null;
        const { parts: _, ...head } = plan;
        return head;
      }),
      extra,
    },
    parts: plans.flatMap((plan, index) =>
      (plan?.parts ?? []).map(({ work, ...part }) => ({ ...part, work: { index, work } })),
    ),
  };
}

export function addSetWork<X>(
  context: QueryContext,
  open: OpenSources,
  { shared }: PlanHead<SetShared<X>>,
  { index, work }: SetWork,
  cancel: Cancel,
): Uint8Array {
  const head = shared.heads[index];
  if (head === undefined || head === null) throw new Error(`a set of queries has no plan ${index}`);
  return writeSet(new Map([[index, addKpiWork(context, open, head, work, cancel)]]));
}

export function mergeSets(a: Uint8Array, b: Uint8Array): Uint8Array {
  const merged = readSet(a);
  for (const [index, bytes] of readSet(b)) {
    const own = merged.get(index);
    merged.set(index, own === undefined ? bytes : mergeKpis(own, bytes));
  }
  return writeSet(merged);
}

/**
 * The answer of each query; undefined where there is no plan, and what `refused` makes of an error where it has
 * no answer.
 */
export function finishSet<X, R>(
  { shared }: PlanHead<SetShared<X>>,
  bytes: Uint8Array | undefined,
  refused: (error: unknown) => R,
): readonly (KpiAnswer | R | undefined)[] {
  const sums = bytes === undefined ? new Map<number, Uint8Array>() : readSet(bytes);
  return shared.heads.map((head, index) => {
    if (head === null) return undefined;
    try {
      return finishKpis(head, sums.get(index));
    } catch (error) {
      return refused(error);
    }
  });
}
