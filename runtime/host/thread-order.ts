import type { NatsServer } from '../../connectors/index.ts';
import { type LetterLimits, MillraceError, type Topology, type TopologyChange } from '../../engine/index.ts';
import type { FitPlace } from '../../operators/index.ts';
import type { ArchivePlace } from '../archive/index.ts';
import type { PartitionInput, TaskStatus } from './partition-task.ts';

/** What a thread is told: plain data. Its topology comes from a module. */
export interface ThreadOrder {
  /** URL of a module that exports `topologyOf`, see `TopologyModule`. */
  readonly module: string;
  /** What `topologyOf` is called with. */
  readonly config: unknown;
  readonly nats: NatsServer;
  readonly partition: string;
  /** The folder of the partition's state. */
  readonly statePath: string;
  /** What stands between a stream and the graph is the topology's. */
  readonly inputs: readonly Omit<PartitionInput, 'through'>[];
  readonly allowTopologyChange: boolean;
  /** The task takes definitions from their bucket. */
  readonly takesDefinitions: boolean;
  /** Where messages lie that have left the stream of events; absent: nowhere. */
  readonly archive?: ArchivePlace;
  /** Dead letters of one tenant; absent: all are sent. */
  readonly letters?: LetterLimits;
}

/** What a topology finds where it runs. */
export interface TopologyPlace {
  /** Where models are fitted beside the task. Absent: in it. */
  readonly fits?: FitPlace;
}

/** A module that a thread can be told to run. */
export interface TopologyModule {
  topologyOf(config: unknown, place?: TopologyPlace): Topology;
}

/** Marks the data of a thread as an order of this kind: modules may be loaded in other threads, too. */
export interface TaskThreadData {
  readonly millrace: 'partition-task';
  readonly order: ThreadOrder;
}

/** What a thread says. */
export type ThreadReport =
  | { readonly kind: 'running' }
  | { readonly kind: 'topology_changed'; readonly changes: readonly TopologyChange[] }
  | { readonly kind: 'status'; readonly status: TaskStatus }
  | { readonly kind: 'words'; readonly words: Pick<TaskStatus, 'connected' | 'heads'> }
  /** Definitions cannot be read: a sentence. */
  | { readonly kind: 'definitions_unread'; readonly message: string }
  | {
      readonly kind: 'failed';
      readonly code: string;
      readonly message: string;
      readonly retriable: boolean;
      readonly operator: string | undefined;
      readonly stack: string | undefined;
    };

export async function loadTopologyModule(module: string): Promise<TopologyModule> {
  const loaded = (await import(module)) as Partial<TopologyModule>;
  if (typeof loaded.topologyOf === 'function') return { topologyOf: loaded.topologyOf };
  throw new MillraceError('topology_module_failed', `${module} does not export topologyOf(config).`);
}
