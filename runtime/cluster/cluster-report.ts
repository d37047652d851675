import type { KeyValueStore } from '../../engine/index.ts';
import { type ClusterTime, systemTime } from './cluster-time.ts';
import { ClusterBoard } from './cluster-view.ts';
import { withoutPlan } from './plan-edits.ts';
import { type MemberRecord, type Placement, type TaskKey, taskOf } from './records.ts';

/** A member renews its record each second: what has not changed in so long stands still, or is gone, ms. */
const WATCH_MS = 2_500;

export interface ReportedMember {
  readonly id: string;
  readonly state: 'living' | 'silent' | 'leaving';
  readonly drained: boolean;
  readonly host: string;
  readonly version: string;
  readonly owned: number;
  readonly standby: number;
}

export interface ReportedTask {
  readonly task: TaskKey;
  readonly owner: string | null;
  readonly epoch: number | null;
  readonly standbys: readonly { readonly member: string; readonly ready: boolean }[];
  /** To whom it goes, where it is on its way. */
  readonly to: string | null;
  readonly pinned_to: string | null;
  /** Code of what its owner failed with. */
  readonly error: string | null;
}

export interface ClusterReport {
  /** The member that plans. */
  readonly planner: string | null;
  readonly members: readonly ReportedMember[];
  readonly tasks: readonly ReportedTask[];
  /** What is not as it should be, as sentences. */
  readonly problems: readonly string[];
}

/**
 * How a cluster stands, from its bucket alone: watched for two and a half seconds to see who lives, or for another time;
 * after none, everybody is silent. Throws `cluster_without_plan` where none has run.
 */
export async function reportCluster(
  store: KeyValueStore,
  watch_ms = WATCH_MS,
  time: ClusterTime = systemTime,
): Promise<ClusterReport> {
  const board = new ClusterBoard();
  let isComplete = false;
  const changed = new Set<string>();
  board.onEntry((change) => {
    if (isComplete && change.kind === 'member') changed.add(change.id);
  });
  const close = await store.watch(
    (change) => board.change(change),
    // What cannot be read is no member and no task: it is missing below.
    () => undefined,
  );
  isComplete = true;
  try {
    if (watch_ms > 0) await time.sleep(watch_ms);
  } finally {
    await close();
  }
  return reportOf(board, changed);
}

function reportOf(board: ClusterBoard, living: ReadonlySet<string>): ClusterReport {
  const plan = board.plan?.record;
  if (plan === undefined) throw withoutPlan();
  const stateOf = (id: string, record: MemberRecord): ReportedMember['state'] =>
    record.leaving === true ? 'leaving' : living.has(id) ? 'living' : 'silent';
  const members = board.members().map(({ id, host, version, owned, standby }) => {
    const record = board.memberRecords.get(id)?.record;
    const state = record === undefined ? 'silent' : stateOf(id, record);
    const counts = { owned: owned.length, standby: standby.length };
    return { id, state, drained: plan.drained.includes(id), host, version, ...counts };
  });
  const tasks = Object.entries(plan.tasks).map(([task, at]) =>
    taskReport(board, task, at, plan.pins[task] ?? null),
  );
  const problems = [
    ...members.flatMap(({ id, state }) => (state === 'silent' ? [`${id} has not renewed its record.`] : [])),
    ...tasks.flatMap((one) => problemsOf(one, plan.tasks[one.task], members)),
  ];
  const planner = members.find(({ state }) => state === 'living')?.id ?? null;
  return { planner, members, tasks, problems };
}

function taskReport(
  board: ClusterBoard,
  task: TaskKey,
  at: Placement,
  pinned_to: string | null,
): ReportedTask {
  const id = taskOf(task);
  const owner = id === undefined ? undefined : board.owner(id);
  const reportOn = (member: string) => board.memberRecords.get(member)?.record.tasks[task];
  const to = at.next ?? (owner !== undefined && owner.member !== at.owner ? at.owner : undefined);
  const error = owner === undefined ? undefined : reportOn(owner.member);
  return {
    task,
    owner: owner?.member ?? null,
    epoch: owner?.epoch ?? null,
    standbys: at.standbys.map((member) => ({ member, ready: reportOn(member)?.state === 'ready' })),
    to: to ?? null,
    pinned_to,
    error: error?.state === 'failed' ? (error.error ?? 'failed') : null,
  };
}

function problemsOf(
  { task, owner, standbys, error }: ReportedTask,
  at: Placement | undefined,
  members: readonly ReportedMember[],
): readonly string[] {
  const state = members.find(({ id }) => id === owner)?.state;
  const late = standbys.filter(({ ready }) => !ready).map(({ member }) => member);
  return [
    ...(owner === null ? [`${task} has no owner; it is planned for ${at?.owner ?? 'nobody'}.`] : []),
    ...(owner !== null && state !== 'living' && state !== 'leaving'
      ? [`${task} is owned by ${owner}, which is silent.`]
      : []),
    ...(error === null ? [] : [`${task} has failed with its owner ${owner}: ${error}.`]),
    ...late.map((member) => `${task} is not ready with its standby ${member}.`),
  ];
}
