import { describe, expect, it } from 'vitest';
import { Dictionary, type RowBatch, type Stream, TestDriver } from '../../engine/index.ts';
import { EventBatch } from '../events/index.ts';
import { appendEvent, type TestEvent } from './fixture-events.ts';
import { ledger } from './ledger-operator.ts';

const ORDER: TestEvent = {
  ...{ id: 'e1', type: 'order.created', time_ms: 1_000, order: 1, customer: 2, session: 0, ticket: 0 },
  ...{ currency: 'EUR', dimensions: { country: 'DE' }, amount: 500, discount: null, items: [] },
};

const build =
  (custom: readonly string[]) =>
  (events: Stream<EventBatch>): Stream<RowBatch> =>
    events.pipe(ledger('ledger', { custom, cache_bytes: 1_048_576 }));

describe('ledger', () => {
  it('refuses other declared dimensions than its records have, and takes them while it has none', async () => {
    const empty = await TestDriver.start(build([]));
    empty.commit();
    const driver = await TestDriver.start(build(['store']), { snapshot: empty.snapshot() });
    const batch = new EventBatch(new Dictionary(), ['store']);
    batch.clear([]);
    appendEvent(batch, ORDER, 1);
    await driver.push(batch);
    driver.commit();
    const snapshot = driver.snapshot();
    for (const custom of [[], ['till'], ['store', 'till']]) {
      await expect(TestDriver.start(build(custom), { snapshot })).rejects.toMatchObject({
        code: 'topology_changed',
        message: expect.stringContaining('custom_dimensions was "store"'),
      });
    }
    await TestDriver.start(build(['store']), { snapshot });
  });
});
