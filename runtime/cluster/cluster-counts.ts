import type { Metrics } from '../../engine/index.ts';
import type { TaskKey, TaskReport } from './records.ts';

/** What a member of a cluster counts. */
export interface ClusterCounts {
  /** As what it has each task; undefined: not at all. */
  readonly tasks: () => readonly (TaskReport['role'] | undefined)[];
  readonly members: () => number;
  /** Since its last renewal that was acknowledged; undefined before the first. */
  readonly leaseAge_s: () => number | undefined;
  readonly epochs: ReadonlyMap<TaskKey, () => number | undefined>;
  readonly takeovers: () => number;
  readonly moves: () => number;
  readonly unreadable: () => number;
}

export function measureCluster(metrics: Metrics, counts: ClusterCounts): void {
  const { tasks, members, leaseAge_s, epochs, takeovers, moves, unreadable } = counts;
  const having = (role: TaskReport['role']) => () => tasks().filter((each) => each === role).length;
  metrics.gauge('millrace.cluster.owned', 'Tasks that this process owns', having('owner'));
  metrics.gauge('millrace.cluster.standby', 'Tasks that it follows', having('standby'));
  metrics.gauge('millrace.cluster.members', 'Members that live, as it sees them', members);
  metrics.gauge('millrace.cluster.lease.age', 'Since its last renewal that was acknowledged', leaseAge_s);
  for (const [task, epoch] of epochs) {
    metrics.gauge('millrace.cluster.epoch', 'Under which it owns a task', epoch, { task });
  }
  metrics.observedCounter('millrace.cluster.takeovers', 'Tasks that it took from dead members', takeovers);
  metrics.observedCounter('millrace.cluster.moves', 'Moves that it planned', moves);
  metrics.observedCounter('millrace.cluster.unreadable', 'Values of the bucket that are none', unreadable);
}
