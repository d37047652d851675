import { fc } from '../../test/property.ts';
import { timeOf } from './fields.ts';
import type { FinderParts, FindRequest } from './find-events.ts';
import { type FilledLog, TEST_TERMS, type TestEvent, TestSelector } from './fixture-log.ts';
import type { FoundEvent } from './found-event.ts';
import type { PartReader, PayloadSource, StoredMessage } from './payloads.ts';
import type { Position } from './position.ts';

/** An event where it lies. */
export interface Placed extends Position {
  readonly tenant: string;
  readonly event: TestEvent;
}

/** A stream in memory: messages of one event or of several. */
export class TestPayloads implements PayloadSource {
  readonly messages = new Map<number, string>();
  first = 1;
  fetched = 0;
  read_messages = 0;
  /** Tenants that ranges were read for. */
  readonly filters: (string | undefined)[] = [];

  async fetch(sequences: readonly number[], signal: AbortSignal): Promise<Map<number, StoredMessage | null>> {
    signal.throwIfAborted();
    this.fetched += sequences.length;
    return new Map(sequences.map((sequence) => [sequence, this.#at(sequence)]));
  }

  async *read(
    from: number,
    to: number,
    tenant: string | undefined,
    signal: AbortSignal,
  ): AsyncIterable<StoredMessage> {
    this.filters.push(tenant);
    for (let sequence = from; sequence <= to; sequence++) {
      signal.throwIfAborted();
      const message = this.#at(sequence);
      if (message === null) continue;
      this.read_messages++;
      yield message;
    }
  }

  async firstSequence(): Promise<number> {
    return this.first;
  }

  #at(sequence: number): StoredMessage | null {
    const text = this.messages.get(sequence);
    if (text === undefined || sequence < this.first) return null;
    return { sequence, subject: 'events.acme.x', data: Buffer.from(text), header: () => undefined };
  }
}

/** Every other message has what is not ASCII escaped, as some producers write it. */
export const readParts: PartReader = ({ data, sequence }) => {
  const written = (event: TestEvent): string => {
    const text = JSON.stringify(event);
    if (sequence % 2 === 0) return text;
    return text.replaceAll(
      /[^ -~]/g,
      (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
    );
  };
  const value = JSON.parse(Buffer.from(data).toString()) as TestEvent | readonly TestEvent[];
  const parts: readonly TestEvent[] = Array.isArray(value) ? value : [value as TestEvent];
  return (part) => (parts[part] === undefined ? undefined : written(parts[part]));
};

/** A log, its stream, and the events that went in. */
export class TestEvents<L extends FilledLog> {
  readonly log: L;
  readonly payloads = new TestPayloads();
  readonly placed: Placed[] = [];
  readonly selector: TestSelector;
  sequence = 0;

  constructor(log: L) {
    this.log = log;
    this.selector = new TestSelector(() => this.log);
  }

  get parts(): FinderParts {
    return { selector: this.selector, payloads: this.payloads, reader: readParts, terms: TEST_TERMS };
  }

  /** One message. `over`: what its rows have in place of its own. */
  publish(tenant: string, events: readonly TestEvent[], over?: TestEvent): void {
    const sequence = ++this.sequence;
    this.payloads.messages.set(sequence, JSON.stringify(events.length === 1 ? events[0] : events));
    for (const [part, event] of events.entries()) {
      this.log.add(tenant, event, sequence, part, over);
      this.placed.push({ tenant, event, sequence, part, time_ms: timeOf(String(event.time)) });
    }
  }

  /** A message without an event of the log: a duplicate, say. */
  skip(): void {
    this.payloads.messages.set(++this.sequence, '{"event_id":"a duplicate"}');
  }

  /** The ids of a tenant's events that pass, in order. */
  expected(tenant: string, order: 'asc' | 'desc', passes: (placed: Placed) => boolean): readonly string[] {
    const sign = order === 'asc' ? 1 : -1;
    return this.placed
      .filter((placed) => placed.tenant === tenant && passes(placed))
      .sort((a, b) => sign * (a.time_ms - b.time_ms || a.sequence - b.sequence || a.part - b.part))
      .map(({ event }) => String(event.event_id));
  }

  request(members: Pick<FindRequest, 'condition'> & Partial<FindRequest>): FindRequest {
    return {
      tenant: 'a',
      start_ms: Number.NEGATIVE_INFINITY,
      end_ms: Number.POSITIVE_INFINITY,
      upTo: this.sequence,
      order: 'desc',
      limit: 1_000,
      words: [],
      payloads_max: 1_000_000,
      isOver: () => false,
      ...members,
    };
  }
}

export const idOf = ({ text }: FoundEvent): string =>
  String((JSON.parse(text ?? '{"event_id":null}') as TestEvent).event_id);

export const START_MS = Date.UTC(2025, 7, 1);
const MINUTE_MS = 60_000;

const some = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined });
const WORDS = ['GB', 'DE', 'Straße', 'a "b"', 'x\\y', '__other__', 'ΟΔΟΣ'];
const word = fc.constantFrom(...WORDS);
/** Times with ties, over three days. */
const time = fc
  .integer({ min: 0, max: 40 })
  .map((step) => new Date(START_MS + step * 97 * MINUTE_MS).toISOString());

const eventBody = fc.record({
  type: fc.constantFrom(
    'order.created',
    'Order_Placed',
    'payment.succeeded',
    'PAYMENT-SUCCEEDED',
    'visit',
    'own',
  ),
  time,
  source: some(fc.constantFrom('shop', 'till')),
  order_id: some(fc.constantFrom('o-1', 'o-2', 'o-3')),
  customer_id: some(fc.constantFrom('c-1', 'c-2')),
  session_id: some(fc.constantFrom('s-1', 's-2')),
  currency: some(fc.constantFrom('usd', 'USD', 'EUR')),
  channel: some(word),
  country: some(fc.oneof(word, fc.constant(''))),
  sku: some(fc.constantFrom('k-1', 'k-2')),
  campaign: some(word),
  amount: some(fc.integer({ min: -3, max: 3 })),
  items: some(
    fc.array(
      fc.record({ sku: fc.constantFrom('k-1', 'k-2', 'k-3'), quantity: fc.integer({ min: 1, max: 2 }) }),
      { maxLength: 3 },
    ),
  ),
  // Members that the schema does not name, beside `data` and in it.
  note: some(fc.oneof(word, fc.integer({ min: 0, max: 2 }), fc.boolean(), fc.constant(null))),
  data: some(
    fc.record({
      note: some(word),
      custom: some(
        fc.record({ x: some(fc.array(fc.oneof(word, fc.integer({ min: 0, max: 2 })), { maxLength: 2 })) }),
      ),
    }),
  ),
});

/** Bodies of events, without ids. */
export const eventBodies = eventBody.map((body) => JSON.parse(JSON.stringify(body)) as TestEvent);

const FIELDS = [
  ...['type', 'source', 'order_id', 'customer_id', 'session_id', 'currency', 'channel', 'country', 'sku'],
  ...[
    'campaign',
    'amount',
    'items[].sku',
    'items.sku',
    'items[0].sku',
    'items.quantity',
    'note',
    'data.note',
  ],
  ...['data.custom.x', 'custom.x', 'data.custom', 'nothing.at.all', 'event_id', 'items', 'data.country'],
];
const VALUES = [
  ...[...WORDS, 'order.created', 'ORDER_PLACED', 'payment.succeeded', 'visit', 'own', 'shop', 'till'],
  ...['o-1', 'o-2', 'c-1', 'c-2', 's-1', 'usd', 'EUR', 'k-1', 'k-2', 'e-3', 'e-11', 'unheard', ''],
];
const value = fc.oneof(fc.constantFrom(...VALUES), fc.integer({ min: -3, max: 3 }), fc.boolean());
const text = fc.constantFrom('G', 'b', 'STRASSE', 'or', '"', '\\', 'order.', 'k-', 'σ', 'e-1');
const bound = fc.oneof(fc.integer({ min: -2, max: 2 }), fc.constantFrom('D', 'c-2', 'k-2'));

/** Queries as a client writes them. */
export const queries = fc.letrec<{ query: TestEvent; leaf: TestEvent }>((tie) => ({
  leaf: fc.oneof(
    fc.record({ field: fc.constantFrom(...FIELDS), eq: value }),
    fc.record({ field: fc.constantFrom(...FIELDS), ne: value }),
    fc.record({ field: fc.constantFrom(...FIELDS), in: fc.array(value, { minLength: 1, maxLength: 3 }) }),
    fc.record({ field: fc.constantFrom(...FIELDS), exists: fc.boolean() }),
    fc.record({ field: fc.constantFrom(...FIELDS), prefix: text }),
    fc.record({ field: fc.constantFrom(...FIELDS), contains: text }),
    fc.record({
      field: fc.constantFrom(...FIELDS),
      range: fc
        .tuple(fc.constantFrom('gt', 'gte', 'lt', 'lte'), bound)
        .map(([side, limit]) => ({ [side]: limit }) as TestEvent),
    }),
    fc.record({
      field: fc.constant('time'),
      range: fc
        .tuple(fc.constantFrom('gt', 'gte', 'lt', 'lte'), time)
        .map(([side, limit]) => ({ [side]: limit })),
    }),
    fc.record({ field: fc.constant('time'), eq: time }),
  ),
  query: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    tie('leaf'),
    fc.array(tie('query'), { minLength: 1, maxLength: 3 }).map((and) => ({ and })),
    fc.array(tie('query'), { minLength: 1, maxLength: 3 }).map((or) => ({ or })),
    tie('query').map((not) => ({ not })),
  ),
})).query;

