export { FitLane } from './fit-lane.ts';
export { inThread } from './in-thread.ts';
export { type InlineOptions, inline } from './inline.ts';
export { PartitionHost, type PartitionHostOptions, type SeenHead } from './partition-host.ts';
export {
  type PartitionInput,
  PartitionTask,
  type PartitionTaskOptions,
  type TaskStatus,
} from './partition-task.ts';
export { currentState, hasState, isHostedHere, stateRoot, WHOLE_STREAM } from './state-folder.ts';
export type { HostedRun, TaskHearing, TaskPlace } from './task-place.ts';
export {
  loadTopologyModule,
  type ThreadOrder,
  type TopologyModule,
  type TopologyPlace,
} from './thread-order.ts';
