import { hash } from 'node:crypto';
import { flatten, type HeaderSource, isObject, own, valueOfPart } from '../../../analytics/index.ts';
import type { LetterMessage } from '../../http/index.ts';

/** A dead letter: what could not be processed, and why. */
export interface Letter {
  /** In the stream of dead letters. */
  readonly sequence: number;
  readonly reason: string;
  readonly detail: string;
  /** When it was rejected, ms. */
  readonly at_ms: number;
  readonly original_subject: string;
  /** 0 where it came from no stream. */
  readonly original_sequence: number;
  readonly original_stream: string;
  readonly original_part: number;
  /** Of a connector: where it stands, and what its events are called that have no ids of their own. */
  readonly record: { readonly id: string; readonly place: string } | undefined;
  /** The headers that it had. */
  readonly headers: HeaderSource;
  readonly payload: Uint8Array;
  /** Bytes of the original, where only its beginning was kept. */
  readonly truncated_from: number | undefined;
  /** The same for every copy of it. */
  readonly identity: string;
}

/** Reasons of letters that hold no event of their own, and what to do. */
const SUMMARIES: ReadonlyMap<string, string> = new Map([
  ['too_many_letters', 'it sums up rejections that have no letters of their own: its payload says which'],
]);

/** Why a letter can be no event; undefined: it may become one. */
export const summaryOf = ({ reason }: Pick<Letter, 'reason'>): string | undefined => SUMMARIES.get(reason);

/** Keeps the bytes: those of the message may be used again for the next. */
export function letterOf(message: LetterMessage): Letter {
  const truncated = message.header('Truncated-From');
  const original_sequence = Number(message.header('Original-Seq') ?? 0);
  const original_stream = message.header('Original-Stream') ?? '';
  const original_subject = message.header('Original-Subject') ?? '';
  const original_part = Number(message.header('Original-Part') ?? 0);
  const own_id = message.header('Nats-Msg-Id') ?? `DEADLETTER-${message.sequence}`;
  const place = [original_stream, original_subject, original_sequence, original_part].join('\0');
  return {
    sequence: message.sequence,
    reason: message.header('Reason') ?? '',
    detail: message.header('Reason-Detail') ?? '',
    at_ms: message.stored_ms ?? Date.parse(message.header('Nats-Time-Stamp') ?? '1970-01-01T00:00:00Z'),
    ...{ original_subject, original_sequence, original_stream, original_part },
    record: recordOf(message),
    headers: headersOf(message.header('Original-Headers')),
    payload: Uint8Array.from(message.data),
    truncated_from: truncated === undefined ? undefined : Number(truncated),
    identity: hash('sha256', original_sequence > 0 ? place : own_id, 'hex').slice(0, 32),
  };
}

function recordOf(message: LetterMessage): Letter['record'] {
  const [id, place] = [message.header('Record-Id'), message.header('Original-Place')];
  return id === undefined || place === undefined ? undefined : { id, place };
}

/** The subject of a message, whichever way it was read. */
export const subjectOf = (message: LetterMessage): string =>
  message.header('Nats-Subject') ?? message.subject;

/** What a `Original-Headers` says; a list that cannot be read is none. */
function headersOf(text: string | undefined): HeaderSource {
  const list: unknown = text === undefined ? [] : parsedOrNothing(text);
  const entries = (Array.isArray(list) ? list : []).flatMap((entry: unknown) => {
    const [name, value] = Array.isArray(entry) ? (entry as unknown[]) : [];
    return typeof name === 'string' && typeof value === 'string' ? [[name, value] as const] : [];
  });
  return {
    header: (wanted) => entries.find(([name]) => name.toLowerCase() === wanted.toLowerCase())?.[1],
    headers: () => entries,
  };
}

function parsedOrNothing(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** The payload as one JSON value; undefined where it is none. */
export function payloadValue({ headers, payload }: Letter): unknown {
  const parsed = valueOfPart(headers, payload);
  return parsed.ok ? parsed.value : undefined;
}

/** The type of the event that it was to be; '' where it says none. */
export function eventType(value: unknown): string {
  const members = flatten(value);
  const type = isObject(members) ? own(members, 'type') : undefined;
  return typeof type === 'string' ? type : '';
}
