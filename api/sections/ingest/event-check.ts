import {
  checkTime,
  EVENT_TIME,
  eventSchema,
  MAX_MESSAGE_BYTES,
  parseEventTime,
  type RejectCode,
  withTimeAlias,
} from '../../../analytics/index.ts';
import { errorsOf, type FieldError } from '../../http/index.ts';

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
      /** What goes into the stream: the event's JSON, members as given. */
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

type Members = Readonly<Record<string, unknown>>;

function isObject(value: unknown): value is Members {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** CloudEvents 1.0: context attributes that say how the data is encoded, not what happened. */
const ENVELOPE = new Set(['specversion', 'id', 'datacontenttype', 'dataschema', 'data', 'data_base64']);

/** A structured CloudEvent as the flat event that it stands for; anything else as it is. */
function flat(value: Members): Members {
  if (typeof value.specversion !== 'string') return value;
  const attributes = Object.entries(value).filter(([name]) => !ENVELOPE.has(name));
  return {
    ...(isObject(value.data) ? value.data : {}),
    ...Object.fromEntries(attributes),
    event_id: value.id,
  };
}

/** The largest event: a NATS server of default settings takes 1 MiB with the message's headers. */
export const MAX_EVENT_BYTES = MAX_MESSAGE_BYTES - 512;

const encoder = new TextEncoder();
const REQUIRED = ['event_id', 'type', 'time'] as const;

/**
 * Checks one event as the stream's decoder will, so that what the API accepts is not dead-lettered
 * later: a flat event or a structured CloudEvent. Never throws.
 */
export function checkEvent(value: unknown, now_ms: number): EventCheck {
  if (!isObject(value)) return rejected(null, 'not_an_object', 'An event is a JSON object.', '');
  const members = withTimeAlias(flat(value));
  const event_id = typeof members.event_id === 'string' ? members.event_id.slice(0, 128) : null;
  const missing = REQUIRED.filter((name) => members[name] === undefined || members[name] === null);
  if (missing.length > 0) {
    const errors = missing.map((path) => ({
      path,
      message: path === 'time' ? `is required: ${EVENT_TIME}` : 'is required',
    }));
    return { ok: false, event_id, code: 'missing_field', message: `${missing.join(', ')}: required`, errors };
  }
  const parsed = eventSchema.safeParse(members);
  if (!parsed.success) {
    const errors = errorsOf(parsed.error);
    const first = errors[0];
    return { ok: false, event_id, code: 'bad_field', message: `${first?.path}: ${first?.message}`, errors };
  }
  const { time, type, customer_id, order_id } = parsed.data;
  const bytes = encoder.encode(time);
  const time_ms = parseEventTime(bytes, 0, bytes.length);
  const bad = checkTime(time_ms, now_ms, () => time);
  if (bad !== undefined) return rejected(event_id, bad.code, bad.detail, 'time');
  const payload = encoder.encode(JSON.stringify(value));
  if (payload.length > MAX_EVENT_BYTES) {
    const message = `The event has ${payload.length} bytes; at most ${MAX_EVENT_BYTES} are taken.`;
    return rejected(event_id, 'too_large', message, '');
  }
  return {
    ok: true,
    event_id: parsed.data.event_id,
    type,
    time_ms,
    partition_key: customer_id || order_id || '',
    payload,
  };
}

function rejected(event_id: string | null, code: EventRejectCode, message: string, path: string): EventCheck {
  return { ok: false, event_id, code, message, errors: [{ path, message }] };
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
