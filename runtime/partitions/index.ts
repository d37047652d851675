export { type ClusterOptions, type PartitionedParts, PartitionedRun } from './partitioned-run.ts';
