import { z } from 'zod';
import {
  FNV_OFFSET,
  FNV_PRIME,
  fnv1aOfString,
  hashInteger,
  hashJson,
  hashMember,
  mix32,
} from '../../operators/index.ts';
import { DIMENSIONS, X } from '../model/index.ts';
import { eventSchema, MAX_MESSAGE_BYTES, MAX_NESTING, TIME_ALIASES } from './event-schema.ts';
import { typeCode } from './event-types.ts';
import {
  checkTime,
  emptyEvent,
  type Line,
  linesFrom,
  needsExtra,
  type OrderEvent,
  type Place,
  setIdentity,
} from './order-event.ts';
import { parseEventTime } from './rfc3339.ts';

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const SPACE = 0x20;
const COLON = 0x3a;
const COMMA = 0x2c;
const OPEN = 0x7b;
const CLOSE = 0x7d;
const OPEN_ARRAY = 0x5b;
const MINUS = 0x2d;
/** Integers of up to this many digits are safe without further checks. */
const MAX_DIGITS = 15;

type FieldKind = 'string' | 'integer' | 'items' | 'json' | 'unknown';

interface Field {
  readonly name: string;
  readonly key: Uint8Array;
  readonly kind: FieldKind;
  readonly max_length: number;
  readonly hash: number;
  readonly index: number;
}

/** The decoder's field table, read from the one schema. */
function fieldsOf(): Field[] {
  return Object.entries(eventSchema.shape).map(([name, schema], index) => {
    const inner = schema instanceof z.ZodOptional ? schema.unwrap() : schema;
    const type = inner instanceof z.ZodNullable ? inner.unwrap() : inner;
    const kind: FieldKind =
      type instanceof z.ZodString
        ? 'string'
        : type instanceof z.ZodNumber
          ? 'integer'
          : name === 'items'
            ? 'items'
            : 'json';
    const max_length = type instanceof z.ZodString ? (type.maxLength ?? 0) : 0;
    return {
      name,
      key: new TextEncoder().encode(`"${name}"`),
      kind,
      max_length,
      hash: fnv1aOfString(name),
      index,
    };
  });
}

const NAMED = fieldsOf();
const TIME_FIELD = NAMED.find(({ name }) => name === 'time') as Field;
const FIELDS: readonly Field[] = [
  ...NAMED,
  ...TIME_ALIASES.map((name) => ({ ...TIME_FIELD, key: new TextEncoder().encode(`"${name}"`) })),
];
const fieldIndex = (name: keyof typeof eventSchema.shape): number =>
  FIELDS.findIndex((field) => field.name === name);
const EVENT_ID = fieldIndex('event_id');
const TYPE = fieldIndex('type');
const TIME = fieldIndex('time');
const ORDER_ID = fieldIndex('order_id');
const CUSTOMER_ID = fieldIndex('customer_id');
const SESSION_ID = fieldIndex('session_id');
const CURRENCY = fieldIndex('currency');
const AMOUNT = fieldIndex('amount');
const DISCOUNT = fieldIndex('discount');
const SHIPPING = fieldIndex('shipping');
const TAX = fieldIndex('tax');
const REQUIRED = (1 << EVENT_ID) | (1 << TYPE) | (1 << TIME);
/** Dimension index by field index, or -1. */
const DIMENSION_OF = FIELDS.map(({ name }) =>
  (DIMENSIONS as readonly string[]).includes(name) ? X[name as keyof typeof X] : -1,
);

const SPECVERSION = fnv1aOfString('specversion');
/** Members that the schema does not name, before the careful way is the faster one. */
const MAX_UNKNOWN = 32;
const INTERN_SLOTS = 8_192;

interface Latin1 {
  latin1Slice(this: Uint8Array, start: number, end: number): string;
}
const { latin1Slice } = Buffer.prototype as unknown as Latin1;

/**
 * Decodes the JSON that programs write: a flat object, known members in a steady order, plain ASCII
 * strings, integers. It follows the layout of the last message and checks it against the bytes. At
 * anything else it gives up (`undefined`) and the caller takes the careful way, which accepts and
 * rejects by the same schema; it never rejects by itself.
 */
export class FastDecoder {
  /** The field expected at each place: the layout seen last. */
  readonly #layout: Field[] = [];
  /** Name hashes of the message's members that the schema does not name: JSON takes the last of equals. */
  readonly #unknown: number[] = [];
  readonly #internHash = new Int32Array(INTERN_SLOTS);
  readonly #interned = new Array<string>(INTERN_SLOTS).fill('');
  /** Results of the last scan. */
  #at = 0;
  #hash = 0;
  #number = 0;

