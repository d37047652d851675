import type { StreamLook } from '../../connectors/index.ts';
import type { MetricSample, Progress, SupervisedState, TopologyDescription } from '../../engine/index.ts';

/** Why a message that is owed to the outside was not taken, the last time it was sent. */
export interface SendFailure {
  readonly subject: string;
  /** Of the error, e.g. `no_stream_for_subject`. */
  readonly code: string;
  readonly message: string;
}

/** How the process that runs the topology stands. Plain data. */
export interface HostFacts {
  readonly state: SupervisedState;
  readonly error?: { readonly code: string; readonly message: string; readonly operator?: string };
  /** Of the task that runs now: its counters begin with it. */
  readonly samples: readonly MetricSample[];
  readonly sends: readonly SendFailure[];
}

/** A stream that the topology reads. */
export interface InputFacts {
  /** The source in the topology. */
  readonly node: string;
  readonly stream: string;
  readonly filter: readonly string[];
  /** Undefined: nothing is known, for NATS is away. */
  readonly look: StreamLook | undefined;
}

/** Everything that a diagnosis is made of. */
export interface WhyFacts {
  readonly topology: TopologyDescription;
  readonly inputs: readonly InputFacts[];
  /** Undefined: no process runs the topology. */
  readonly host: HostFacts | undefined;
  /** Undefined: nothing was ever committed. */
  readonly progress: Progress | undefined;
  readonly nats: {
    readonly url: string;
    /** Undefined: it answers. */
    readonly problem?: { readonly code: string; readonly message: string };
  };
}

/** One cause of silence. */
export interface Cause {
  /** Stable. */
  readonly code: string;
  /** Where: an operator, a source, a stream, the task. */
  readonly place: string;
  readonly sentence: string;
  /** What to do. */
  readonly next: string;
}
