import {
  MemoryDisk,
  PagePool,
  RecordArena,
  type RowBatch,
  RowBuffer,
  type RowsView,
} from '../../engine/index.ts';
import type { EventBatch } from '../events/index.ts';
import { CODE, rowSchema } from '../rows/index.ts';
import { AmendedEvents } from './amended-events.ts';
import type { CorrectionRefusal } from './amender.ts';
import { appendEvent, newBatch, rowText, type TestEvent } from './fixture-events.ts';
import { Ledger } from './ledger.ts';
import { RecordHeap, type RecordSource } from './record-heap.ts';

/** Committed records in a map, as runs would hold them. */
class MapSource implements RecordSource {
  readonly records = new Map<string, Uint8Array>();

  find(hi: number, lo: number): Uint8Array | undefined {
    return this.records.get(`${hi},${lo}`);
  }

  visit(visitor: (hi: number, lo: number, bytes: Uint8Array, start: number, end: number) => void): void {
    for (const [key, bytes] of this.records) {
      const [hi, lo] = key.split(',').map(Number) as [number, number];
      visitor(hi, lo, bytes, 0, bytes.length);
    }
  }

  commit(heap: RecordHeap): void {
    const arena = new RecordArena();
    heap.takeChanged(arena);
    const { count, hi, lo, length } = arena;
    for (let index = 0; index < count; index++) {
      const start = arena.startOf(index);
      const end = start + (length[index] as number);
      this.records.set(`${hi[index]},${lo[index]}`, arena.areaOf(index).bytes.slice(start, end));
    }
    heap.turn();
  }
}

export class Run {
  readonly sources = [new MapSource(), new MapSource(), new MapSource(), new MapSource()];
  readonly batch = newBatch();
  readonly #store = new MemoryDisk().open();
  readonly #buffer = new RowBuffer(rowSchema());
  #events: AmendedEvents | undefined;
  #log: RowsView | undefined;
  /** Net number of each row. */
  readonly net = new Map<string, number>();
  #heaps = this.#open();
  #ledger = this.#start();
  corrections = 0;

  #open() {
    const [orders, customers, sessions, tickets] = this.sources.map(
      (source) => new RecordHeap(source, { generation_bytes: 400 }, new PagePool()),
    ) as [RecordHeap, RecordHeap, RecordHeap, RecordHeap];
    return { orders, customers, sessions, tickets };
  }

  #start(): Ledger {
    const sources = { schema: rowSchema(), committed: undefined, pending: () => this.#log };
    const refuse = (_batch: EventBatch, _row: number, why: CorrectionRefusal): void => {
      throw new Error(why.detail);
    };
    const amends = {
      ...{ events: new AmendedEvents(this.#store.table('amended')), sources, refuse },
      rates: () => undefined,
    };
    this.#events = amends.events;
    return new Ledger(this.#heaps, this.batch.dictionary, amends);
  }

  /** Copies rows to where events are found again. */
  #keep(rows: RowBatch): void {
    this.#buffer.append(rows);
    this.#log = this.#buffer.view;
  }

  push(events: readonly TestEvent[], sequence: number): void {
    this.batch.clear([]);
    for (const [index, event] of events.entries()) appendEvent(this.batch, event, sequence + index);
    this.#ledger.apply(this.batch);
    this.#keep(this.batch.own);
    this.#keep(this.#ledger.corrections);
    this.corrections += this.#ledger.corrections.length;
    for (const rows of [this.batch.own, this.#ledger.corrections]) {
      for (let row = 0; row < rows.length; row++) {
        const text = rowText(rows, row);
        const sign = (rows.columns.codes[CODE.retraction] as Int32Array)[row] === 1 ? -1 : 1;
        const count = (this.net.get(text) ?? 0) + sign;
        if (count === 0) this.net.delete(text);
        else this.net.set(text, count);
      }
    }
  }

  commit(): void {
    this.#store.transaction(() => this.#events?.commit());
    const { orders, customers, sessions, tickets } = this.#heaps;
    for (const [index, heap] of [orders, customers, sessions, tickets].entries())
      this.sources[index]?.commit(heap);
  }

  restart(): void {
    this.#heaps = this.#open();
    this.#ledger = this.#start();
  }

  get rows(): string[] {
    return [...this.net].flatMap(([text, count]) => Array.from({ length: count }, () => text)).sort();
  }
}

import { fc } from '../../test/property.ts';

const TYPES = [
  'order.created',
  'order.created',
  'order.updated',
  'order.updated',
  'payment.succeeded',
  'refund.issued',
  'order.shipped',
  'order.cancelled',
  'return.received',
  'visit',
  'add.to.cart',
  'ticket.opened',
  'ticket.first.response',
  'product.viewed',
] as const;

const dimensions = fc.dictionary(
  fc.constantFrom('channel', 'country', 'sku', 'category', 'reason', 'source'),
  fc.constantFrom('a', 'b', 'c'),
  { maxKeys: 3 },
);
const item = fc.record({
  sku: fc.constantFrom('a', 'b', 'c'),
  category: fc.constantFrom('', 'x', 'y'),
  quantity: fc.integer({ min: 1, max: 3 }),
  unit_price: fc.integer({ min: 0, max: 500 }),
});

export const events = (max: number): fc.Arbitrary<TestEvent[]> =>
  fc
    .array(
      fc.record({
        type: fc.constantFrom(...TYPES),
        time_ms: fc.integer({ min: 1_000_000_000_000, max: 1_000_000_000_012 }),
        order: fc.integer({ min: 0, max: 5 }),
        customer: fc.integer({ min: 0, max: 2 }),
        session: fc.integer({ min: 0, max: 3 }),
        ticket: fc.integer({ min: 0, max: 2 }),
        currency: fc.constantFrom('', 'EUR', 'USD'),
        dimensions,
        amount: fc.option(fc.integer({ min: -5, max: 9_000 })),
        discount: fc.option(fc.integer({ min: 0, max: 50 }), { freq: 2 }),
        items: fc.array(item, { maxLength: 2 }),
      }),
      { maxLength: max },
    )
    // Ids of unlike length, in an order that is not that of the array.
    .map((list) => list.map((event, index) => ({ ...event, id: `e${(index * 7) % 13}-${index}` })));
