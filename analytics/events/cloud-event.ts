import { MAX_NESTING } from '../event-schema.ts';
import { type ParsedJson, parseExact } from './exact-json.ts';
import { type HeaderSource, isBinary, mediaTypeOf } from './parts.ts';

/** The members of an event; an object without a prototype. */
export type Members = Readonly<Record<string, unknown>>;

/** CloudEvents 1.0: context attributes that say how the data is encoded, not what happened. */
const ENVELOPE: ReadonlySet<string> = new Set([
  'specversion',
  'id',
  'datacontenttype',
  'dataschema',
  'data',
  'data_base64',
]);
/** Those of the specification that say what happened: their types are fixed, and every source can look them up. */
const ATTRIBUTES = ['id', 'type', 'time', 'source', 'subject'];
const ATTRIBUTE_HEADER = /^ce-(.+)$/i;
/** A structured event is one level deeper than the flat one, and its data may be JSON in base64. */
export const EXACT_DEPTH = 2 * MAX_NESTING;

const INTEGER = /^-?\d{1,16}$/;
const AMOUNTS: ReadonlySet<string> = new Set(['amount', 'discount', 'shipping', 'tax']);

export function isObject(value: unknown): value is Members {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A member of its own, not of a prototype; undefined where there is none. */
export function own(members: Members, name: string): unknown {
  return Object.hasOwn(members, name) ? members[name] : undefined;
}

/**
 * A structured CloudEvent as the flat event that it stands for: the members of its data, and its attributes, which
 * stand before members of the same name. Attributes are text, as they are in the headers of binary mode, but for
 * the amounts. Anything else comes back as it is.
 */
export function flatten(value: unknown): unknown {
  if (!isObject(value) || typeof own(value, 'specversion') !== 'string') return value;
  const data = own(value, 'data') ?? fromBase64(own(value, 'data_base64'));
  const flat: Record<string, unknown> = Object.create(null);
  if (isObject(data)) Object.assign(flat, data);
  else if (data !== undefined) flat.data = Object.assign(Object.create(null), { value: data });
  for (const [name, member] of Object.entries(value)) {
    // An attribute of null is one that is not set.
    if (!ENVELOPE.has(name) && member !== null) flat[name] = attribute(name, member);
  }
  flat.event_id = own(value, 'id');
  return flat;
}

/** The one form of an attribute's value, whatever mode it came in (CloudEvents 1.0, "Type System"). */
function attribute(name: string, value: unknown): unknown {
  if (AMOUNTS.has(name)) return typeof value === 'string' && INTEGER.test(value) ? Number(value) : value;
  const scalar = typeof value === 'number' || typeof value === 'boolean' || typeof value === 'bigint';
  return scalar && !ATTRIBUTES.includes(name) ? String(value) : value;
}

/** `data_base64` is for data that is no JSON, but some producers put all of theirs there. */
function fromBase64(text: unknown): unknown {
  if (typeof text !== 'string') return undefined;
  const parsed = parseExact(Buffer.from(text, 'base64'), EXACT_DEPTH);
  return parsed.ok ? parsed.value : text;
}

/** The value of a `ce-*` header as it was meant: percent-encoded UTF-8 (RFC 3986), perhaps in quotes. */
function decodeHeader(text: string): string {
  const plain = /^".*"$/.test(text) ? text.slice(1, -1).replaceAll(/\\(.)/g, '$1') : text;
  try {
    return decodeURIComponent(plain);
  } catch {
    // A percent sign that encodes nothing: the sender did not encode.
    return plain;
  }
}

/** The attributes in the headers by name, lower case; the first of several. */
export function headerAttributes(headers: HeaderSource): Record<string, string> {
  const found: Record<string, string> = Object.create(null);
  for (const name of ['specversion', ...ATTRIBUTES]) {
    const value = headers.header(`ce-${name}`);
    if (value !== undefined) found[name] = decodeHeader(value);
  }
  for (const [header, value] of headers.headers?.() ?? []) {
    const name = ATTRIBUTE_HEADER.exec(header)?.[1]?.toLowerCase();
    if (name !== undefined && !Object.hasOwn(found, name) && !ENVELOPE.has(name))
      found[name] = decodeHeader(value);
  }
  return found;
}

/** Data of a binary CloudEvent: a JSON value, or what is no JSON and said to be none, or nothing at all. */
type BinaryData =
  | { readonly kind: 'json'; readonly value: unknown }
  | { readonly kind: 'base64'; readonly text: string }
  | { readonly kind: 'none' }
  | { readonly kind: 'malformed'; readonly detail: string };

function binaryData(headers: HeaderSource, bytes: Uint8Array): BinaryData {
  if (bytes.length === 0) return { kind: 'none' };
  const parsed = parseExact(bytes, EXACT_DEPTH);
  if (parsed.ok) return { kind: 'json', value: parsed.value };
  const type = mediaTypeOf(headers.header('Content-Type'));
  if (type === '' || type.endsWith('json')) return { kind: 'malformed', detail: parsed.detail };
  return { kind: 'base64', text: Buffer.from(bytes).toString('base64') };
}

/** The value of one part of a body: JSON, or the structured form of a binary CloudEvent. */
export function valueOfPart(headers: HeaderSource, bytes: Uint8Array): ParsedJson {
  if (!isBinary(headers)) return parseExact(bytes, EXACT_DEPTH);
  const data = binaryData(headers, bytes);
  const event: Record<string, unknown> = headerAttributes(headers);
  switch (data.kind) {
    case 'malformed':
      return { ok: false, detail: data.detail };
    case 'json':
      event.data = data.value;
      break;
    case 'base64':
      event.data_base64 = data.text;
      break;
    case 'none':
      break;
  }
  return { ok: true, value: event };
}

/**
 * A binary CloudEvent as a structured one, for a stream that is given no headers; its data stays as it was sent.
 * `undefined` when the data should be JSON and is none.
 */
export function structuredOf(headers: HeaderSource, bytes: Uint8Array): Uint8Array | undefined {
  const data = binaryData(headers, bytes);
  if (data.kind === 'malformed') return undefined;
  const attributes = Object.entries(headerAttributes(headers)).map(
    ([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`,
  );
  const before = `{${attributes.join()}`;
  if (data.kind === 'none') return Buffer.from(`${before}}`);
  if (data.kind === 'base64') return Buffer.from(`${before},"data_base64":"${data.text}"}`);
  return Buffer.concat([Buffer.from(`${before},"data":`), bytes, Buffer.from('}')]);
}
