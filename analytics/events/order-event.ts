import type { SourceRecord } from '../../engine/index.ts';
import { fnv1aOfString, hashInteger, hashJson, hashMember, murmur128 } from '../../operators/index.ts';
import { DIMENSIONS } from '../model/index.ts';
import {
  type EventInput,
  eventSchema,
  MAX_FUTURE_MS,
  MAX_NESTING,
  MIN_EVENT_TIME_MS,
  TIME_ALIASES,
} from './event-schema.ts';
import { T, typeCode } from './event-types.ts';
import { parseEventTime } from './rfc3339.ts';

export interface Line {
  readonly sku: string;
  readonly category: string;
  readonly quantity: number;
  /** Minor units. */
  readonly unit_price: number;
}

/** An event as the operators see it. One shape for all, so that the hot path stays monomorphic. */
export interface OrderEvent {
  tenant: string;
  /** The message it came in, for who needs its bytes again; valid until the source's next take. */
  record: SourceRecord;
  /** Stream sequence, and the place within a message that carries several events. */
  sequence: number;
  part: number;
  /** 96 bits of the event id's hash: its identity. Signed words, which V8 need not box. */
  id0: number;
  id1: number;
  id2: number;
  /** Hash of everything else, whatever the order of members: tells a conflict from a duplicate. */
  payload: number;
  /** Index in EVENT_TYPES, or -1. */
  type: number;
  time_ms: number;
  /** '' where absent. */
  order_id: string;
  customer_id: string;
  session_id: string;
  currency: string;
  /** By index in DIMENSIONS; '' where absent. */
  dimensions: string[];
  /** Minor units. */
  amount: Amount;
  discount: Amount;
  shipping: Amount;
  tax: Amount;
  items: readonly Line[] | null;
  /** Members for the few types that need more than the fields above (tickets, rates). */
  extra: Readonly<Record<string, unknown>> | null;
}

/** An amount that is not there. Not NaN: V8 keeps every double of an object in a box of its own. */
export const ABSENT = null;
export type Amount = number | typeof ABSENT;

/** Where an event came from. */
export interface Place {
  readonly tenant: string;
  readonly record: SourceRecord;
  readonly part: number;
}

export function emptyEvent({ tenant, record, part }: Place): OrderEvent {
  return {
    tenant,
    record,
    sequence: record.sequence,
    part,
    id0: 0,
    id1: 0,
    id2: 0,
    payload: 0,
    type: -1,
    time_ms: 0,
    order_id: '',
    customer_id: '',
    session_id: '',
    currency: '',
    dimensions: ['', '', '', '', '', '', '', ''],
    amount: ABSENT,
    discount: ABSENT,
    shipping: ABSENT,
    tax: ABSENT,
    items: null,
    extra: null,
  };
}

/** Why an event goes to the dead letters. Codes are stable. */
export type RejectCode =
  | 'too_large'
  | 'too_many_rejections'
  | 'bad_subject'
  | 'malformed_json'
  | 'not_an_object'
  | 'missing_field'
  | 'bad_field'
  | 'bad_time'
  | 'time_in_future'
  | 'time_too_old';

export interface Rejection {
  readonly code: RejectCode;
  readonly detail: string;
}

const scratch = new Uint32Array(4);
const encoder = new TextEncoder();
const seeds = new Map<string, number>();

/** The tenant is part of an event's identity. */
export function tenantSeed(tenant: string): number {
  let seed = seeds.get(tenant);
  if (seed === undefined) {
    seed = fnv1aOfString(tenant);
    seeds.set(tenant, seed);
  }
  return seed;
}

export function setIdentity(event: OrderEvent, bytes: Uint8Array, start: number, end: number): void {
  murmur128(bytes, start, end, tenantSeed(event.tenant), scratch);
  event.id0 = (scratch[0] as number) | 0;
  event.id1 = (scratch[1] as number) | 0;
  event.id2 = (scratch[2] as number) | 0;
}

/** Types whose analytics read members beyond the schema's fields. */
export function needsExtra(type: number): boolean {
  return type === T['fx.rate'] || type === T['ticket.opened'] || type === T['ticket.first.response'];
}