  decode(b: Uint8Array, start: number, end: number, place: Place, now_ms: number): OrderEvent | undefined {
    if (b[start] !== OPEN) return undefined;
    const event = emptyEvent(place);
    let seen = 0;
    let payload = 0;
    this.#unknown.length = 0;
    let at = start + 1;
    for (let place_index = 0; ; place_index++) {
      if (b[at] === SPACE) at++;
      const field = this.#field(b, at, end, place_index);
      if (field === undefined) return undefined;
      if (field.index >= 0) {
        if ((seen & (1 << field.index)) !== 0) return undefined;
        seen |= 1 << field.index;
      } else if (this.#unknown.length === MAX_UNKNOWN || this.#unknown.includes(field.hash)) return undefined;
      else this.#unknown.push(field.hash);
      at += field.key.length;
      if (b[at] !== COLON) return undefined;
      at++;
      if (b[at] === SPACE) at++;
      const valueHash = this.#value(b, at, end, field, event);
      if (valueHash === undefined) return undefined;
      if (field.index !== EVENT_ID) payload = (payload + hashMember(field.hash, valueHash)) | 0;
      at = this.#at;
      if (b[at] === COMMA) at++;
      else break;
    }
    if (b[at] !== CLOSE || at + 1 !== end || (seen & REQUIRED) !== REQUIRED) return undefined;
    if (needsExtra(event.type) || checkTime(event.time_ms, now_ms, String) !== undefined) return undefined;
    event.payload = payload;
    return event;
  }

  #field(b: Uint8Array, at: number, end: number, place: number): Field | undefined {
    const expected = this.#layout[place];
    if (expected !== undefined && matches(b, at, expected.key)) return expected;
    for (const field of FIELDS) {
      if (matches(b, at, field.key)) {
        this.#layout[place] = field;
        return field;
      }
    }
    const unknown = unknownField(b, at, end);
    if (unknown !== undefined) this.#layout[place] = unknown;
    return unknown;
  }

  /** Reads a value into the event; its hash, or undefined to give up. Leaves `#at` behind the value. */
  #value(b: Uint8Array, at: number, end: number, field: Field, event: OrderEvent): number | undefined {
    switch (field.kind) {
      case 'string':
        return this.#text(b, at, end, field, event);
      case 'integer': {
        if (!this.#integer(b, at)) return undefined;
        const value = this.#number;
        if (field.index === AMOUNT) event.amount = value;
        else if (field.index === DISCOUNT) event.discount = value;
        else if (field.index === SHIPPING) event.shipping = value;
        else if (field.index === TAX) event.tax = value;
        return hashInteger(value);
      }
      case 'unknown':
        if (b[at] === QUOTE) return this.#text(b, at, end, field, event);
        return this.#integer(b, at) ? hashInteger(this.#number) : undefined;
      case 'items':
      case 'json': {
        const to = skipNested(b, at, end);
        if (to < 0) return undefined;
        this.#at = to;
        const value: unknown = parseSlice(b, at, to);
        if (value === undefined) return undefined;
        if (field.kind === 'items') {
          const lines = linesOf(value);
          if (lines === undefined) return undefined;
          event.items = lines;
        } else if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
        return hashJson(value);
      }
    }
  }

  #text(b: Uint8Array, at: number, end: number, field: Field, event: OrderEvent): number | undefined {
    if (b[at] !== QUOTE) return undefined;
    const from = at + 1;
    let to = from;
    let hash = FNV_OFFSET;
    for (; to < end; to++) {
      const byte = b[to] as number;
      if (byte === QUOTE) break;
      if (byte === BACKSLASH || byte >= 0x80 || byte < 0x20) return undefined;
      hash = Math.imul(hash ^ byte, FNV_PRIME);
    }
    if (to === end || to - from > field.max_length) return undefined;
    this.#at = to + 1;
    this.#hash = hash;
    const { index } = field;
    if (index < 0) return mix32(hash ^ 0x5bd1e995);
    const dimension = DIMENSION_OF[index] as number;
    if (dimension >= 0) event.dimensions[dimension] = this.#intern(b, from, to);
    else if (index === EVENT_ID) {
      if (to === from) return undefined;
      setIdentity(event, b, from, to);
    } else if (index === TYPE) {
      if (to === from) return undefined;
      event.type = typeCodeOf(this.#intern(b, from, to));
    } else if (index === TIME) {
      event.time_ms = parseEventTime(b, from, to);
      return hashInteger(event.time_ms);
    } else if (index === ORDER_ID) event.order_id = latin1Slice.call(b, from, to);
    else if (index === CUSTOMER_ID) event.customer_id = latin1Slice.call(b, from, to);
    else if (index === SESSION_ID) event.session_id = latin1Slice.call(b, from, to);
    else if (index === CURRENCY) event.currency = this.#intern(b, from, to);
    return mix32(hash ^ 0x5bd1e995);
  }

