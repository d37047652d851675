import { hash } from 'node:crypto';
import {
  type HeaderSource,
  isBinary,
  keptFrom,
  partOf,
  RETENTION_TABLE,
  readKeptFrom,
  readRetentionCut,
  splitBody,
  structuredOf,
  type TimeLimits,
} from '../../../analytics/index.ts';
import { type TraceHeaders, threadTurns } from '../../../engine/index.ts';
import { ApiError, type ApiPorts, type EventMessage, requireMediaType } from '../../http/index.ts';
import { checkEvent, type EventCheck, type EventRejectCode, rejected, subjectToken } from './event-check.ts';

/** Limits of one POST /ingest. */
export const MAX_EVENTS = 10_000;
export const MAX_INGEST_BYTES = 10 * 1_048_576;
/** Events checked before others get their turn: bounds how long the event loop is held. */
const SLICE_EVENTS = 500;

/** What `POST /ingest` takes, by media type. */
export const INGEST_TYPES = [
  'application/json',
  'application/x-ndjson',
  'application/ndjson',
  'application/jsonl',
  'application/cloudevents+json',
  'application/cloudevents-batch+json',
] as const;

/** One event of a body: its bytes as they were sent, or why it has none that can be read. */
export type BodyEvent =
  | { readonly ok: true; readonly bytes: Uint8Array }
  | { readonly ok: false; readonly code: EventRejectCode; readonly message: string };

export interface EventBody {
  /** The body was one event by itself, not a list of one. */
  readonly single: boolean;
  /** The body is one JSON value: where a part is none, nothing of it is taken. */
  readonly whole: boolean;
  readonly events: readonly BodyEvent[];
}

/** The headers of a request, as a message's. */
export function headersOf(request: Request): HeaderSource {
  const { headers } = request;
  return {
    header: (name) => {
      const value = headers.get(name);
      return value === null ? undefined : utf8Of(value);
    },
    headers: () => [...headers].map(([name, value]) => [name, utf8Of(value)] as const),
  };
}

/** HTTP hands over a header's bytes as characters; what is UTF-8 was meant as such. */
function utf8Of(value: string): string {
  const text = Buffer.from(value, 'latin1').toString('utf8');
  return text.includes('\ufffd') ? value : text;
}

/** Refuses a body of a type that is none of events with 415; a binary CloudEvent's data may be of any. */
export function requireEventType(request: Request, headers: HeaderSource): void {
  if (!isBinary(headers)) requireMediaType(request, INGEST_TYPES);
}

/** What makes one request another one besides its body: its type, and the attributes of a binary CloudEvent. */
export function identityOf(request: Request): string {
  const attributes = [...request.headers].filter(([name]) => name.startsWith('ce-'));
  return JSON.stringify([request.headers.get('content-type'), ...attributes]);
}

/**
 * Takes a body apart into events, whose bytes stay as they were sent. An array that does not end is a 400; whether
 * a part is JSON is seen when it is checked.
 */
export function eventsOf(bytes: Uint8Array, headers: HeaderSource): EventBody {
  const body = splitBody(bytes, headers, MAX_EVENTS);
  if (body === undefined) throw malformed('The array does not end.');
  const count = body.ranges.length / 2;
  if (count === 0) {
    const message = 'must hold at least one event';
    throw new ApiError('validation_failed', `The body ${message}.`, { errors: [{ path: '', message }] });
  }
  if (count > MAX_EVENTS) {
    throw new ApiError(
      'too_many_events',
      `At most ${MAX_EVENTS} events are taken at once. Send several requests, or POST /ingest/bulk.`,
    );
  }
  const events: BodyEvent[] = [];
  for (let part = 0; part < count; part++) {
    const sent = partOf(bytes, body, part) ?? bytes;
    const stored = body.form === 'binary' ? structuredOf(headers, sent) : sent;
    if (stored === undefined) throw malformed('The data of the event is not JSON, as its type says.');
    events.push({ ok: true, bytes: stored });
  }
  return {
    single: body.form === 'one' || body.form === 'binary',
    whole: body.form !== 'lines',
    events,
  };
}

function malformed(message: string): ApiError {
  return new ApiError('malformed_json', `The body must be JSON in UTF-8. ${message}`, {
    errors: [{ path: '', message }],
  });
}

/** What the check of a tenant's events goes by: the clock, what the pipeline has forgotten, custom fields. */
export function timeLimits(
  { clock, reader, fieldRules }: Pick<ApiPorts, 'clock' | 'reader' | 'fieldRules'>,
  tenant: string,
): TimeLimits {
  const cut_ms = reader()?.reader.snapshot((table) => readRetentionCut(table(RETENTION_TABLE)));
  // Before there is a state nothing is forgotten.
  const fields = fieldRules?.(tenant);
  return { now_ms: clock.now(), cut_ms: cut_ms ?? Number.NEGATIVE_INFINITY, fields };
}

/** What there is to say of events that are taken and lie before the time from which on the tenant keeps events. */
export function notKept(
  { reader }: Pick<ApiPorts, 'reader'>,
  tenant: string,
  checks: readonly EventCheck[],
): readonly string[] {
  const from_ms = reader()?.reader.snapshot((table) => readKeptFrom(table, tenant));
  if (from_ms === undefined) return [];
  const count = checks.filter((check) => check.ok && check.time_ms < from_ms).length;
  if (count === 0) return [];
  return [`${count} of the events: ${keptFrom(from_ms, 'they count in rollups, and in nothing else.')}`];
}

function checkOf(event: BodyEvent, limits: TimeLimits): EventCheck {
  return event.ok ? checkEvent(event.bytes, limits) : rejected(null, event.code, event.message);
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

/**
 * Checks events in order, a slice at a time, so that others of whatever tenant have their turn. Throws where the body
 * as a whole is no JSON.
 */
export async function checkAll(
  { events, whole }: Pick<EventBody, 'events' | 'whole'>,
  limits: TimeLimits,
  tenant: string,
): Promise<EventCheck[]> {
  const checks: EventCheck[] = [];
  const checkSlice = (): void => {
    for (const event of events.slice(checks.length, checks.length + SLICE_EVENTS)) {
      const check = checkOf(event, limits);
      if (whole && !check.ok) refuseWhole(check);
      checks.push(check);
    }
  };
  while (checks.length < events.length) await threadTurns.run(tenant, checkSlice);
  return checks;
}

function refuseWhole({ code, message, errors }: Extract<EventCheck, { ok: false }>): void {
  if (code === 'malformed_json') throw malformed(message);
  if (code === 'json_too_deep')
    throw new ApiError(code, `The body must be JSON in UTF-8. ${message}`, { errors });
}

/** Messages for the good events, reasons for the others. */
export function prepare(tenant: string, checks: readonly EventCheck[], trace: TraceHeaders = {}): Prepared {
  const messages: EventMessage[] = [];
  const refused: RejectedEvent[] = [];
  const headers = Object.keys(trace).length === 0 ? {} : { headers: trace };
  for (const [index, check] of checks.entries()) {
    if (check.ok) messages.push({ ...messageOf(tenant, check), ...headers });
    else {
      const { event_id, code, message } = check;
      refused.push({ index, event_id, reason: `${code}: ${message.slice(0, 300)}` });
    }
  }
  return { messages, rejected: refused };
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
    id: hash('sha256', identity, 'hex'),
  };
}
