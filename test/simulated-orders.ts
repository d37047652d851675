import { SeededRandom, type SimulatedMessage } from '../engine/index.ts';

/** An event of the generated set, in the contract's names; `time_ms` beside its text. */
export interface GeneratedEvent {
  readonly tenant: string;
  readonly time_ms: number;
  readonly members: Readonly<Record<string, unknown>>;
}

/** Bytes that must become a dead letter with this reason, and nothing else. */
export interface Malformed {
  readonly tenant: string;
  readonly text: string;
  readonly code: string;
}

export interface GeneratedSet {
  readonly events: readonly GeneratedEvent[];
  readonly malformed: readonly Malformed[];
}

export const TENANTS = ['acme', 'globex'] as const;
const DAY_MS = 86_400_000;
const FIRST_DAY_MS = Date.UTC(2025, 2, 10);
/** No event is before it. */
export const FIRST_MS = FIRST_DAY_MS - 60 * DAY_MS;
/** The clock of the runs: after every event, so that none lies in the future. */
export const START_MS = FIRST_DAY_MS + 6 * DAY_MS;
export const END_MS = START_MS + 3_600_000;

const CURRENCIES = ['EUR', 'USD', 'JPY', ''];
const COUNTRIES = ['DE', 'FR', 'BR', ''];
const CHANNELS = ['web', 'shop', ''];
const SKUS = ['A-1', 'B-2', 'C-3', 'Ü-4'];
const CATEGORIES = ['toys', 'books', ''];

const OTHER_NAMES: Readonly<Record<string, string>> = {
  'order.created': 'order.placed',
  'order.cancelled': 'order.canceled',
};

export interface GeneratorOptions {
  readonly seed: number;
  readonly orders: number;
  /** Events of one slot may share their time and yet differ; off where an oracle cannot know who wins. */
  readonly ties: boolean;
}

class Generator {
  readonly #random: SeededRandom;
  readonly #ties: boolean;
  readonly events: GeneratedEvent[] = [];

  constructor({ seed, ties }: GeneratorOptions) {
    this.#random = new SeededRandom(seed);
    this.#ties = ties;
  }

