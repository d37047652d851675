import { describe, expect, it } from 'vitest';
import { type RowBatch, SeededRandom, type Stream, TestDriver } from '../../engine/index.ts';
import { flatMap } from '../../operators/index.ts';
import type { EventBatch } from '../events/index.ts';
import { CODE, MARK } from '../rows/index.ts';
import { appendEvent, newBatch, rowText, type TestEvent, testEvent } from './fixture-events.ts';
import { modelRows } from './fixture-model.ts';
import { ledger } from './ledger-operator.ts';

const DAY_MS = 86_400_000;
const T = Date.UTC(2025, 6, 1);
const RETENTION_DAYS = 10;
/** Behind every event. */
const NOW_MS = T + 10_000 * DAY_MS;

/** `+` or `-` and the row: batches are used again, so their rows are told at once. */
const build = (input: Stream<EventBatch>) =>
  input.pipe(ledger('ledger', { custom: [], retention_days: RETENTION_DAYS, cache_bytes: 400 })).pipe(
    flatMap<RowBatch, string>('texts', {
      each: (rows, push) => {
        for (let row = 0; row < rows.length; row++) {
          const isRetraction = rows.columns.codes[CODE.retraction]?.[row] === 1;
          push(`${isRetraction ? '-' : '+'}${rowText(rows, row)}`);
        }
      },
    }),
  );

type Driver = TestDriver<EventBatch, string>;

/** What rows come to: those taken back are gone with those that they take back. */
function netOf(rows: readonly string[]): string[] {
  const net = new Map<string, number>();
  for (const row of rows) net.set(row.slice(1), (net.get(row.slice(1)) ?? 0) + (row[0] === '+' ? 1 : -1));
  return [...net].flatMap(([text, count]) => Array.from({ length: count }, () => text)).sort();
}

class Shop {
  readonly #batch = newBatch();
  #driver: Driver;
  #rows: string[] = [];
  #sequence = 0;
  cut_ms = 0;

  private constructor(driver: Driver) {
    this.#driver = driver;
  }

  static async open(): Promise<Shop> {
    return new Shop(await TestDriver.start(build, { start_ms: NOW_MS }));
  }

