import { type GapChoice, gapPolicy, type NatsServer, ThreadedSource } from '../../connectors/index.ts';
import { PartitionTask, type PartitionTaskOptions } from './partition-task.ts';
import type { TaskPlace } from './task-place.ts';

export interface InlineOptions extends Omit<PartitionTaskOptions, 'sourceOf'> {
  /** That the sources connect to. */
  readonly nats: NatsServer;
  readonly partition: string;
  /** Of sources that do not say themselves what becomes of a gap. */
  readonly onGap?: GapChoice;
}

/** Executes a task in this thread: a topology that is a value, with the closures in it. */
export function inline({ nats, partition, onGap, ...options }: InlineOptions): TaskPlace {
  return (hear) => {
    const stop = new AbortController();
    const running = new PartitionTask({
      ...options,
      sourceOf: ({ stream, filter, gaps }) => {
        const policy = gapPolicy(gaps, onGap);
        const gapped = policy === undefined ? {} : { gaps: policy };
        return new ThreadedSource({ ...nats, stream, partition, filter_subjects: filter, ...gapped });
      },
      onTopologyChange: (changes) => {
        options.onTopologyChange?.(changes);
        hear.topologyChanged(changes);
      },
    });
    const work = async (): Promise<void> => {
      try {
        await running.task.open();
        hear.running();
        await running.task.run(stop.signal);
      } finally {
        await running.close();
      }
    };
    return { ended: work(), stop: () => stop.abort(), status: () => running.status() };
  };
}
