import {
  ByteReader,
  ByteWriter,
  type PlanPart,
  type QueryContext,
  type QueryKind,
  type ScanPlan,
} from '../../engine/index.ts';
import { CODE, FLAG, NUMBER } from '../rows/index.ts';
import type { EventLogView } from './select-request.ts';

/** Name of the kind. */
const DISPLACED_EVENTS = 'events.displaced';

/** CPU of a row, ms: one column is looked at. */
const COST_MS_A_ROW = 3e-6;
/** Rows of one part of a plan, about. */
const PART_ROWS = 1 << 18;

/** A range of event time, and of the stream. Plain data. */
export interface DisplacedRequest {
  readonly start_ms: number;
  readonly end_ms: number;
  readonly upTo: number;
}

/** An event that a correction took back, and where that correction is. */
export interface DisplacedEvent {
  readonly sequence: number;
  readonly part: number;
  readonly by_sequence: number;
  readonly by_part: number;
}

type Shared = Record<string, never>;
export type DisplacedKind = QueryKind<DisplacedRequest, Shared, ScanPlan, readonly DisplacedEvent[]>;

interface Change extends DisplacedEvent {
  readonly isBack: boolean;
}

/** The events of a range that are not in force. `open` finds the log of a snapshot. */
export function displacedEvents(open: (context: QueryContext) => EventLogView): DisplacedKind {
  return {
    name: DISPLACED_EVENTS,
    // Requests are made by the service, never by a client.
    schema: { parse: (input) => input as DisplacedRequest },
    plan: (context, request) => {
      const whole = open(context).plan({ scope: context.scope, ...request });
      return {
        kind: DISPLACED_EVENTS,
        ...{ rows: whole.rows, bytes: whole.bytes, chunks: whole.chunks.length },
        ...{ cost_ms: whole.rows * COST_MS_A_ROW, source: 'scan', explain: {}, narrow: [], shared: {} },
        parts: partsOf(whole),
      };
    },
    partial: (context, _, part, cancel) => {
      const view = open(context);
      const writer = new ByteWriter();
      const { start_ms, end_ms, upTo = Number.POSITIVE_INFINITY } = part.request;
      view.scan(part, (chunk) => {
        cancel.check();
        const flags = chunk.code(CODE.flags);
        if (!flags.values.some((value) => (value & FLAG.displaced) !== 0)) return;
        const rows = new Uint32Array(chunk.rows);
        const found = chunk.select(CODE.flags, (value) => (value & FLAG.displaced) !== 0, rows);
        const [times, sequence, parts] = [chunk.time_ms(), chunk.sequence(), chunk.part()];
        const [origin, originPart] = [chunk.number(NUMBER.origin), chunk.number(NUMBER.origin_part)];
        const back = chunk.code(CODE.retraction);
        for (let at = 0; at < found; at++) {
          const row = rows[at] as number;
          const time_ms = times[row] as number;
          if (time_ms < start_ms || time_ms >= end_ms || (sequence[row] as number) > upTo) continue;
          writer
            .varint(origin[row] as number)
            .varint(originPart[row] as number)
            .varint(sequence[row] as number)
            .varint(parts[row] as number)
            .u8(back.values[back.index === null ? 0 : (back.index[row] as number)] as number);
        }
      });
      return writer.copy();
    },
    merge: (a, b) => Buffer.concat([a, b]),
    finish: (_, __, bytes) => (bytes === undefined ? [] : netOf(changesOf(bytes))),
  };
}

function partsOf(whole: ScanPlan): readonly PlanPart<ScanPlan>[] {
  const parts: PlanPart<ScanPlan>[] = [];
  let chunks: ScanPlan['chunks'][number][] = [];
  let rows = 0;
  const close = (): void => {
    if (chunks.length === 0) return;
    const work = { ...whole, chunks, rows };
    parts.push({ reads: 'immutable', rows, cost_ms: rows * COST_MS_A_ROW, work });
    chunks = [];
    rows = 0;
  };
  for (const chunk of whole.chunks) {
    chunks.push(chunk);
    rows += chunk.rows;
    if (rows >= PART_ROWS) close();
  }
  close();
  return parts;
}

function* changesOf(bytes: Uint8Array): Iterable<Change> {
  const reader = new ByteReader(bytes);
  while (reader.remaining > 0) {
    yield {
      ...{ sequence: reader.varint(), part: reader.varint() },
      ...{ by_sequence: reader.varint(), by_part: reader.varint(), isBack: reader.u8() === 1 },
    };
  }
}

/** Of each event the last change; those that were taken back more often than put back. */
function netOf(changes: Iterable<Change>): readonly DisplacedEvent[] {
  const events = new Map<string, { net: number; last: Change }>();
  for (const change of changes) {
    const key = `${change.sequence}/${change.part}`;
    const known = events.get(key) ?? { net: 0, last: change };
    known.net += change.isBack ? 1 : -1;
    const { last } = known;
    if ((change.by_sequence - last.by_sequence || change.by_part - last.by_part) > 0) known.last = change;
    events.set(key, known);
  }
  return [...events.values()].flatMap(({ net, last: { isBack: _, ...event } }) => (net > 0 ? [event] : []));
}
