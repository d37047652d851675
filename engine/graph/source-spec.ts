import type { Source } from '../edges/index.ts';
import type { Definition } from './operator.ts';

/** Where the records of a source come from. What the options mean is the connector's business. */
export interface SourceSpec {
  /** Of the node. */
  readonly name: string;
  /** Of the connector, e.g. `jetstream`. */
  readonly kind: string;
  readonly options: Readonly<Record<string, unknown>>;
  /** What of the stream is read, where it is not all: a start that reads something else is refused, see `changesFrom`. */
  readonly definition?: Definition;
  /** What stands between the connector's source and the graph, e.g. an `enrichingSource`. */
  readonly through?: (source: Source) => Source;
}
