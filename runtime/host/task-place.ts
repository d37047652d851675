import type { TaskRun, TopologyChange } from '../../engine/index.ts';
import type { TaskStatus } from './partition-task.ts';

/** What a run tells whoever started it. */
export interface TaskHearing {
  /** It is open and processes. */
  running(): void;
  /** The topology is not the one that wrote the state. */
  topologyChanged(changes: readonly TopologyChange[]): void;
  /** Definitions cannot be read: a sentence. The task goes on with those that it has. */
  definitionsUnread(message: string): void;
}

/** One run of a partition's task, wherever it is executed. */
export interface HostedRun extends TaskRun {
  /** How it stands, or stood when it was last heard of; undefined before that. */
  status(): TaskStatus | undefined;
}

/**
 * Where a partition's task is executed: `inline` in this thread, `inThread` in one of its own. Each call begins a
 * run from the last commit; runs of one place never overlap.
 */
export type TaskPlace = (hear: TaskHearing) => HostedRun;
