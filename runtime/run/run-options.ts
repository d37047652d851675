import type { GapChoice, NatsAccess } from '../../connectors/index.ts';
import type { Publisher, TaskLimits, TopologyChange } from '../../engine/index.ts';
import type { ClusterOptions } from '../partitions/index.ts';

/** Where and how `run` runs a topology. */
export interface RunOptions {
  /** Where state and, without `natsUrl`, the embedded server's streams lie. */
  readonly dataDir: string;
  /** A server that is there; default: one is started. */
  readonly natsUrl?: string;
  /** Credentials, TLS, domain and more of that server. */
  readonly nats?: NatsAccess;
  /** Port of the server that is started; default: a free one. */
  readonly natsPort?: number;
  /**
   * Shares the tasks of a topology with partitions with other processes that have the same `natsUrl`, and another
   * `member` and `dataDir` each. Default: this process has all of them.
   */
  readonly cluster?: ClusterOptions;
  /** Streams that the topology's sinks write to, by name, with their subjects; made if they are not there. */
  readonly streams?: Readonly<Record<string, readonly string[]>>;
  readonly limits?: Partial<TaskLimits>;
  /**
   * What sends the messages that the topology owes, around the one to JetStream:
   * `(next) => new CallbackPublisher(next).register('mail', sendMail)` for `toCallback`.
   */
  readonly publisher?: (next: Publisher) => Publisher;
  /** Starts also where the topology changed so that state is given up, and deletes that state; default: false. */
  readonly allowTopologyChange?: boolean;
  /** Hears what is different from the topology that wrote the state; also in the log. */
  readonly onTopologyChange?: (changes: readonly TopologyChange[]) => void;
  /**
   * What becomes of a record whose processing throws. `stop` (default): nothing of its batch is committed, and the
   * task ends. `deadLetter`: the task finds it, sends it to the dead letters with the reason
   * `processing_failed`, and goes on without it.
   */
  readonly failingRecords?: 'stop' | 'deadLetter';
  /** Of sources that do not say themselves what becomes of messages that were removed unread; default: `stop`. */
  readonly onGap?: GapChoice;
  /** Hears what happens, a line each; default: nowhere. */
  readonly log?: (line: string) => void;
}
