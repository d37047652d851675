import {
  type BadEvent,
  checkEventMembers,
  flatten,
  isDeeper,
  MAX_MESSAGE_BYTES,
  MAX_NESTING,
  type RejectCode,
  type TimeLimits,
  valueOfPart,
} from '../analytics/index.ts';
import { type FieldError, MAX_ERRORS } from './problem.ts';

/** Why an event is not taken. Codes are stable, and those of the dead letters where these have one. */
export type EventRejectCode = RejectCode | 'json_too_deep';

export type EventCheck =
  | {
      readonly ok: true;
      readonly event_id: string;
      readonly type: string;
      readonly time_ms: number;
      /** The customer, else the order, else ''. */
      readonly partition_key: string;
      /** What goes into the stream: the bytes as they were sent. */
      readonly payload: Uint8Array;
    }
  | {
      readonly ok: false;
      /** null where there is none to name. */
      readonly event_id: string | null;
      readonly code: EventRejectCode;
      readonly message: string;
      readonly errors: readonly FieldError[];
    };

/** The largest event: a NATS server of default settings takes 1 MiB with the message's headers. */
export const MAX_EVENT_BYTES = MAX_MESSAGE_BYTES - 512;

const NO_HEADERS = { header: () => undefined };

/**
 * Checks one event, a flat one or a structured CloudEvent, by the check of the stream's decoder: what the API
 * accepts is not dead-lettered later. Never throws.
 */
export function checkEvent(bytes: Uint8Array, limits: TimeLimits): EventCheck {
  if (bytes.length > MAX_EVENT_BYTES) {
    const message = `The event has ${bytes.length} bytes; at most ${MAX_EVENT_BYTES} are taken.`;
    return rejected(null, 'too_large', message);
  }
  const parsed = valueOfPart(NO_HEADERS, bytes);
  if (!parsed.ok) return rejected(null, 'malformed_json', parsed.detail);
  if (isDeeper(parsed.value, MAX_NESTING))
    return rejected(null, 'json_too_deep', `It is nested more than ${MAX_NESTING} levels deep.`);
  const event = checkEventMembers(flatten(parsed.value), limits);
  if (!event.ok) return badEvent(event);
  const { event_id, type, customer_id, order_id } = event.input;
  return {
    ok: true,
    event_id,
    type,
    time_ms: event.time_ms,
    partition_key: customer_id || order_id || '',
    payload: bytes,
  };
}

function badEvent({ code, detail, members, issues }: BadEvent): EventCheck {
  const id = members?.event_id;
  const event_id = typeof id === 'string' ? id.slice(0, 128) : null;
  return { ok: false, event_id, code, message: detail, errors: issues.slice(0, MAX_ERRORS) };
}

/** The check of a part that cannot be an event. */
export function rejected(event_id: string | null, code: EventRejectCode, message: string): EventCheck {
  return { ok: false, event_id, code, message, errors: [{ path: '', message }] };
}

/**
 * A partition key as one token of a subject: `.`, `*`, `>` and spaces percent-encoded, as every
 * publisher does, and control characters, which a subject cannot carry. `_` for an empty one.
 */
export function subjectToken(key: string): string {
  if (key === '') return '_';
  let token = '';
  for (const character of key) {
    const code = character.charCodeAt(0);
    const reserved = code <= 0x20 || code === 0x7f || '.*>'.includes(character);
    token += reserved ? `%${code.toString(16).toUpperCase().padStart(2, '0')}` : character;
  }
  return token;
}
