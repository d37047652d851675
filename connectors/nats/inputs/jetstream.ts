import {
  MillraceError,
  type Source,
  type SourceSpec,
  type StreamFacts,
  type Topology,
} from '../../../engine/index.ts';
import { requirePatterns, requireStreamName } from '../client/index.ts';

/**
 * What a source does where its stream has removed what was not read: the task stops (`position_before_stream`), or
 * goes on and counts it.
 */
export type GapChoice = 'stop' | 'skip';

/** How a stream is read as the source of a topology. */
export interface JetStreamInputOptions {
  /** Of the node in the topology; default: the stream's name in lower case. */
  readonly name?: string;
  /** What the stream takes when it has to be made. */
  readonly subjects: readonly string[];
  /**
   * Reads only messages of these subjects (`*` and `>` as in NATS), which the server picks; of several it sends what
   * the narrowest pattern over them matches, and the rest is left out here. Default: all of the stream.
   */
  readonly filter?: readonly string[];
  /**
   * Of a topology with partitions: which of the `*` of its one subject decide where a message goes, counted from 1, as
   * `[1]` of `orders.*.*`. The stream is made so that it divides messages itself. Give the subject another `*` that says
   * the type of the message: then time passes in quiet partitions, too.
   */
  readonly partitionBy?: readonly number[];
  /**
   * What becomes of messages that the stream has removed before they were read (its limits, a purge), as the position
   * tells after a time away. `stop` (default): the task ends with `position_before_stream`. `skip`: it goes on without
   * them; they are counted, and health names them.
   */
  readonly onGap?: GapChoice;
  /**
   * The stream keeps only the newest messages of each subject (`max_msgs_per_subject`): what is gone was replaced,
   * and nothing of it is missed or counted.
   */
  readonly compacted?: boolean;
  /** What stands between the stream and the graph: `(source) => enrichingSource(source, { … })`. */
  readonly through?: (source: Source) => Source;
}

/**
 * A JetStream stream as a source of a topology: `t.source(jetstream('ORDERS', { subjects: ['orders.>'] }))`. Throws
 * `bad_stream_name` and `bad_subject` for what NATS does not take, and `bad_config`.
 */
export function jetstream(stream: string, options: JetStreamInputOptions): SourceSpec {
  const { name, subjects, filter = [], onGap, compacted, through, partitionBy } = options;
  requireStreamName(stream);
  requirePatterns(`the source of "${stream}"`, [...subjects, ...filter]);
  if (compacted === true && onGap !== undefined) {
    throw new MillraceError(
      'bad_config',
      `The source of "${stream}" has both compacted and onGap: in a compacted stream gaps are normal.`,
    );
  }
  return {
    name: name ?? stream.toLowerCase(),
    kind: 'jetstream',
    options: { stream, subjects, filter, partitionBy, gaps: compacted === true ? 'compacted' : onGap },
    ...(filter.length === 0 ? {} : { definition: { filter: [...filter].sort().join(', ') } }),
    ...(through === undefined ? {} : { through }),
  };
}

/** A stream that a topology reads. */
export interface JetStreamInput {
  /** Its source in the topology. */
  readonly node: string;
  readonly stream: string;
  /** What the stream takes when it has to be made. */
  readonly subjects: readonly string[];
  /** What is read of it; none: all. */
  readonly filter: readonly string[];
  /** Which `*` of its subject decide the partition. */
  readonly partitionBy?: readonly number[];
  /** Undefined: as whoever runs the topology says. */
  readonly gaps: GapChoice | 'compacted' | undefined;
  /** What stands between the stream and the graph. */
  readonly through: (source: Source) => Source;
}

const gapsOf = (given: unknown): JetStreamInput['gaps'] =>
  given === 'stop' || given === 'skip' || given === 'compacted' ? given : undefined;

/** What a source makes of gaps: its own choice before that of whoever runs the topology. */
export function gapPolicy(own: JetStreamInput['gaps'], otherwise: GapChoice = 'stop'): StreamFacts['gaps'] {
  if (own === 'compacted') return 'normal';
  return (own ?? otherwise) === 'skip' ? 'count' : undefined;
}

/** The streams that a topology reads. Throws `no_source` where it says of none. */
export function jetstreamInputs({ name, sources }: Topology): readonly JetStreamInput[] {
  const inputs = sources.flatMap(
    // A topology of an older copy of the package says nothing of a filter.
    ({
      name: node,
      kind,
      options: { stream, subjects, filter = [], gaps, partitionBy },
      through = (source) => source,
    }) =>
      kind === 'jetstream' && typeof stream === 'string' && Array.isArray(subjects) && Array.isArray(filter)
        ? [
            {
              node,
              stream,
              subjects: subjects.map(String),
              filter: filter.map(String),
              gaps: gapsOf(gaps),
              ...(Array.isArray(partitionBy) ? { partitionBy: partitionBy.map(Number) } : {}),
              through,
            },
          ]
        : [],
  );
  if (inputs.length === 0) {
    throw new MillraceError(
      'no_source',
      `The topology "${name}" does not say which stream it reads: give its source as t.source(jetstream('STREAM', { subjects: [...] })).`,
    );
  }
  return inputs;
}