const OF_COLUMNS: Readonly<Record<string, readonly string[]>> = {
  country: [...WORDS, 'NL', ''],
  campaign: WORDS,
  customer_id: ['c-1', 'c-2', 'c-9'],
  order_id: ['o-1', 'o-2'],
  sku: ['k-1', 'k-2', 'k-9'],
  'items.sku': ['k-1', 'k-3'],
  type: ['order.created', 'visit', 'own'],
  source: ['shop', 'till'],
  currency: ['usd', 'EUR'],
};

const ofColumn = fc.constantFrom(...Object.keys(OF_COLUMNS)).chain((field) => {
  const values = fc.constantFrom(...(OF_COLUMNS[field] ?? []));
  return fc.oneof(
    fc.record({ field: fc.constant(field), eq: values }),
    fc.record({ field: fc.constant(field), in: fc.array(values, { minLength: 1, maxLength: 3 }) }),
  );
});

/** Queries that columns answer, some with what they do not. */
export const columnQueries: fc.Arbitrary<TestEvent> = fc.oneof(
  ofColumn,
  fc.tuple(ofColumn, fc.oneof(ofColumn, queries)).map((and) => ({ and })),
  fc.constantFrom('k-1', 'k-2').map((sku) => ({
    or: [
      { field: 'sku', eq: sku },
      { field: 'items.sku', eq: sku },
    ],
  })),
);
