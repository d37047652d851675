import type { EntityShare, PlanPart, ScanPlan } from '../../engine/index.ts';
import { MAX_SHARES } from './entity-rows.ts';

/** One part of a query over entities. Plain data. */
export interface EntityWork {
  readonly plan: ScanPlan;
  readonly share: EntityShare;
}

/** What rows cost, measured on one core; for estimates and for how a query is divided. */
export interface EntityCost {
  /** A row of the range that is looked at and left out, ns. */
  readonly looked_ns: number;
  /** A row that is collected, ordered and evaluated, ns. */
  readonly taken_ns: number;
  /** Which part of the rows is collected, 0 to 1, about. */
  readonly share: number;
  /** Rows that one part may collect, for its memory. */
  readonly part_rows: number;
}

/** Some 75 bytes a row that is collected. */
export const DEFAULT_COST: EntityCost = { looked_ns: 6, taken_ns: 200, share: 0.5, part_rows: 2_000_000 };
/** Below what the executor takes for a short part. */
const PART_MS = 150;

/** What a plan of one scan says of its size, and its parts. */
export function scanFacts<W>(plan: ScanPlan, parts: readonly PlanPart<W>[]) {
  return {
    ...{ rows: plan.rows, bytes: plan.bytes, chunks: plan.chunks.length, source: 'scan', parts },
    cost_ms: parts.reduce((sum, { cost_ms }) => sum + cost_ms, 0),
  };
}

/** Divides a scan by entities, so that a part is short and fits into memory. Every part looks at every chunk. */
export function entityParts(plan: ScanPlan, cost: EntityCost = DEFAULT_COST): PlanPart<EntityWork>[] {
  if (plan.chunks.length === 0) return [];
  const taken = plan.rows * cost.share;
  const wanted = Math.max((taken * cost.taken_ns) / 1e6 / PART_MS, taken / cost.part_rows, 1);
  const of = Math.min(MAX_SHARES, 2 ** Math.ceil(Math.log2(wanted)));
  const cost_ms = (plan.rows * cost.looked_ns + (taken / of) * cost.taken_ns) / 1e6;
  return Array.from({ length: of }, (_, index) => ({
    ...{ reads: 'immutable' as const, rows: Math.ceil(plan.rows / of), cost_ms },
    work: { plan, share: { index, of } },
  }));
}
