import type { Decoded, SourceRecord } from '../../index.ts';
import type { Auction, Bid, NexmarkEvent, Person } from './model.ts';

/** One event as the JSON message that producers send, in the layout of Flink's benchmark; times in ms. */
export function encodeEvent(event: NexmarkEvent): string {
  const { kind } = event;
  return `{"event_type":${EVENT_TYPES[kind]},"${kind}":${JSON.stringify(fieldsOf(event))}}`;
}

/** In the order of the layout, one by one: copying the rest of an object costs more than writing it as JSON. */
function fieldsOf(event: NexmarkEvent): object {
  const { dateTime, extra } = event;
  switch (event.kind) {
    case 'person': {
      const { id, name, emailAddress, creditCard, city, state } = event;
      return { id, name, emailAddress, creditCard, city, state, dateTime, extra };
    }
    case 'auction': {
      const { id, itemName, description, initialBid, reserve, expires, seller, category } = event;
      return { id, itemName, description, initialBid, reserve, dateTime, expires, seller, category, extra };
    }
    case 'bid': {
      const { auction, bidder, price, channel, url } = event;
      return { auction, bidder, price, channel, url, dateTime, extra };
    }
  }
}

const EVENT_TYPES = { person: 0, auction: 1, bid: 2 } as const;

/** What of the events a query reads: the rest is neither decoded nor, where that is a whole kind, looked at. */
export interface Projection {
  readonly kinds: readonly NexmarkEvent['kind'][];
  /** The text fields of bids; those left out are ''. */
  readonly bidText: 'all' | 'channel' | 'none';
}

export const EVERYTHING: Projection = { kinds: ['person', 'auction', 'bid'], bidText: 'all' };

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const DIGIT_0 = 0x30;
/** Where the digit of the event type is, after `{"event_type":`. */
const TYPE_AT = 14;
const MAX_DIGITS = 15;

const TYPE_KEY = literal('{"event_type":');
const BID_START = literal('{"event_type":2,"bid":{"auction":');
const AUCTION_START = literal('{"event_type":1,"auction":{"id":');
const PERSON_START = literal('{"event_type":0,"person":{"id":');
const KEYS = {
  bidder: literal(',"bidder":'),
  price: literal(',"price":'),
  channel: literal(',"channel":"'),
  url: literal(',"url":"'),
  dateTime: literal(',"dateTime":'),
  extra: literal(',"extra":"'),
  itemName: literal(',"itemName":"'),
  description: literal(',"description":"'),
  initialBid: literal(',"initialBid":'),
  reserve: literal(',"reserve":'),
  expires: literal(',"expires":'),
  seller: literal(',"seller":'),
  category: literal(',"category":'),
  name: literal(',"name":"'),
  emailAddress: literal(',"emailAddress":"'),
  creditCard: literal(',"creditCard":"'),
  city: literal(',"city":"'),
  state: literal(',"state":"'),
} as const;

function literal(text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(text));
}

interface Latin1 {
  latin1Slice(this: Uint8Array, start: number, end: number): string;
}
const { latin1Slice } = Buffer.prototype as unknown as Latin1;

/**
 * Reads messages of exactly the layout that `encodeEvent` writes, with plain ASCII in them. `failed` says
 * that a message is none of those; it may still be right.
 */
class FixedLayout {
  failed = false;
  #bytes: Uint8Array = new Uint8Array(0);
  #at = 0;
  #end = 0;

  open(bytes: Uint8Array, start: number, end: number): void {
    this.#bytes = bytes;
    this.#at = start;
    this.#end = end;
    this.failed = false;
  }

  expect(expected: Uint8Array): void {
    const bytes = this.#bytes;
    const at = this.#at;
    const { length } = expected;
    if (at + length > this.#end) this.failed = true;
    for (let index = 0; index < length; index++) {
      if (bytes[at + index] !== expected[index]) {
        this.failed = true;
        return;
      }
    }
    this.#at = at + length;
  }

  int(key: Uint8Array): number {
    this.expect(key);
    const bytes = this.#bytes;
    const from = this.#at;
    let at = from;
    let value = 0;
    for (; at < this.#end; at++) {
      const digit = (bytes[at] as number) - DIGIT_0;
      if (digit < 0 || digit > 9) break;
      value = value * 10 + digit;
    }
    if (at === from || at - from > MAX_DIGITS) this.failed = true;
    this.#at = at;
    return value;
  }

  /** Where the text that follows the key ends; the reader goes on after its closing quote. */
  #textEnd(key: Uint8Array): number {
    this.expect(key);
    const bytes = this.#bytes;
    const end = this.#end;
    let at = this.#at;
    for (; at < end; at++) {
      const byte = bytes[at] as number;
      if (byte === QUOTE) break;
      if (byte === BACKSLASH || byte < 0x20 || byte > 0x7e) {
        this.failed = true;
        break;
      }
    }
    if (at >= end) this.failed = true;
    return at;
  }