/** The rules of event time: a rejection, or undefined when it is good. */
export function checkTime(time_ms: number, now_ms: number, text: () => string): Rejection | undefined {
  if (Number.isNaN(time_ms)) {
    return {
      code: 'bad_time',
      detail: `time: ${JSON.stringify(text())} is no RFC 3339 date-time with an offset, e.g. 2025-08-01T12:00:00Z`,
    };
  }
  if (time_ms > now_ms + MAX_FUTURE_MS) {
    return { code: 'time_in_future', detail: `time: ${text()} is more than 24 h ahead of the clock` };
  }
  if (time_ms < MIN_EVENT_TIME_MS) {
    return { code: 'time_too_old', detail: `time: ${text()} is before 2000-01-01` };
  }
  return undefined;
}

const KNOWN = new Set<string>(Object.keys(eventSchema.shape));

/** Whether objects and arrays are nested deeper than `levels`. */
function isDeeper(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return levels === 0 || Object.values(value).some((member) => isDeeper(member, levels - 1));
}

/** The event's members with an alias of `time` in its place. */
export function withTimeAlias(members: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  if (members.time != null) return members;
  const alias = TIME_ALIASES.find((name) => members[name] != null);
  if (alias === undefined) return members;
  const { [alias]: time, ...rest } = members;
  return { ...rest, time };
}

/**
 * The careful way from parsed JSON to an event: the schema checks it, and names what is wrong. The
 * fast decoder gives the same events for the bytes that it takes.
 */
export function eventFromJson(value: unknown, place: Place, now_ms: number): OrderEvent | Rejection {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return { code: 'not_an_object', detail: 'An event is a JSON object' };
  }
  if (isDeeper(value, MAX_NESTING)) {
    return { code: 'bad_field', detail: `nested more than ${MAX_NESTING} levels deep` };
  }
  const members = withTimeAlias(value as Record<string, unknown>);
  for (const name of ['event_id', 'type', 'time']) {
    if (members[name] === undefined || members[name] === null) {
      return { code: 'missing_field', detail: `${name}: required` };
    }
  }
  const parsed = eventSchema.safeParse(members);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    return { code: 'bad_field', detail: `${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'malformed'}` };
  }
  const input = parsed.data;
  const timeBytes = encoder.encode(input.time);
  const time_ms = parseEventTime(timeBytes, 0, timeBytes.length);
  return checkTime(time_ms, now_ms, () => input.time) ?? build(input, members, place, time_ms);
}

/** Checked items as lines. */
export function linesFrom(items: NonNullable<EventInput['items']>): Line[] {
  return items.map(({ sku, category, quantity, unit_price }) => ({
    sku,
    category: category ?? '',
    quantity,
    unit_price,
  }));
}

function build(
  input: EventInput,
  members: Readonly<Record<string, unknown>>,
  place: Place,
  time_ms: number,
): OrderEvent {
  const event = emptyEvent(place);
  const id = encoder.encode(input.event_id);
  setIdentity(event, id, 0, id.length);
  event.type = typeCode(input.type);
  event.time_ms = time_ms;
  event.order_id = input.order_id ?? '';
  event.customer_id = input.customer_id ?? '';
  event.session_id = input.session_id ?? '';
  event.currency = input.currency ?? '';
  event.dimensions = DIMENSIONS.map((name) => input[name] ?? '');
  event.amount = input.amount ?? ABSENT;
  event.discount = input.discount ?? ABSENT;
  event.shipping = input.shipping ?? ABSENT;
  event.tax = input.tax ?? ABSENT;
  event.items = input.items == null ? null : linesFrom(input.items);
  let hash = 0;
  for (const [name, member] of Object.entries(members)) {
    if (name === 'event_id' || member === null) continue;
    const valueHash = name === 'time' ? hashInteger(time_ms) : hashJson(member);
    hash = (hash + hashMember(fnv1aOfString(name), valueHash)) | 0;
  }
  event.payload = hash;
  if (needsExtra(event.type)) event.extra = extraOf(input.data ?? {}, members);
  return event;
}

/** `data` and the members that the schema does not know, as one object. */
function extraOf(
  data: Readonly<Record<string, unknown>>,
  members: Readonly<Record<string, unknown>>,
): Record<string, unknown> {
  const extra: Record<string, unknown> = { ...data };
  for (const [name, member] of Object.entries(members)) {
    if (!KNOWN.has(name)) extra[name] = member;
  }
  return extra;
}