  /** One batch. */
  async push(...events: readonly TestEvent[]): Promise<void> {
    this.#batch.clear([]);
    this.#batch.cut_ms = this.cut_ms;
    for (const event of events) appendEvent(this.#batch, event, ++this.#sequence);
    await this.#driver.push(this.#batch);
    this.#rows.push(...this.#driver.take());
  }

  commit(): void {
    this.#driver.commit();
  }

  async restart(): Promise<void> {
    this.commit();
    this.#driver = await this.#driver.restart();
  }

  get rows(): string[] {
    return netOf(this.#rows);
  }

  /** Of rows with a mark: their event, by its id. */
  marked(mark: keyof typeof MARK, events: readonly TestEvent[]): string[] {
    return this.rows
      .map((row) => JSON.parse(row) as { marks: number; time_ms: number })
      .filter(({ marks }) => (marks & MARK[mark]) !== 0)
      .map(({ time_ms }) => events.find((event) => event.time_ms === time_ms)?.id ?? '');
  }

  digest(): string {
    this.commit();
    return this.#driver.digest();
  }

  get driver(): Driver {
    return this.#driver;
  }
}

const order = (id: string, number: number, given: Partial<TestEvent> = {}): TestEvent =>
  testEvent({ id, order: number, currency: 'EUR', amount: 100, time_ms: T + number * 1_000, ...given });

describe('the ledger', () => {
  it('corrects rows of earlier commits and lives, behind the rows of the batch', async () => {
    const shop = await Shop.open();
    const refund = order('r', 1, { type: 'refund.issued', time_ms: T + DAY_MS, amount: 30, currency: '' });
    await shop.push(refund);
    await shop.restart();
    const created = order('c', 1, { dimensions: { country: 'DE' }, customer: 4 });
    await shop.push(created);
    expect(shop.rows).toEqual(modelRows([refund, created]).sort());
    expect(shop.driver.counter('millrace.ledger.corrections')).toBe(2);
    await shop.restart();
    const updated = order('u', 1, {
      type: 'order.updated',
      time_ms: T + 5_000,
      dimensions: { country: 'FR' },
    });
    await shop.push(updated);
    expect(shop.rows).toEqual(modelRows([refund, created, updated]).sort());
  });

  it('takes rows that dedup refused for nothing', async () => {
    const shop = await Shop.open();
    const batch = newBatch();
    for (const [row, id] of ['a', 'b', 'c'].entries()) appendEvent(batch, order(id, row + 1), row + 1);
    batch.live[1] = 0;
    await shop.driver.push(batch);
    expect(shop.driver.take().map((row) => (JSON.parse(row.slice(1)) as { order: number }).order)).toEqual([
      1, 3,
    ]);
  });

  it('takes batches of any size', async () => {
    const shop = await Shop.open();
    const events = Array.from({ length: 5_000 }, (_, at) => [
      order(`created ${at}`, at + 1, { time_ms: T + at }),
      order(`updated ${at}`, at + 1, { type: 'order.updated', time_ms: T + at, amount: 200 }),
    ]).flat();
    await shop.push(...events);
    const amounts = shop.rows
      .map((row) => JSON.parse(row) as { marks: number; amount: number })
      .filter(({ marks }) => (marks & MARK.orders) !== 0)
      .map(({ amount }) => amount);
    // Of one time, the greater id is the newer version.
    expect(amounts).toEqual(Array.from({ length: 5_000 }, () => 200));
  });

  it('has one digest whatever the order of arrival, the commits and the lives', async () => {
    const random = new SeededRandom(11);
    // Orders go from customer to customer, so that lists of orders fill and empty.
    const events = Array.from({ length: 60 }, (_, at) =>
      order(`e${at}`, random.int(1, 14), {
        type: random.pick(['order.created', 'order.updated', 'payment.succeeded', 'visit', 'ticket.opened']),
        time_ms: T + at,
        customer: random.int(0, 2),
        session: random.int(0, 3),
        ticket: random.int(0, 2),
      }),
    );
    const run = async (list: readonly TestEvent[], cut: () => boolean): Promise<string> => {
      const shop = await Shop.open();
      for (const event of list) {
        await shop.push(event);
        if (cut()) await shop.restart();
      }
      expect(shop.rows).toEqual(modelRows(list).sort());
      return shop.digest();
    };
    const digest = await run(events, () => false);
    for (let turn = 0; turn < 8; turn++) {
      expect(await run(random.shuffled(events), () => random.chance(0.3))).toBe(digest);
    }
    expect(await run(events.slice(1), () => false)).not.toBe(digest);
  });
});

describe('a retention', () => {
  const first = order('first', 1, { customer: 1, time_ms: T });
  const second = order('second', 2, { customer: 1, time_ms: T + 8 * DAY_MS });
  const third = order('third', 3, { customer: 1, time_ms: T + 18.5 * DAY_MS });

  it('a customer is new once while they order, whatever the cut and the commits', async () => {
    for (const commits of [false, true]) {
      const shop = await Shop.open();
      for (const [at, event] of [first, second, third].entries()) {
        await shop.push(event);
        if (commits) await shop.restart();
        shop.cut_ms = event.time_ms - RETENTION_DAYS * DAY_MS;
        expect(shop.marked('customers_new', [first, second, third]), `order ${at}`).toEqual(['first']);
      }
    }
  });

  it('forgets an entity for events that come so long after its last one', async () => {
    const events = [
      order('created', 1, { dimensions: { country: 'DE' }, customer: 4, session: 5, time_ms: T + 1 }),
      order('refund', 1, { type: 'refund.issued', currency: '', time_ms: T + 10.9 * DAY_MS }),
      order('later', 1, { type: 'refund.issued', currency: '', time_ms: T + 20.8 * DAY_MS }),
      order('again', 2, { customer: 4, session: 5, time_ms: T + 11 * DAY_MS }),
      order('visit', 0, { type: 'visit', session: 6, time_ms: T }),
      order('visits', 0, { type: 'visit', session: 6, time_ms: T + 12 * DAY_MS }),
    ];
    for (const commits of [false, true]) {
      const shop = await Shop.open();
      for (const event of events) {
        await shop.push(event);
        if (commits) await shop.restart();
      }
      const shown = (id: string): unknown => {
        const time_ms = events.find((event) => event.id === id)?.time_ms;
        return shop.rows.map((row) => JSON.parse(row)).find((row) => row.time_ms === time_ms);
      };
      expect(shown('refund')).toMatchObject({ currency: 'EUR', marks: MARK.refund | MARK.orders_refunded });
      // The refund has renewed it.
      expect(shown('later')).toMatchObject({ currency: 'EUR', marks: MARK.refund });
      const isNew = MARK.customers_new | MARK.sessions_with_order;
      expect(shown('again')).toMatchObject({ marks: MARK.orders | isNew });
      expect(shown('visits')).toMatchObject({ marks: MARK.visits | MARK.sessions });
    }
  });

  it('moves the first of a customer to an order that is forgotten without a correction of its row', async () => {
    const shop = await Shop.open();
    const shipped = order('shipped', 1, { type: 'order.shipped', time_ms: T + 9 * DAY_MS });
    const early = order('early', 2, { customer: 1, time_ms: T + DAY_MS });
    await shop.push(first, early, order('late', 3, { customer: 1, time_ms: T + 9 * DAY_MS }), shipped);
    await shop.push(order('moved', 1, { type: 'order.updated', customer: 2, time_ms: T + 13 * DAY_MS }));
    expect(shop.marked('customers_new', [first, early])).toEqual(['first']);
  });

  it('has the digest of what is kept, in the order in which it comes after the cut', async () => {
    const random = new SeededRandom(5);
    const old = Array.from({ length: 30 }, (_, at) =>
      order(`o${at}`, at, { customer: at % 7, session: at % 5, ticket: at % 4, time_ms: T + at * 1_000 }),
    );
    const kept = Array.from({ length: 40 }, (_, at) =>
      order(`k${at}`, 20 + (at % 25), {
        type: random.pick(['order.created', 'order.updated', 'refund.issued', 'visit', 'ticket.opened']),
        customer: at % 9,
        session: at % 6,
        ticket: at % 5,
        time_ms: T + 20 * DAY_MS + at,
      }),
    );
    const run = async (after: readonly TestEvent[], cut: () => boolean): Promise<[string, string[]]> => {
      const shop = await Shop.open();
      await shop.push(...old);
      await shop.restart();
      if (cut()) shop.cut_ms = T + 9 * DAY_MS;
      for (const event of after) {
        await shop.push(event);
        if (cut()) await shop.restart();
      }
      shop.cut_ms = T + 9 * DAY_MS;
      await shop.push();
      const isKept = (row: string): boolean =>
        (JSON.parse(row) as { time_ms: number }).time_ms >= shop.cut_ms;
      return [shop.digest(), shop.rows.filter(isKept)];
    };
    const straight = await run(kept, () => false);
    for (let turn = 0; turn < 6; turn++)
      expect(await run(random.shuffled(kept), () => random.chance(0.3))).toEqual(straight);
  });

  it('leaves nothing of what is behind it in the digest', async () => {
    const shop = await Shop.open();
    const empty = shop.digest();
    await shop.push(first, order('visit', 0, { type: 'visit', session: 3 }));
    await shop.push(order('opened', 0, { type: 'ticket.opened', ticket: 3 }));
    expect(shop.digest()).not.toBe(empty);
    shop.cut_ms = T + DAY_MS;
    await shop.push();
    expect(shop.digest()).toBe(empty);
    await shop.restart();
    expect(shop.digest()).toBe(empty);
  });

  it('bounds the state while entities come and go', async () => {
    const shop = await Shop.open();
    const stored = (): number =>
      shop.driver.disk
        .reader()
        .snapshot((table) =>
          ['orders', 'customers', 'sessions']
            .flatMap((entity) => [...table(`ledger/${entity}`).scan()])
            .reduce((sum, { value }) => sum + value.length, 0),
        );
    const sizes: number[] = [];
    for (let day = 0; day < 600; day++) {
      const many = Array.from({ length: 20 }, (_, at) => {
        const number = day * 20 + at + 1;
        return order(`${number}`, number, { customer: number, session: number, time_ms: T + day * DAY_MS });
      });
      shop.cut_ms = Math.max(0, T + (day - 10) * DAY_MS);
      await shop.push(...many);
      shop.commit();
      if (day % 100 === 99) sizes.push(stored());
    }
    // The days that are kept, and what waits to be merged.
    expect(Math.max(...sizes)).toBeLessThan(80_000);
  });
});
