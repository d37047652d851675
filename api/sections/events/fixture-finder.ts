import {
  CODE,
  type EventTerms,
  type FinderParts,
  FLAG,
  HASH,
  inlineSelector,
  normalType,
  openEvents,
  ROW_DIMENSIONS,
  rowSchema,
  type StoredMessage,
  timeOf,
} from '../../../analytics/index.ts';
import {
  Dictionary,
  type HashColumn,
  LogWriter,
  MemoryDisk,
  RowBatch,
  type ScanPlan,
} from '../../../engine/index.ts';

export type TestEvent = Readonly<Record<string, unknown>>;

const ID_COLUMNS = ['order_id', 'customer_id', 'session_id'];

/** One event a message in a log and a stream in memory, for tests of the routes. */
export class FinderFixture {
  readonly messages = new Map<number, string>();
  readonly placed: { readonly tenant: string; readonly event: TestEvent; readonly sequence: number }[] = [];
  /** Scans of the log. */
  scans = 0;
  readonly #schema = rowSchema();
  readonly #dictionary = new Dictionary();
  readonly #store = new MemoryDisk().open();
  readonly #tables = { segments: this.#store.table('segments'), chunks: this.#store.table('chunks') };
  readonly #writer = new LogWriter(this.#tables, this.#schema, { fanout: 2, sort_min_rows: 8 });
  readonly #batch = new RowBatch(this.#schema, this.#dictionary);
  readonly #hashes = new Map<string, number>();

  /** Ids are numbered: no two share a hash. */
  readonly #number = (text: string): number => {
    const known = this.#hashes.get(text) ?? this.#hashes.size + 1;
    this.#hashes.set(text, known);
    return known;
  };

  readonly #terms: EventTerms = {
    typeOf: (type) => normalType(type).replace('order.placed', 'order.created'),
    idHash: (tenant, id) => ({ hi: this.#number(tenant), lo: this.#number(id) }),
    eventCode: (tenant, id) => this.#number(`${tenant}/${id}`),
  };

  get parts(): FinderParts {
    const at = (sequence: number): StoredMessage | null => {
      const text = this.messages.get(sequence);
      return text === undefined
        ? null
        : { sequence, subject: 'events.acme.x', data: Buffer.from(text), header: () => undefined };
    };
    const messages = this.messages;
    return {
      terms: this.#terms,
      reader:
        ({ data }) =>
        (part) =>
          part === 0 ? Buffer.from(data).toString() : undefined,
      payloads: {
        fetch: async (sequences) => new Map(sequences.map((sequence) => [sequence, at(sequence)])),
        async *read(from, to) {
          for (let sequence = from; sequence <= to; sequence++) {
            const message = messages.has(sequence) ? at(sequence) : null;
            if (message !== null) yield message;
          }
        },
        firstSequence: async () => 1,
      },
      selector: inlineSelector(() => {
        const view = openEvents(this.#tables, this.#schema, this.#dictionary);
        const scan = (plan: ScanPlan, visit: Parameters<typeof view.scan>[1]): void => {
          this.scans++;
          view.scan(plan, visit);
        };
        return { ...view, scan };
      }),
    };
  }

  /** An event's message is in the stream, and its row in the log. */
  add(tenant: string, event: TestEvent, sequence: number, text = JSON.stringify(event)): void {
    this.messages.set(sequence, text);
    this.placed.push({ tenant, event, sequence });
    const batch = this.#batch;
    batch.clear();
    const row = batch.append();
    batch.time_ms[row] = timeOf(String(event.time));
    batch.sequence[row] = sequence;
    batch.part[row] = 0;
    const textCode = (value: unknown): number => this.#dictionary.codeOf(String(value ?? ''));
    batch.scope[row] = textCode(tenant);
    const { codes, hashes, numbers } = batch.columns;
    for (const column of codes) column[row] = 0;
    const code = (column: number, value: number): void => {
      (codes[column] as Int32Array)[row] = value;
    };
    code(CODE.flags, FLAG.original);
    code(CODE.type, textCode(this.#terms.typeOf(String(event.type))));
    code(CODE.currency, textCode(String(event.currency ?? '').toUpperCase()));
    code(CODE.event, this.#terms.eventCode(tenant, String(event.event_id)));
    for (const [index, name] of ROW_DIMENSIONS.entries())
      code(CODE.dimensions + index, textCode(event[name]));
    for (const [index, column] of [HASH.order, HASH.customer, HASH.session].entries()) {
      const id = event[ID_COLUMNS[index] as string];
      const { hi, lo } = id === undefined ? { hi: 0, lo: 0 } : this.#terms.idHash(tenant, String(id));
      (hashes[column] as HashColumn).hi[row] = hi;
      (hashes[column] as HashColumn).lo[row] = lo;
    }
    for (const [index, column] of numbers.entries()) {
      column[row] = Number(event[['amount', 'discount', 'shipping', 'tax'][index] ?? ''] ?? Number.NaN);
    }
    const items = (event.items ?? []) as readonly TestEvent[];
    batch.itemStart[row] = batch.appendItems(items.length);
    batch.itemCount[row] = items.length;
    for (const [index, item] of items.entries()) {
      for (const column of [...batch.items.codes, ...batch.items.numbers]) column[index] = 0;
      (batch.items.codes[0] as Int32Array)[index] = textCode(item.sku);
    }
    this.#writer.append(batch);
    this.#store.transaction(() => this.#writer.commit(this.#tables));
  }

  /** The ids of a tenant's events that pass, by event time. */
  expected(tenant: string, order: 'asc' | 'desc', passes: (event: TestEvent) => boolean): readonly string[] {
    const sign = order === 'asc' ? 1 : -1;
    const time = (event: TestEvent): number => Date.parse(String(event.time));
    return this.placed
      .filter((placed) => placed.tenant === tenant && passes(placed.event))
      .sort((a, b) => sign * (time(a.event) - time(b.event) || a.sequence - b.sequence))
      .map(({ event }) => String(event.event_id));
  }
}
