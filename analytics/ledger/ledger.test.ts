import { describe, expect, it } from 'vitest';
import { sizes } from '../../test/long.ts';
import { fc } from '../../test/property.ts';
import type { TestEvent } from './fixture-events.ts';
import { modelRows } from './fixture-model.ts';
import { events, Run } from './fixture-run.ts';

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
