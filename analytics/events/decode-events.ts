import type { SourceRecord } from '../../engine/index.ts';
import type { Decoded } from '../../operators/index.ts';
import { MAX_MESSAGE_BYTES, MAX_TENANT_CHARS } from './event-schema.ts';
import { FastDecoder } from './fast-decoder.ts';
import { eventFromJson, type OrderEvent, type Place, type Rejection } from './order-event.ts';

const NDJSON = 'application/x-ndjson';
const OPEN_ARRAY = 0x5b;
const NEWLINE = 0x0a;
const utf8 = new TextDecoder('utf-8', { fatal: true });
const encoder = new TextEncoder();

/** Token 2 of the subject is the tenant, and authoritative. */
export function tenantOf(subject: string): string {
  const start = subject.indexOf('.') + 1;
  const end = subject.indexOf('.', start);
  return end < 0 ? subject.slice(start) : subject.slice(start, end);
}

/**
 * A decoder of messages: one flat event, an array or NDJSON of them, or CloudEvents. Keeps a layout
 * cache, so one decoder per task.
 */
export function messageDecoder(): (record: SourceRecord, now_ms: number, out: Decoded<OrderEvent>) => void {
  const fast = new FastDecoder();
  let lastSubject = '';
  let lastTenant = '';
  return (record, now_ms, out) => {
    const { subject, region } = record;
    const buffer = region === undefined ? record.data : region.buffer;
    const start = region === undefined ? 0 : region.start;
    const end = region === undefined ? buffer.length : region.end;
    if (subject !== lastSubject) {
      lastSubject = subject;
      lastTenant = tenantOf(subject);
    }
    const tenant = lastTenant;
    if (tenant.length > MAX_TENANT_CHARS) {
      const detail = `The tenant in the subject has ${tenant.length} characters; at most ${MAX_TENANT_CHARS} are taken`;
      const place = { tenant: tenant.slice(0, MAX_TENANT_CHARS), record, part: 0 };
      out.reject(place, { code: 'bad_subject', detail }, record.data);
      return;
    }
    if (end - start > MAX_MESSAGE_BYTES) {
      const detail = `The message has ${end - start} bytes; at most ${MAX_MESSAGE_BYTES} are taken`;
      out.reject({ tenant, record, part: 0 }, { code: 'too_large', detail }, record.data);
      return;
    }
    // A binary CloudEvent's identity is in its headers, whatever its payload looks like.
    const isCloudEvent = record.hasHeaders && record.header('ce-specversion') !== undefined;
    const place: Place = { tenant, record, part: 0 };
    const event = isCloudEvent ? undefined : fast.decode(buffer, start, end, place, now_ms);
    if (event !== undefined) out.accept(event);
    else decodeCarefully(fast, record, tenant, now_ms, out);
  };
}

/** Parts of one message that become dead letters of their own. */
const REJECTIONS_MAX = 1_000;

/** After REJECTIONS_MAX parts the rest of a message's bad parts go to the dead letters as one: the message. */
class BoundedRejections implements Decoded<OrderEvent> {
  readonly #out: Decoded<OrderEvent>;
  #rejected = 0;

  constructor(out: Decoded<OrderEvent>) {
    this.#out = out;
  }

  accept(event: OrderEvent): void {
    this.#out.accept(event);
  }