  #time_ms(): number {
    const random = this.#random;
    const day = random.chance(0.1) ? -random.int(1, 60) : random.int(0, 3);
    const minutes = this.#ties ? random.int(0, 11) * 120 : random.int(0, 1_439);
    const time_ms = FIRST_DAY_MS + day * DAY_MS + minutes * 60_000;
    // Without ties each event has its own millisecond.
    return this.#ties ? time_ms : time_ms + this.events.length;
  }

  #money(): number {
    const random = this.#random;
    const kind = random.int(0, 9);
    if (kind === 0) return 0;
    if (kind === 1) return -random.int(1, 5_000);
    if (kind === 2) return random.int(2 ** 52, 2 ** 53 - 1);
    return random.int(1, 50_000);
  }

  #items(): readonly object[] {
    const random = this.#random;
    return Array.from({ length: random.int(0, 4) }, () => {
      const category = random.pick(CATEGORIES);
      const item = { sku: random.pick(SKUS), quantity: random.int(-1, 5), unit_price: random.int(0, 9_999) };
      return category === '' ? item : { ...item, category };
    });
  }

  #spelled(type: string): string {
    const random = this.#random;
    const name = random.chance(0.2) ? (OTHER_NAMES[type] ?? type) : type;
    return random.chance(0.2) ? name.replaceAll('.', '_').toUpperCase() : name;
  }

  add(tenant: string, type: string, ids: Readonly<Record<string, unknown>>): void {
    const random = this.#random;
    const time_ms = this.#time_ms();
    const members: Record<string, unknown> = {
      event_id: `${type}-${this.events.length}`,
      type: this.#spelled(type),
      source: 'simulation',
      ...ids,
    };
    const put = (name: string, value: unknown, probability: number): void => {
      if (value !== '' && random.chance(probability)) members[name] = value;
    };
    put('currency', random.pick(CURRENCIES), 1);
    put('country', random.pick(COUNTRIES), 1);
    put('channel', random.pick(CHANNELS), 1);
    put('sku', random.pick(SKUS), 0.2);
    put('category', random.pick(CATEGORIES), 0.2);
    put('amount', type === 'refund.issued' ? Math.abs(this.#money()) : this.#money(), 0.8);
    put('discount', random.int(0, 500), 0.4);
    put('shipping', random.int(0, 900), 0.4);
    put('tax', this.#money(), 0.4);
    put('items', this.#items(), 0.5);
    put('data', { note: 'Grüße "quoted"', nested: { list: [1, 2.5, null] } }, 0.1);
    put('loyalty_tier', random.pick(['gold', 7, true]), 0.1);
    this.events.push({ tenant, time_ms, members });
  }

  order(tenant: string, number: number): void {
    const random = this.#random;
    const ids = {
      order_id: `o${number}`,
      customer_id: `c${random.int(0, 7)}`,
      session_id: `s${random.int(0, 9)}`,
    };
    const counts: readonly (readonly [type: string, max: number])[] = [
      ['order.created', 2],
      ['order.updated', 2],
      ['payment.succeeded', 3],
      ['payment.failed', 1],
      ['order.shipped', 2],
      ['order.delivered', 1],
      ['order.cancelled', 1],
      ['order.rto', 1],
      ['refund.issued', 2],
      ['return.received', 1],
      ['chargeback.received', 1],
    ];
    // A few orders are never created; versions name other customers; what follows may name none.
    const least = random.chance(0.9) ? 1 : 0;
    for (const [type, max] of counts) {
      for (let left = random.int(type === 'order.created' ? least : 0, max); left > 0; left--)
        this.add(tenant, type, random.chance(0.2) ? { ...ids, customer_id: `c${random.int(0, 7)}` } : ids);
      if (random.chance(0.2)) this.add(tenant, type, { order_id: ids.order_id });
    }
    for (const type of ['visit', 'visit', 'add_to_cart', 'product_viewed', 'custom.thing']) {
      if (random.chance(0.5)) this.add(tenant, type, { session_id: `s${random.int(0, 9)}` });
    }
    for (const type of ['ticket.opened', 'ticket.first_response']) {
      if (random.chance(0.3)) this.add(tenant, type, { ticket_id: random.int(1, 4) });
    }
    if (random.chance(0.2))
      this.add(tenant, random.pick(['order.created', 'payment.succeeded', 'refund.issued']), {});
    if (random.chance(0.2))
      this.add(tenant, 'fx.rate', { base: 'EUR', quote: 'USD', rate: random.pick(['1.1', '1.10', '1.2']) });
  }
}

/** The set of events that a seed stands for. */
export function generate(options: GeneratorOptions): GeneratedSet {
  const generator = new Generator(options);
  for (let number = 0; number < options.orders; number++) {
    generator.order(TENANTS[number % TENANTS.length] as string, number);
  }
  return { events: generator.events, malformed: MALFORMED };
}

const good = { event_id: 'bad', type: 'order.created', time: '2025-03-10T10:00:00Z' };
const MALFORMED: readonly Malformed[] = (
  [
    ['malformed_json', '{"event_id":'],
    ['not_an_object', '"text"'],
    ['not_an_object', 'null'],
    ['missing_field', JSON.stringify({ ...good, event_id: undefined })],
    ['missing_field', JSON.stringify({ ...good, time: null })],
    ['bad_field', JSON.stringify({ ...good, amount: 1.5 })],
    ['bad_field', JSON.stringify({ ...good, country: 7 })],
    ['bad_field', JSON.stringify({ ...good, type: 'refund_issued', amount: -1 })],
    ['bad_field', JSON.stringify({ ...good, currency: 'US Dollar' })],
    ['bad_field', JSON.stringify({ ...good, event_id: '' })],
    ['bad_time', JSON.stringify({ ...good, time: '2025-03-10 10:00' })],
    ['bad_time', JSON.stringify({ ...good, time: '2025-02-29T10:00:00Z' })],
    ['time_in_future', JSON.stringify({ ...good, time: '2039-01-01T00:00:00Z' })],
    ['time_too_old', JSON.stringify({ ...good, time: '1999-12-31T23:59:59Z' })],
  ] as const
).map(([code, text], index) => ({ tenant: TENANTS[index % 2] as string, code, text }));

/** A dead letter by its message, its part of it, its reason and its payload. */
interface ExpectedLetter {
  readonly index: number;
  readonly part: number;
  readonly code: string;
  readonly text: string;
}

/** A stream of messages, and the dead letters that it must give. */
export interface GeneratedStream {
  readonly messages: readonly SimulatedMessage[];
  readonly deadLetters: readonly ExpectedLetter[];
}

/**
 * Publishes a set: in order and one event a message, or shuffled, partly twice, in every form of payload
 * that the contract allows.
 */
export function publish(set: GeneratedSet, random: SeededRandom, shuffled: boolean): GeneratedStream {
  const all: (GeneratedEvent | Malformed)[] = [...set.events, ...set.malformed];
  const given = shuffled ? random.shuffled([...all, ...set.events.filter(() => random.chance(0.3))]) : all;
  const messages: SimulatedMessage[] = [];
  const deadLetters: ExpectedLetter[] = [];
  for (let at = 0; at < given.length; ) {
    const first = given[at] as GeneratedEvent | Malformed;
    const length = shuffled && random.chance(0.2) ? random.int(1, 6) : 1;
    const form = shuffled && length > 1 ? random.pick(['array', 'ndjson'] as const) : 'single';
    const group = [first];
    // An array cannot hold what is no JSON.
    const fits = (item: GeneratedEvent | Malformed | undefined): boolean =>
      item !== undefined && item.tenant === first.tenant && !(form === 'array' && isBroken(item));
    while (
      form !== 'single' &&
      !(form === 'array' && isBroken(first)) &&
      group.length < length &&
      fits(given[at + group.length])
    ) {
      group.push(given[at + group.length] as GeneratedEvent | Malformed);
    }
    at += group.length;
    for (const [part, item] of group.entries()) {
      if ('code' in item)
        deadLetters.push({ index: messages.length, part, code: item.code, text: item.text });
    }
    messages.push(group.length === 1 ? single(first, random, shuffled) : several(group, form, random));
  }
  return { messages, deadLetters };
}

function isBroken(item: GeneratedEvent | Malformed): boolean {
  return 'code' in item && item.code === 'malformed_json';
}

function several(
  group: readonly (GeneratedEvent | Malformed)[],
  form: 'array' | 'ndjson' | 'single',
  random: SeededRandom,
): SimulatedMessage {
  const texts = group.map((item) => ('code' in item ? item.text : JSON.stringify(variant(item, random))));
  const subject = `events.${group[0]?.tenant}.batch`;
  return form === 'array'
    ? { subject, data: Buffer.from(` [${texts.join(' ,\n')}]\n`) }
    : {
        subject,
        data: Buffer.from(texts.join(random.pick(['\n', '\r\n\n']))),
        headers: { 'content-type': 'application/x-ndjson' },
      };
}

function single(item: GeneratedEvent | Malformed, random: SeededRandom, varied: boolean): SimulatedMessage {
  const subject = `events.${item.tenant}.x`;
  if ('code' in item) return { subject, data: Buffer.from(item.text) };
  if (!varied)
    return { subject, data: Buffer.from(JSON.stringify({ ...item.members, time: isoTime(item.time_ms) })) };
  const { event_id, type, source, ...rest } = item.members;
  switch (random.int(0, 9)) {
    case 0: {
      const event = {
        specversion: '1.0',
        id: event_id,
        type,
        source,
        time: isoTime(item.time_ms),
        data: rest,
      };
      return { subject, data: Buffer.from(JSON.stringify(event)) };
    }
    case 1: {
      const headers = {
        'ce-specversion': '1.0',
        'ce-id': String(event_id),
        'ce-type': String(type),
        'ce-source': String(source),
        'ce-time': isoTime(item.time_ms),
      };
      return { subject, data: Buffer.from(JSON.stringify(rest)), headers };
    }
    case 2:
      return { subject, data: Buffer.from(JSON.stringify(variant(item, random), null, 2)) };
    default:
      return { subject, data: Buffer.from(JSON.stringify(variant(item, random))) };
  }
}

function isoTime(time_ms: number): string {
  return new Date(time_ms).toISOString();
}

/** The same event in other words: members in another order, an alias, another offset, nulls. */
function variant({ members, time_ms }: GeneratedEvent, random: SeededRandom): Record<string, unknown> {
  const name = random.pick(['time', 'time', 'ts', 'timestamp', 'occurred_at']);
  const time = random.chance(0.5) ? isoTime(time_ms) : isoTime(time_ms + 7_200_000).replace('Z', '+02:00');
  const entries: [string, unknown][] = [...Object.entries(members), [name, time]];
  if (random.chance(0.2)) entries.push(['campaign', null]);
  return Object.fromEntries(random.chance(0.5) ? random.shuffled(entries) : entries);
}
