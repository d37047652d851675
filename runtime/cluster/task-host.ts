import type { TaskId, TaskReport } from './records.ts';

/** How a task stands in this process. */
export interface HostedTask {
  readonly state: TaskReport['state'];
  /** It sends, as this owner; undefined: it holds back. */
  readonly active_epoch: number | undefined;
  /** Last committed of its log. */
  readonly position?: number;
  /** How far it is behind the end of its log; null: not known. */
  readonly lag_ms: number | null;
  /** Up to which record of its log the outside has everything that comes of it. */
  readonly settled?: number;
  /** Code of what it failed with. */
  readonly error?: string;
}

/**
 * Runs one task in this process. It is driven by one caller, one call at a time, but `close`, which may come during any
 * other one and ends it, and `standby`, which may come during `activate`, also again, and ends that. What rejects leaves
 * the task as it was, and is tried again.
 */
export interface TaskHost {
  /** Opens the state, copied from one of these members where there is none, and follows the log: it sends nothing. */
  open(peers: readonly string[]): Promise<void>;
  /** Ends whoever sent before under a lower epoch, and begins to send. Rejects with `fenced` under a higher one. */
  activate(epoch: number): Promise<void>;
  /** Sends nothing from now on, and follows. */
  standby(): Promise<void>;
  /** Sends what it owes, so that the next one has nothing to do twice, and is a standby then. */
  release(): Promise<void>;
  /** Another member has `settled` so much: nothing of it is sent from here any more. At any time once it is open. */
  settle(sequence: number): void;
  close(): Promise<void>;
  status(): HostedTask;
}

export type TaskHosts = (task: TaskId) => TaskHost;