  reject(place: Place, why: Rejection, bytes: Uint8Array): void {
    if (++this.#rejected <= REJECTIONS_MAX) this.#out.reject(place, why, bytes);
  }

  finish(record: SourceRecord, tenant: string): void {
    const more = this.#rejected - REJECTIONS_MAX;
    if (more <= 0) return;
    const detail = `${more} more parts of this message were rejected after the first ${REJECTIONS_MAX}`;
    this.#out.reject({ tenant, record, part: 0 }, { code: 'too_many_rejections', detail }, record.data);
  }
}

function decodeCarefully(
  fast: FastDecoder,
  record: SourceRecord,
  tenant: string,
  now_ms: number,
  out: Decoded<OrderEvent>,
): void {
  const bounded = new BoundedRejections(out);
  decodeParts(fast, record, tenant, now_ms, bounded);
  bounded.finish(record, tenant);
}

function decodeParts(
  fast: FastDecoder,
  record: SourceRecord,
  tenant: string,
  now_ms: number,
  out: Decoded<OrderEvent>,
): void {
  const { data } = record;
  const settle = (value: unknown, part: number, bytes: () => Uint8Array): void => {
    const place: Place = { tenant, record, part };
    const result = eventFromJson(flattenCloudEvent(value), place, now_ms);
    if ('code' in result) out.reject(place, result, bytes());
    else out.accept(result);
  };
  if (record.header('Content-Type')?.startsWith(NDJSON) === true) {
    let part = 0;
    for (const [start, end] of linesOf(data)) {
      const place: Place = { tenant, record, part: part++ };
      const event = fast.decode(data, start, end, place, now_ms);
      if (event !== undefined) {
        out.accept(event);
        continue;
      }
      const line = data.subarray(start, end);
      const parsed = parseJson(line);
      if (parsed.ok) settle(parsed.value, place.part, () => line);
      else out.reject(place, parsed.rejection, line);
    }
    return;
  }
  const parsed = parseJson(data);
  if (!parsed.ok) {
    out.reject({ tenant, record, part: 0 }, parsed.rejection, data);
    return;
  }
  const binary = binaryCloudEvent(record, parsed.value);
  if (data[firstByte(data)] === OPEN_ARRAY && Array.isArray(binary)) {
    for (const [part, item] of binary.entries()) settle(item, part, () => partBytes(item, data));
  } else {
    settle(binary, 0, () => data);
  }
}

/** One item of an array as JSON; the whole message where it is too deep to be written. */
function partBytes(item: unknown, data: Uint8Array): Uint8Array {
  try {
    return encoder.encode(JSON.stringify(item));
  } catch {
    return data;
  }
}

function firstByte(data: Uint8Array): number {
  let at = 0;
  while (at < data.length && (data[at] as number) <= 0x20) at++;
  return at;
}

type Parsed =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly rejection: Rejection };

function parseJson(bytes: Uint8Array): Parsed {
  try {
    // A copy: the bytes may lie in memory that threads share, which decoders refuse.
    return { ok: true, value: JSON.parse(utf8.decode(Uint8Array.from(bytes))) };
  } catch (error) {
    const detail = error instanceof Error ? error.message : String(error);
    return { ok: false, rejection: { code: 'malformed_json', detail } };
  }
}

/** Ranges of the non-empty lines. */
function* linesOf(data: Uint8Array): Iterable<[number, number]> {
  let start = 0;
  while (start < data.length) {
    let end = data.indexOf(NEWLINE, start);
    if (end < 0) end = data.length;
    let last = end;
    while (last > start && (data[last - 1] as number) <= 0x20) last--;
    let first = start;
    while (first < last && (data[first] as number) <= 0x20) first++;
    if (last > first) yield [first, last];
    start = end + 1;
  }
}

/** CloudEvents 1.0: context attributes that say how the data is encoded, not what happened. */
const ENVELOPE = new Set(['specversion', 'id', 'datacontenttype', 'dataschema', 'data', 'data_base64']);

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A structured CloudEvent as a flat event; anything else as it is. */
function flattenCloudEvent(value: unknown): unknown {
  if (!isObject(value) || typeof value.specversion !== 'string') return value;
  const data = value.data ?? fromBase64(value.data_base64);
  const flat: Record<string, unknown> = isObject(data) ? { ...data } : {};
  if (!isObject(data) && data !== undefined) flat.data = { value: data };
  for (const [name, member] of Object.entries(value)) {
    if (!ENVELOPE.has(name)) flat[name] = member;
  }
  flat.event_id = value.id;
  return flat;
}

/** `data_base64` is for data that is no JSON, but some producers put all of theirs there. */
function fromBase64(text: unknown): unknown {
  if (typeof text !== 'string') return undefined;
  const parsed = parseJson(Buffer.from(text, 'base64'));
  return parsed.ok ? parsed.value : text;
}

const CE_ATTRIBUTES = ['id', 'type', 'time', 'source', 'subject'] as const;

/** A binary CloudEvent (attributes in `ce-*` headers, the data as payload) in structured form. */
function binaryCloudEvent(record: SourceRecord, data: unknown): unknown {
  const specversion = record.header('ce-specversion');
  if (specversion === undefined) return data;
  const event: Record<string, unknown> = { specversion, data };
  for (const name of CE_ATTRIBUTES) {
    const value = record.header(`ce-${name}`);
    if (value !== undefined) event[name] = value;
  }
  return event;
}

/** The bytes of one event of a message, as they came. */
export function rawOf(event: OrderEvent): Uint8Array {
  const { record, part } = event;
  if (record.header('Content-Type')?.startsWith(NDJSON) === true) {
    let index = 0;
    for (const [start, end] of linesOf(record.data)) {
      if (index++ === part) return record.data.subarray(start, end);
    }
  }
  const parsed = parseJson(record.data);
  if (parsed.ok && Array.isArray(parsed.value)) return encoder.encode(JSON.stringify(parsed.value[part]));
  return record.data;
}
