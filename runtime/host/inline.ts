import { type NatsServer, ThreadedSource } from '../../connectors/index.ts';
import { PartitionTask, type PartitionTaskOptions } from './partition-task.ts';
import type { TaskPlace } from './task-place.ts';

export interface InlineOptions extends Omit<PartitionTaskOptions, 'sourceOf'> {
  /** That the sources connect to. */
  readonly nats: NatsServer;
  readonly partition: string;
}

/** Executes a task in this thread: a topology that is a value, with the closures in it. */
export function inline({ nats, partition, ...options }: InlineOptions): TaskPlace {
  return (hear) => {
    const stop = new AbortController();
    const running = new PartitionTask({
      ...options,
      sourceOf: ({ stream, filter }) =>
        new ThreadedSource({ ...nats, stream, partition, filter_subjects: filter }),
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
