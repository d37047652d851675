import { hash } from 'node:crypto';
import { setImmediate as nextTurn } from 'node:timers/promises';
import {
  ApiError,
  EVENTS_STREAM,
  type EventMessage,
  PARTITION,
  parseJson,
  tryParseJson,
} from '../../http/index.ts';
import { checkEvent, type EventCheck, type EventRejectCode, subjectToken } from './event-check.ts';

/** Limits of one POST /ingest. */
export const MAX_EVENTS = 10_000;
export const MAX_INGEST_BYTES = 10 * 1_048_576;
/** Events checked before others get their turn: bounds how long the event loop is held. */
const SLICE_EVENTS = 500;
const NEWLINE = 0x0a;

/** What `POST /ingest` takes, by media type. */
export const INGEST_TYPES = [
  'application/json',
  'application/x-ndjson',
  'application/ndjson',
  'application/jsonl',
  'application/cloudevents+json',
  'application/cloudevents-batch+json',
] as const;
type IngestType = (typeof INGEST_TYPES)[number];

/** One event of a body: its JSON value, or why it has none. */
export type BodyEvent =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly code: EventRejectCode; readonly message: string };

export interface EventBody {
  /** The body was one event by itself, not a list of one. */
  readonly single: boolean;
  readonly events: readonly BodyEvent[];
}

/** Takes a body apart into events. Malformed JSON is a 400; a malformed line of NDJSON is that line's. */
export function eventsOf(bytes: Uint8Array, type: IngestType): EventBody {
  const body = type.endsWith('ndjson') || type.endsWith('jsonl') ? ndjson(bytes) : json(bytes);
  if (body.events.length === 0) {
    const message = 'must hold at least one event';
    throw new ApiError('validation_failed', `The body ${message}.`, { errors: [{ path: '', message }] });
  }
  if (body.events.length > MAX_EVENTS) {
    throw new ApiError(
      'too_many_events',
      `At most ${MAX_EVENTS} events are taken at once. Send several requests, or POST /ingest/bulk.`,
    );
  }
  return body;
}

function json(bytes: Uint8Array): EventBody {
  const value = parseJson(bytes);
  if (Array.isArray(value)) {
    return { single: false, events: value.map((item: unknown) => ({ ok: true, value: item })) };
  }
  return { single: true, events: [{ ok: true, value }] };
}

function ndjson(bytes: Uint8Array): EventBody {
  const events: BodyEvent[] = [];
  for (let start = 0; start < bytes.length; ) {
    const newline = bytes.indexOf(NEWLINE, start);
    const end = newline === -1 ? bytes.length : newline;
    const line = bytes.subarray(start, end);
    if (!isBlank(line)) events.push(tryParseJson(line));
    // One more than allowed is enough to refuse the body.
    if (events.length > MAX_EVENTS) break;
    start = end + 1;
  }
  return { single: false, events };
}

/** Only white space. */
export function isBlank(line: Uint8Array): boolean {
  return line.every((byte) => byte <= 0x20);
}

/** The check of one event of a body. */
export function checkOf(event: BodyEvent, now_ms: number): EventCheck {
  if (event.ok) return checkEvent(event.value, now_ms);
  const { code, message } = event;
  return { ok: false, event_id: null, code, message, errors: [{ path: '', message }] };
}

export interface RejectedEvent {
  readonly index: number;
  readonly event_id: string | null;
  /** `code: what is wrong`. */
  readonly reason: string;
}

export interface Prepared {
  readonly messages: readonly EventMessage[];
  readonly rejected: readonly RejectedEvent[];
}

/** Checks events in order, giving way to others in between. */
export async function checkAll(events: readonly BodyEvent[], now_ms: number): Promise<EventCheck[]> {
  const checks: EventCheck[] = [];
  for (const event of events) {
    if (checks.length > 0 && checks.length % SLICE_EVENTS === 0) await nextTurn();
    checks.push(checkOf(event, now_ms));
  }
  return checks;
}

/** Messages for the good events, reasons for the others. */
export async function prepare(
  tenant: string,
  events: readonly BodyEvent[],
  now_ms: number,
): Promise<Prepared> {
  const messages: EventMessage[] = [];
  const rejected: RejectedEvent[] = [];
  for (const [index, check] of (await checkAll(events, now_ms)).entries()) {
    if (check.ok) messages.push(messageOf(tenant, check));
    else {
      const { event_id, code, message } = check;
      rejected.push({ index, event_id, reason: `${code}: ${message.slice(0, 300)}` });
    }
  }
  return { messages, rejected };
}

type Accepted = Extract<EventCheck, { ok: true }>;

/**
 * One event as one message. The id covers the payload too: a second event with the same `event_id` and
 * another payload has to reach the dedup operator, which counts the conflict.
 */
function messageOf(tenant: string, { event_id, partition_key, payload }: Accepted): EventMessage {
  const identity = Buffer.concat([Buffer.from(`${tenant}\0${event_id}\0`), payload]);
  return {
    subject: `events.${tenant}.${subjectToken(partition_key)}`,
    payload,
    msgId: hash('sha256', identity, 'hex'),
  };
}

/** A position that asks for everything up to `sequence`. */
export function positionOf(sequence: number): Record<string, Record<string, number>> {
  return { [EVENTS_STREAM]: { [PARTITION]: sequence } };
}
