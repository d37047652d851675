export { CLUSTER_LIMITS, type ClusterLimits } from './cluster-limits.ts';
export { ClusterNode, type ClusterNodeOptions } from './cluster-node.ts';
export { type ClusterReport, reportCluster } from './cluster-report.ts';
export { type ClusterTime, systemTime } from './cluster-time.ts';
export { type ClusterMember, type ClusterView, followCluster } from './cluster-view.ts';
export { editPlan, type PlanEdit, withoutPlan } from './plan-edits.ts';
export {
  checkMemberId,
  clusterBucket,
  type TaskId,
  type TaskKey,
  type TaskReport,
  taskKey,
  taskOf,
} from './records.ts';
export { fetchState, StateGiver } from './state-copy.ts';
export type { HostedTask, TaskHost, TaskHosts } from './task-host.ts';