  text(key: Uint8Array): string {
    const end = this.#textEnd(key);
    const text = this.failed ? '' : latin1Slice.call(this.#bytes, this.#at, end);
    this.#at = end + 1;
    return text;
  }

  skipText(key: Uint8Array): string {
    this.#at = this.#textEnd(key) + 1;
    return '';
  }

  /** The text of the last field is not needed: only that the message ends as one does. */
  skipRest(key: Uint8Array): string {
    this.expect(key);
    const bytes = this.#bytes;
    const end = this.#end;
    if (
      end - this.#at < 3 ||
      bytes[end - 1] !== 0x7d ||
      bytes[end - 2] !== 0x7d ||
      bytes[end - 3] !== QUOTE
    ) {
      this.failed = true;
    }
    this.#at = end;
    return '';
  }

  /** `}}` and nothing after it. */
  finish(): void {
    const bytes = this.#bytes;
    const at = this.#at;
    if (at + 2 !== this.#end || bytes[at] !== 0x7d || bytes[at + 1] !== 0x7d) this.failed = true;
  }
}

function readBid(from: FixedLayout, bidText: Projection['bidText']): Bid {
  const auction = from.int(BID_START);
  const bidder = from.int(KEYS.bidder);
  const price = from.int(KEYS.price);
  const channel = bidText === 'none' ? from.skipText(KEYS.channel) : from.text(KEYS.channel);
  const url = bidText === 'all' ? from.text(KEYS.url) : from.skipText(KEYS.url);
  const dateTime = from.int(KEYS.dateTime);
  const extra = bidText === 'all' ? from.text(KEYS.extra) : from.skipRest(KEYS.extra);
  if (bidText === 'all') from.finish();
  return { kind: 'bid', auction, bidder, price, channel, url, dateTime, extra };
}

function readAuction(from: FixedLayout): Auction {
  const auction: Auction = {
    kind: 'auction',
    id: from.int(AUCTION_START),
    itemName: from.text(KEYS.itemName),
    description: from.text(KEYS.description),
    initialBid: from.int(KEYS.initialBid),
    reserve: from.int(KEYS.reserve),
    dateTime: from.int(KEYS.dateTime),
    expires: from.int(KEYS.expires),
    seller: from.int(KEYS.seller),
    category: from.int(KEYS.category),
    extra: from.text(KEYS.extra),
  };
  from.finish();
  return auction;
}

function readPerson(from: FixedLayout): Person {
  const person: Person = {
    kind: 'person',
    id: from.int(PERSON_START),
    name: from.text(KEYS.name),
    emailAddress: from.text(KEYS.emailAddress),
    creditCard: from.text(KEYS.creditCard),
    city: from.text(KEYS.city),
    state: from.text(KEYS.state),
    dateTime: from.int(KEYS.dateTime),
    extra: from.text(KEYS.extra),
  };
  from.finish();
  return person;
}

const NUMBERS = {
  person: ['id', 'dateTime'],
  auction: ['id', 'initialBid', 'reserve', 'dateTime', 'expires', 'seller', 'category'],
  bid: ['auction', 'bidder', 'price', 'dateTime'],
} as const;
const TEXTS = {
  person: ['name', 'emailAddress', 'creditCard', 'city', 'state', 'extra'],
  auction: ['itemName', 'description', 'extra'],
  bid: ['channel', 'url', 'extra'],
} as const;
const KINDS = ['person', 'auction', 'bid'] as const;

/** Any JSON of the right fields, whatever its layout; undefined when it is no event. */
function parseEvent(text: string): NexmarkEvent | undefined {
  let message: unknown;
  try {
    message = JSON.parse(text);
  } catch {
    // Malformed is told to the caller as no event: it makes a dead letter of it.
    return undefined;
  }
  if (typeof message !== 'object' || message === null) return undefined;
  const fields = message as Readonly<Record<string, unknown>>;
  const kind = KINDS[fields.event_type as number];
  if (kind === undefined) return undefined;
  const given = fields[kind] as Readonly<Record<string, unknown>> | null | undefined;
  if (typeof given !== 'object' || given === null) return undefined;
  const isNumbers = NUMBERS[kind].every((name) => Number.isSafeInteger(given[name]));
  const isTexts = TEXTS[kind].every((name) => typeof given[name] === 'string');
  if (!isNumbers || !isTexts) return undefined;
  const names: readonly string[] = [...NUMBERS[kind], ...TEXTS[kind]];
  return { kind, ...Object.fromEntries(names.map((name) => [name, given[name]])) } as unknown as NexmarkEvent;
}

/** Decodes messages for `decode`: in place where the layout is the usual one, else by a JSON parser. */
export function nexmarkDecoder(
  projection: Projection,
): () => (record: SourceRecord, now_ms: number, out: Decoded<NexmarkEvent>) => void {
  const wanted = KINDS.map((kind) => projection.kinds.includes(kind));
  const { bidText } = projection;
  return () => {
    const layout = new FixedLayout();
    const slow = (record: SourceRecord, out: Decoded<NexmarkEvent>): void => {
      const { data } = record;
      const event = parseEvent(Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString());
      if (event !== undefined) {
        if (projection.kinds.includes(event.kind)) out.accept(event);
        return;
      }
      const why = { code: 'not_a_nexmark_event', detail: 'Not the JSON of a person, an auction or a bid.' };
      out.reject({ tenant: 'nexmark', record, part: 0 }, why, data);
    };
    return (record, _, out) => {
      const { region } = record;
      const bytes = region === undefined ? record.data : region.buffer;
      const start = region === undefined ? 0 : region.start;
      const end = region === undefined ? record.data.length : region.end;
      const type = (bytes[start + TYPE_AT] as number) - DIGIT_0;
      layout.open(bytes, start, end);
      if (wanted[type] === false) {
        layout.expect(TYPE_KEY);
        if (!layout.failed) return;
      }
      let event: NexmarkEvent;
      if (type === EVENT_TYPES.bid) event = readBid(layout, bidText);
      else if (type === EVENT_TYPES.auction) event = readAuction(layout);
      else event = readPerson(layout);
      if (layout.failed) slow(record, out);
      else out.accept(event);
    };
  };
}
