import { originalHeaders } from './original-headers.ts';
import type { OutMessage } from './outbox-rows.ts';
import type { SourceRecord } from './source.ts';
import { traceOf } from './trace-context.ts';

/** Where in a stream something came from. */
export interface RecordPlace {
  /** Whose it is: part of the dead letter's subject, `deadletter.<tenant>`. */
  readonly tenant: string;
  readonly record: SourceRecord;
  /** Of a record that holds several things; 0 for the whole of it. */
  readonly part: number;
}

/** Why it could not be processed. */
export interface Rejection {
  /** Stable. */
  readonly code: string;
  readonly detail: string;
}

const DETAIL_MAX_CHARS = 300;
/** With its headers a dead letter must fit a server's default limit of 1 MiB a message. */
const PAYLOAD_MAX_BYTES = 1_000_000;

/**
 * What could not be processed, as an owed message: its bytes, and in headers the reason, its place and the
 * headers that it had. The id is its place, so that a repeat after a crash is the same message; where it is sent,
 * the engine adds topology, operator, stream and incarnation.
 */
export function deadLetter(
  { tenant, record, part }: RecordPlace,
  why: Rejection,
  bytes: Uint8Array,
): OutMessage {
  const { subject, sequence } = record;
  return {
    id: `deadletter-${encodeURIComponent(subject)}-${sequence}-${part}-${why.code}`,
    subject: `deadletter.${tenant}`,
    headers: {
      Reason: why.code,
      // Header values are one line of ASCII.
      'Reason-Detail': why.detail.replaceAll(/[^\x20-\x7e]/g, '?').slice(0, DETAIL_MAX_CHARS),
      'Original-Subject': subject,
      'Original-Seq': String(sequence),
      'Original-Part': String(part),
      ...originalHeaders(record),
      ...traceOf(record),
      ...(bytes.length > PAYLOAD_MAX_BYTES ? { 'Truncated-From': String(bytes.length) } : {}),
    },
    payload: bytes.subarray(0, PAYLOAD_MAX_BYTES),
    // A flood of them must not wait for one another.
    unordered: true,
    isLocalId: true,
  };
}