  /** The string of ASCII bytes whose FNV hash is in `#hash`; values that recur are made once. */
  #intern(b: Uint8Array, from: number, to: number): string {
    const hash = this.#hash;
    const slot = (hash ^ (hash >>> 15)) & (INTERN_SLOTS - 1);
    const known = this.#interned[slot] as string;
    if (this.#internHash[slot] === hash && known.length === to - from) {
      let same = true;
      for (let index = 0; same && index < known.length; index++) {
        same = known.charCodeAt(index) === b[from + index];
      }
      if (same) return known;
    }
    const made = latin1Slice.call(b, from, to);
    this.#interned[slot] = made;
    this.#internHash[slot] = hash;
    return made;
  }

  #integer(b: Uint8Array, from: number): boolean {
    let at = from;
    const negative = b[at] === MINUS;
    if (negative) at++;
    const first = at;
    let value = 0;
    for (let byte = b[at] as number; byte >= 0x30 && byte <= 0x39; byte = b[at] as number) {
      value = value * 10 + (byte - 0x30);
      at++;
    }
    const length = at - first;
    // JSON has no leading zeros; fractions, exponents and -0 take the careful way.
    if (length === 0 || length > MAX_DIGITS || (b[first] === 0x30 && (length > 1 || negative))) return false;
    this.#at = at;
    this.#number = negative ? -value : value;
    return b[at] === COMMA || b[at] === CLOSE;
  }
}

/** A member that the schema does not name: kept in the payload's hash. Its scalar values are read here. */
function unknownField(b: Uint8Array, at: number, end: number): Field | undefined {
  if (b[at] !== QUOTE) return undefined;
  let hash = FNV_OFFSET;
  for (let to = at + 1; to < end; to++) {
    const byte = b[to] as number;
    if (byte === QUOTE) {
      // A CloudEvent: its members mean other things.
      if (hash === SPECVERSION) return undefined;
      return {
        name: '',
        key: Uint8Array.from(b.subarray(at, to + 1)),
        kind: 'unknown',
        max_length: MAX_MESSAGE_BYTES,
        hash,
        index: -1,
      };
    }
    if (byte === BACKSLASH || byte >= 0x80 || byte < 0x20) return undefined;
    hash = Math.imul(hash ^ byte, FNV_PRIME);
  }
  return undefined;
}

const typeCodes = new Map<string, number>();
const TYPE_CACHE_LIMIT = 10_000;

function typeCodeOf(type: string): number {
  let code = typeCodes.get(type);
  if (code === undefined) {
    code = typeCode(type);
    if (typeCodes.size < TYPE_CACHE_LIMIT) typeCodes.set(type, code);
  }
  return code;
}

function matches(b: Uint8Array, at: number, key: Uint8Array): boolean {
  for (let index = 0; index < key.length; index++) {
    if (b[at + index] !== key[index]) return false;
  }
  return true;
}

/** The end of the object or array that begins at `at`, or -1 (not nested, not closed, or not plain ASCII). */
function skipNested(b: Uint8Array, at: number, end: number): number {
  if (b[at] !== OPEN && b[at] !== OPEN_ARRAY) return -1;
  let depth = 0;
  let inString = false;
  for (let index = at; index < end; index++) {
    const byte = b[index] as number;
    if (byte >= 0x80) return -1;
    if (inString) {
      if (byte === BACKSLASH) index++;
      else if (byte === QUOTE) inString = false;
    } else if (byte === QUOTE) inString = true;
    else if (byte === OPEN || byte === OPEN_ARRAY) {
      // The event itself is one level.
      if (++depth === MAX_NESTING) return -1;
    } else if (byte === CLOSE || byte === 0x5d) {
      if (--depth === 0) return index + 1;
    }
  }
  return -1;
}

function parseSlice(b: Uint8Array, from: number, to: number): unknown {
  try {
    return JSON.parse(latin1Slice.call(b, from, to));
  } catch {
    // The careful way parses the whole message and says what is wrong with it.
    return undefined;
  }
}

const itemsSchema = eventSchema.shape.items;

function linesOf(value: unknown): Line[] | undefined {
  if (!Array.isArray(value)) return undefined;
  const parsed = itemsSchema.safeParse(value);
  return parsed.success && parsed.data != null ? linesFrom(parsed.data) : undefined;
}
