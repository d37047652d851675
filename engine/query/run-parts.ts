import type { AnyQueryKind, Cancel, Plan, PlanHead, PlanPart, QueryContext } from './kind.ts';
import { checkLimits, checkPartial, FINISH_IN_API_MAX_BYTES, type QueryLimits } from './limits.ts';

/** What runs in the API's thread and in scan threads alike. */

export function headOf({ parts: _, ...head }: Plan): PlanHead {
  return head;
}

/** One part, added to `sum`. Throws `query_cancelled`, `plan_stale`, `query_too_large`. */
export function addPart(
  kind: AnyQueryKind,
  context: QueryContext,
  head: PlanHead,
  work: unknown,
  run: { readonly sum: Uint8Array | undefined; readonly cancel: Cancel; readonly limits: QueryLimits },
): Uint8Array {
  const { sum, cancel, limits } = run;
  cancel.check();
  const bytes = checkPartial(head, kind.partial(context, head, work, cancel), limits);
  // A kind may come back early from a cancelled scan, with a sum that means nothing.
  cancel.check();
  return sum === undefined ? bytes : checkPartial(head, kind.merge(sum, bytes), limits);
}

/** All `parts` in one snapshot; undefined when there are none. */
export function addParts(
  kind: AnyQueryKind,
  context: QueryContext,
  head: PlanHead,
  parts: readonly PlanPart<unknown>[],
  run: { readonly cancel: Cancel; readonly limits: QueryLimits },
): Uint8Array | undefined {
  let sum: Uint8Array | undefined;
  for (const { work } of parts) sum = addPart(kind, context, head, work, { ...run, sum });
  return sum;
}

/** Merges partial answers; undefined when there are none. */
export function mergeAll(
  kind: AnyQueryKind,
  head: PlanHead,
  sums: readonly Uint8Array[],
  limits: QueryLimits,
): Uint8Array | undefined {
  let sum: Uint8Array | undefined;
  for (const bytes of sums)
    sum = sum === undefined ? bytes : checkPartial(head, kind.merge(sum, bytes), limits);
  return sum;
}

/** Plans and checks the limits. */
export function planWithin(
  kind: AnyQueryKind,
  context: QueryContext,
  query: unknown,
  limits: QueryLimits,
): Plan {
  const plan = kind.plan(context, query);
  checkLimits(plan, limits);
  return plan;
}

/** Whether partial answers of this size are finished in a thread. */
export function finishesInThread(kind: AnyQueryKind, head: PlanHead, bytes: number): boolean {
  return kind.finishesInThread?.(head, bytes) ?? bytes > FINISH_IN_API_MAX_BYTES;
}
