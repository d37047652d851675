import type { OutMessage } from './outbox-rows.ts';
import type { SourceRecord } from './source.ts';

/** The headers of W3C Trace Context (https://www.w3.org/TR/trace-context/). */
const TRACEPARENT = 'traceparent';
const TRACESTATE = 'tracestate';
/** Version, trace id, id of the parent, flags. */
const FORM = /^(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-([0-9a-f]{2})(-.*)?$/;
const SAMPLED = 1;
const MAX_STATE_CHARS = 512;

export type TraceHeaders = Readonly<Record<string, string>>;

const NO_TRACE: TraceHeaders = {};

/** What has headers: a message, or the request that it came with. */
type Traced = Pick<SourceRecord, 'header'> & Partial<Pick<SourceRecord, 'hasHeaders'>>;

/** The trace that a record is part of, as headers; empty where it is of none. */
export function traceOf(record: Traced): TraceHeaders {
  if (record.hasHeaders === false) return NO_TRACE;
  const traceparent = record.header(TRACEPARENT)?.trim() ?? '';
  if (!FORM.test(traceparent)) return NO_TRACE;
  const tracestate = record.header(TRACESTATE)?.trim() ?? '';
  const isFit = tracestate !== '' && tracestate.length <= MAX_STATE_CHARS && !/[^\x20-\x7e]/.test(tracestate);
  return isFit ? { traceparent, tracestate } : { traceparent };
}

function sampledOf(record: SourceRecord): TraceHeaders {
  const trace = traceOf(record);
  const flags = Number.parseInt(FORM.exec(trace.traceparent ?? '')?.[1] ?? '0', 16);
  return (flags & SAMPLED) === SAMPLED ? trace : NO_TRACE;
}

/**
 * Follows sampled traces through the graph: records of one are pushed by themselves, and what is sent meanwhile is
 * of that trace. So only what is sampled costs the speed of large batches.
 */
export class TraceFollower {
  #current: TraceHeaders = NO_TRACE;

  /** The records in order, those of a sampled trace apart from the others. */
  *runs(records: readonly SourceRecord[]): Generator<readonly SourceRecord[]> {
    let start = 0;
    let current = NO_TRACE;
    try {
      for (const [at, record] of records.entries()) {
        const trace = record.hasHeaders ? sampledOf(record) : NO_TRACE;
        if (trace.traceparent === current.traceparent) continue;
        this.#current = current;
        if (at > start) yield records.slice(start, at);
        start = at;
        current = trace;
      }
      this.#current = current;
      yield start === 0 ? records : records.slice(start);
    } finally {
      this.#current = NO_TRACE;
    }
  }

  /** A message with the trace of the records at work, unless it has one of its own. */
  mark(message: OutMessage): OutMessage {
    const { headers } = message;
    if (this.#current.traceparent === undefined || isOfTrace(headers)) return message;
    return { ...message, headers: { ...headers, ...this.#current } };
  }
}

const isOfTrace = (headers: OutMessage['headers']): boolean =>
  Object.keys(headers).some((name) => name.toLowerCase() === TRACEPARENT);
