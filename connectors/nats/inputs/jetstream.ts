import { MillraceError, type Source, type SourceSpec, type Topology } from '../../../engine/index.ts';

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
  /** What stands between the stream and the graph: `(source) => enrichingSource(source, { … })`. */
  readonly through?: (source: Source) => Source;
}

/** A JetStream stream as a source of a topology: `t.source(jetstream('ORDERS', { subjects: ['orders.>'] }))`. */
export function jetstream(stream: string, options: JetStreamInputOptions): SourceSpec {
  const { name, subjects, filter = [], through } = options;
  return {
    name: name ?? stream.toLowerCase(),
    kind: 'jetstream',
    options: { stream, subjects, filter },
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
  /** What stands between the stream and the graph. */
  readonly through: (source: Source) => Source;
}

/** The streams that a topology reads. Throws `no_source` where it says of none. */
export function jetstreamInputs({ name, sources }: Topology): readonly JetStreamInput[] {
  const inputs = sources.flatMap(
    // A topology of an older copy of the package says nothing of a filter.
    ({ name: node, kind, options: { stream, subjects, filter = [] }, through = (source) => source }) =>
      kind === 'jetstream' && typeof stream === 'string' && Array.isArray(subjects) && Array.isArray(filter)
        ? [{ node, stream, subjects: subjects.map(String), filter: filter.map(String), through }]
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
