import {
  type ControlInput,
  type KvStore,
  ManualClock,
  type Source,
  type SourceRecord,
  type Topology,
} from '../engine/index.ts';
import { PartitionTask } from '../runtime/index.ts';

/** The source of the topologies of these benches. */
export const STEP_SOURCE = 'source';

/** One record a step; its batch is made outside of what is measured. */
class StepSource implements Source {
  readonly partition = '0';
  readonly #last: number;
  #sequence: number;

  constructor(after: number, last: number) {
    this.#sequence = after;
    this.#last = last;
  }

  facts() {
    return Promise.resolve({ stream: 'S', incarnation: 'i', firstSequence: 1, lastSequence: this.#last });
  }

  start(): Promise<void> {
    return Promise.resolve();
  }

  take(): Promise<readonly SourceRecord[]> {
    const record = { sequence: ++this.#sequence, subject: 's', data: new Uint8Array(0), hasHeaders: false };
    return Promise.resolve([{ ...record, header: () => undefined }]);
  }

  state() {
    return { headSequence: 0, caughtUp: true, connected: true, skipped: 0 };
  }

  stop(): Promise<void> {
    return Promise.resolve();
  }
}

export interface StepTask {
  readonly topology: Topology;
  readonly store: KvStore;
  readonly control?: ControlInput;
  readonly start_ms: number;
  /** Where its source begins, and the last sequence of its stream. */
  readonly after?: number;
  readonly last: number;
}

/** A task that takes one record a step and commits when it is told. */
export function stepTask({ start_ms, after = 0, last, ...rest }: StepTask): PartitionTask {
  return new PartitionTask({
    ...rest,
    inputs: [{ node: STEP_SOURCE, stream: 'S', filter: [] }],
    sourceOf: () => new StepSource(after, last),
    publisher: { publish: () => Promise.resolve(), maxInFlight: () => 1 },
    clock: new ManualClock(start_ms),
    limits: {
      barrier_interval_ms: Number.POSITIVE_INFINITY,
      idle_barrier_interval_ms: Number.POSITIVE_INFINITY,
    },
  });
}
