import { DEFAULT_OUTBOX_LIMITS, type LetterLimits, type OutboxLimits } from '../edges/index.ts';
import { type ControlLimits, DEFAULT_CONTROL_LIMITS } from './control-state.ts';

/** Bounds of a task's batches and commits. */
export interface TaskLimits {
  /** Records pushed through the graph at once, at most. */
  readonly batch_max_events: number;
  /** How long a push should hold the event loop: batches of costly records are made smaller. */
  readonly batch_target_ms: number;
  readonly barrier_interval_ms: number;
  readonly barrier_max_events: number;
  /**
   * Both while more than `barrier_max_events` wait in the stream: nobody sees the difference, and larger
   * commits cost less a record.
   */
  readonly backlog_barrier_interval_ms: number;
  readonly backlog_barrier_max_events: number;
  /** How often a quiet source's barrier passes, so that the watermark can follow the clock. */
  readonly idle_barrier_interval_ms: number;
  /** Of several sources: how far one may be ahead of the slowest in event time before it has to wait, ms. */
  readonly max_drift_ms: number;
  readonly outbox: OutboxLimits;
  /** Dead letters of one tenant; absent: all are sent. */
  readonly letters?: LetterLimits;
  /** How often a task that waits for records looks whether there are new definitions. */
  readonly control_poll_ms: number;
  readonly control: ControlLimits;
}

/** Limits of a task that is not given others. */
export const DEFAULT_TASK_LIMITS: TaskLimits = {
  batch_max_events: 4_096,
  batch_target_ms: 50,
  barrier_interval_ms: 250,
  barrier_max_events: 50_000,
  backlog_barrier_interval_ms: 2_000,
  backlog_barrier_max_events: 150_000,
  idle_barrier_interval_ms: 5_000,
  max_drift_ms: 300_000,
  outbox: DEFAULT_OUTBOX_LIMITS,
  control_poll_ms: 100,
  control: DEFAULT_CONTROL_LIMITS,
};

const BATCH_MIN_EVENTS = 64;

/**
 * How many records to take next, behind a push of so many that took so long. Records differ in cost by a factor of a
 * hundred (an order has up to 1,000 lines).
 */
export function adaptedBatch(
  { batch_max_events, batch_target_ms }: TaskLimits,
  current: number,
  records: number,
  took_ms: number,
): number {
  if (took_ms > batch_target_ms) return Math.max(BATCH_MIN_EVENTS, Math.floor(records / 2));
  return took_ms * 4 < batch_target_ms ? Math.min(batch_max_events, current * 2) : current;
}

/** From one commit to the next, ms. */
export function barrierInterval_ms(limits: TaskLimits, isBusy: boolean, isBehind: boolean): number {
  const { barrier_interval_ms, backlog_barrier_interval_ms, idle_barrier_interval_ms } = limits;
  if (!isBusy) return idle_barrier_interval_ms;
  return isBehind ? backlog_barrier_interval_ms : barrier_interval_ms;
}
