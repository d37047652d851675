import { describe, expect, it } from 'vitest';
import { PagePool, RecordArena } from '../../engine/index.ts';
import { sizes } from '../../test/long.ts';
import { fc } from '../../test/property.ts';
import { CODE } from '../rows/index.ts';
import { appendEvent, newBatch, rowText, type TestEvent } from './fixture-events.ts';
import { modelRows } from './fixture-model.ts';
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

class Run {
  readonly sources = [new MapSource(), new MapSource(), new MapSource(), new MapSource()];
  readonly batch = newBatch();
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
    return new Ledger(this.#heaps, this.batch.dictionary);
  }

  push(events: readonly TestEvent[], sequence: number): void {
    this.batch.clear([]);
    for (const [index, event] of events.entries()) appendEvent(this.batch, event, sequence + index);
    this.#ledger.apply(this.batch);
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

const events = (max: number): fc.Arbitrary<TestEvent[]> =>
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

describe('the ledger', () => {
  it('comes to what the whole set of events means, whatever their order, batches, commits and restarts', () => {
    fc.assertRuns(
      fc.property(
        events(40),
        fc.array(fc.integer({ min: 1, max: 6 })),
        fc.infiniteStream(fc.nat(9)),
        (list, sizes, dice) => {
          const run = new Run();
          let at = 0;
          for (let turn = 0; at < list.length; turn++) {
            const size = sizes[turn % Math.max(1, sizes.length)] ?? 3;
            run.push(list.slice(at, at + size), at + 1);
            at += size;
            if ((dice.next().value as number) < 5) {
              run.commit();
              if ((dice.next().value as number) < 3) run.restart();
            }
          }
          expect(run.rows).toEqual(modelRows(list).sort());
        },
      ),
      { numRuns: sizes.ledger_runs },
    );
  });

  it('knows at every sequence what was known there', () => {
    fc.assertRuns(
      fc.property(events(15), (list) => {
        const run = new Run();
        for (const [index, event] of list.entries()) {
          run.push([event], index + 1);
          expect(run.rows).toEqual(modelRows(list.slice(0, index + 1)).sort());
        }
      }),
      { numRuns: sizes.ledger_prefix_runs },
    );
  });

  it('finds the first order of a customer again when all that it had listed went to another', () => {
    const run = new Run();
    const of = (index: number, more: Partial<TestEvent>): TestEvent => ({
      id: `e${index}`,
      type: 'order.created',
      time_ms: 1_000_000_000_000 + index,
      order: index + 1,
      customer: 1,
      session: 0,
      ticket: 0,
      currency: 'EUR',
      dimensions: {},
      amount: 100,
      discount: null,
      items: [],
      ...more,
    });
    const list = Array.from({ length: 20 }, (_, index) => of(index, {}));
    const moved = list
      .slice(0, 15)
      .map((event, index) => of(100 + index, { type: 'order.updated', order: event.order, customer: 2 }));
    for (const [index, event] of [...list, ...moved].entries()) {
      run.push([event], index + 1);
      if (index % 4 === 0) run.commit();
    }
    expect(run.rows).toEqual(modelRows([...list, ...moved]).sort());
  });

  it('corrects nothing where nothing changes', () => {
    const run = new Run();
    const created: TestEvent = {
      id: 'a',
      type: 'order.created',
      time_ms: 1_000_000_000_000,
      order: 1,
      customer: 1,
      session: 1,
      ticket: 0,
      currency: 'EUR',
      dimensions: { country: 'GB' },
      amount: 100,
      discount: null,
      items: [],
    };
    run.push([created], 1);
    run.push([{ ...created, id: 'b', type: 'payment.succeeded', dimensions: {} }], 2);
    // The same order once more, under another id, with the same content.
    run.push([{ ...created, id: 'c', time_ms: created.time_ms + 5 }], 3);
    expect(run.corrections).toBe(0);
  });
});
