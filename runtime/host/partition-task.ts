import type { JetStreamInput } from '../../connectors/index.ts';
import {
  type MetricSample,
  type Source,
  type SourceState,
  systemClock,
  Task,
  type TaskOptions,
} from '../../engine/index.ts';

/** What a partition's task reads: a stream, or of a stream what matches the filter. */
export type PartitionInput = Pick<JetStreamInput, 'node' | 'stream' | 'filter'> &
  Partial<Pick<JetStreamInput, 'through' | 'gaps'>>;

export interface PartitionTaskOptions
  extends Omit<TaskOptions, 'source' | 'clock'>,
    Partial<Pick<TaskOptions, 'clock'>> {
  readonly inputs: readonly PartitionInput[];
  /** Makes the source of an input, of the right partition. It belongs to this task, which stops it. */
  readonly sourceOf: (input: PartitionInput) => Source;
}

/** What a source knows of the end of its stream. */
export interface HeadWord {
  /** Newest known sequence. */
  readonly sequence: number;
  /** When the server last said so, ms of `monotonicNow`; undefined: it has not yet. */
  readonly heard_at_ms: number | undefined;
}

/** How a task stands. Plain data. */
export interface TaskStatus {
  /** The sources read from their streams. */
  readonly connected: boolean;
  /** By the node of each source. */
  readonly heads: Readonly<Record<string, HeadWord>>;
  readonly metrics: readonly MetricSample[];
}

/** A task of one partition with its sources: what every place of execution runs. The store is the caller's. */
export class PartitionTask {
  readonly task: Task;
  readonly #sources: Readonly<Record<string, Source>>;

  constructor({ inputs, sourceOf, clock = systemClock, ...rest }: PartitionTaskOptions) {
    this.#sources = Object.fromEntries(
      inputs.map((input) => {
        const source = sourceOf(input);
        return [input.node, input.through?.(source) ?? source];
      }),
    );
    this.task = new Task({ ...rest, source: this.#sources, clock });
  }

  status(): TaskStatus {
    return { ...this.words(), metrics: this.task.metrics.samples() };
  }

  /** What changes fastest of the status, and costs next to nothing. */
  words(): Pick<TaskStatus, 'connected' | 'heads'> {
    const states: [string, SourceState][] = Object.entries(this.#sources).map(([node, source]) => [
      node,
      source.state(),
    ]);
    return {
      connected: states.every(([, { connected }]) => connected),
      heads: Object.fromEntries(
        states.map(([node, { headSequence: sequence, heard_at_ms }]) => [node, { sequence, heard_at_ms }]),
      ),
    };
  }

  /** To be called at the end, whatever came between. */
  async close(): Promise<void> {
    this.task.close();
    await Promise.all(Object.values(this.#sources).map((source) => source.stop()));
  }
}
