import {
  type Builder,
  decode,
  type SourceSpec,
  type Stream,
  type Topology,
  topology,
  watermark,
} from '../../index.ts';
import { nexmarkDecoder, type Projection } from './messages.ts';
import type { NexmarkEvent } from './model.ts';

/** What some queries need beside the events. */
export interface QueryOptions {
  /** Where q10 puts its files. */
  readonly folder: string;
}

/** One query of the benchmark. `R` is what a row of its result says. */
export interface NexmarkQuery<R> {
  readonly name: string;
  readonly title: string;
  readonly projection: Projection;
  /** The query over events that come with watermarks. */
  build(events: Stream<NexmarkEvent>, options: QueryOptions): Stream<R>;
  /** The result is a table: of the rows of one key the last one counts. Without it every row counts. */
  keyOf?(row: R): string;
}

/** How far behind the newest event others may come, ms: as in Flink's definition of the source table. */
export const OUT_OF_ORDERNESS_MS = 4_000;

/** Event time from the events, which may come `outOfOrderness_ms` late. */
export function eventTime(outOfOrderness_ms: number) {
  return watermark<NexmarkEvent>('event-time', {
    timeOf: ({ dateTime }) => dateTime,
    outOfOrderness_ms,
    // A benchmark's event time has nothing to do with the clock.
    idle_ms: Number.POSITIVE_INFINITY,
    late: ({ kind, dateTime }) => ({ scope: 'nexmark', sequence: 0, detail: { kind, dateTime } }),
  });
}

/** A query from the messages of a stream to its rows; `sink` says what becomes of them. */
export function queryTopology<R>(
  query: NexmarkQuery<R>,
  options: QueryOptions,
  sink: (rows: Stream<R>) => void,
  source: string | SourceSpec = 'events',
): Topology {
  return topology(`nexmark-${query.name}`, (t: Builder) => {
    const events = t
      .source(source)
      .pipe(
        decode<NexmarkEvent>('decode', { decoder: nexmarkDecoder(query.projection) }),
        eventTime(OUT_OF_ORDERNESS_MS),
      );
    sink(query.build(events, options));
  });
}

export const BID_NUMBERS: Projection = { kinds: ['bid'], bidText: 'none' };
export const BIDS: Projection = { kinds: ['bid'], bidText: 'all' };
