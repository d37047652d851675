import { type KeyValueStore, MillraceError } from '../../engine/index.ts';
import { MEMBER_PREFIX, PLAN_KEY, type Plan, readPlan, type TaskKey } from './records.ts';

/** What an operator asks of the plan; the planner follows step by step. */
export type PlanEdit =
  | { readonly kind: 'drain'; readonly member: string }
  | { readonly kind: 'undrain'; readonly member: string }
  | { readonly kind: 'pin'; readonly task: TaskKey; readonly to: string }
  | { readonly kind: 'unpin'; readonly task: TaskKey };

const TRIES = 20;

/**
 * Changes the plan by compare-and-set. Throws `cluster_without_plan` where none is, `unknown_member` for one that has no
 * record, `unknown_task`, `kv_unavailable`, and `plan_busy` where it changes all the time.
 */
export async function editPlan(store: KeyValueStore, edit: PlanEdit): Promise<Plan> {
  const wanted = edit.kind === 'pin' ? edit.to : edit.kind === 'drain' ? edit.member : undefined;
  if (wanted !== undefined && (await store.get(MEMBER_PREFIX + wanted)) === undefined) {
    throw new MillraceError('unknown_member', `"${wanted}" is no member of this cluster now.`);
  }
  for (let tries = 0; tries < TRIES; tries++) {
    const there = await store.get(PLAN_KEY);
    const plan = readPlan(there?.value);
    if (there === undefined || plan === undefined) throw withoutPlan();
    const next = edited(plan, edit);
    if ((await store.update(PLAN_KEY, next, there.revision)).ok) return next;
  }
  throw new MillraceError('plan_busy', 'The plan was changed by others all the time. Try again.', {
    retriable: true,
  });
}

export const withoutPlan = (): MillraceError =>
  new MillraceError(
    'cluster_without_plan',
    'This cluster has no plan: none of its processes has run yet, or not for two seconds. Start one.',
  );

function edited(plan: Plan, edit: PlanEdit): Plan {
  if (edit.kind === 'drain' || edit.kind === 'undrain') {
    const others = plan.drained.filter((member) => member !== edit.member);
    return { ...plan, drained: edit.kind === 'drain' ? [...others, edit.member].sort() : others };
  }
  if (plan.tasks[edit.task] === undefined) {
    throw new MillraceError(
      'unknown_task',
      `"${edit.task}" is no task of this cluster. They are named <stage>.<partition>, e.g. 0.3; its stages have ` +
        `${plan.layout.join(', ')} partitions.`,
    );
  }
  const { [edit.task]: _, ...pins } = plan.pins;
  return { ...plan, pins: edit.kind === 'pin' ? { ...pins, [edit.task]: edit.to } : pins };
}
