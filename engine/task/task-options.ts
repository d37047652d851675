import type { Clock } from '../base/index.ts';
import type { ControlInput } from '../control/index.ts';
import type { Publisher, Quarantine, Source } from '../edges/index.ts';
import type { Listen, Topology, TopologyChange } from '../graph/index.ts';
import type { KvStore, StateChecks } from '../state/index.ts';
import type { Sources } from './inputs.ts';
import type { Progress } from './meta.ts';
import type { TaskChannels } from './sending.ts';
import type { TaskLimits } from './task-limits.ts';

/** What a task is made of: a topology, where its records come from, where its state lies, and where its messages go. */
export interface TaskOptions {
  readonly topology: Topology;
  /** One, or one for each source node of the topology, by name. */
  readonly source: Source | Sources;
  readonly store: KvStore;
  readonly publisher: Publisher;
  /** Definitions that change while it runs. Default: none come, and those of the last commit stay. */
  readonly control?: ControlInput;
  readonly clock: Clock;
  readonly limits?: Partial<TaskLimits>;
  readonly onCommit?: (progress: Progress) => void;
  /** Starts also where the topology changed so that state is given up, and deletes that state. Default: false. */
  readonly allowTopologyChange?: boolean;
  /** Hears what is different from the topology that wrote the state. */
  readonly onTopologyChange?: (changes: readonly TopologyChange[]) => void;
  /** Hears every batch that leaves a node: for tests and inspection. */
  readonly listen?: Listen;
  /**
   * How closely state is looked at for what a restart would lose: `first`, the default, at the first rows of each table;
   * `always`, as tests do, at every row, and at values that are changed in place without being set.
   */
  readonly stateChecks?: StateChecks;
  /** Puts records aside whose processing throws; to be handed to every run of the task. Default: they stop it. */
  readonly quarantine?: Quarantine;
  /**
   * What leaves the task follows from its log alone, and not from where it is cut into batches and commits, the clock or
   * how two ways through the graph interleave: so two tasks of one log give the same. Records go through one at a time,
   * idle sources are told by ticks of the log, and what cannot have this is refused by name. Default: false.
   */
  readonly ordered?: boolean;
  /** Of a task of a partitioned topology: where its cuts send, and whether it sends at all. Default: it has no cuts. */
  readonly channels?: TaskChannels;
}
