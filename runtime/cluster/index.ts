export { type ClusterMember, type ClusterView, followCluster } from './cluster-view.ts';
export { checkMemberId, clusterBucket, type TaskId, taskKey } from './records.ts';
