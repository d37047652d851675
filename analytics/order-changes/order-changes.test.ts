import { describe, expect, it } from 'vitest';
import { fc } from '../../test/property.ts';
import { type OrderFact, orderChanges } from './index.ts';

/** Events in the order of the stream: type, minute, status. */
type Said = readonly [type: string, minute: number, status?: string | undefined];

const factsOf = (said: readonly Said[]): OrderFact[] =>
  said.map(([type, minute, status], at) => ({
    ...{ sequence: at + 1, part: 0, time_ms: 60_000 * minute, event_id: `e${at}`, type, status },
  }));

/** What each event tells, as `type old>new`, in the order of the stream. */
function told(...said: readonly Said[]): readonly string[][] {
  const facts = factsOf(said);
  return facts.map((_, at) =>
    orderChanges(facts.slice(0, at + 1)).map(
      ({ type, old_status, new_status, isLate }) =>
        `${type} ${old_status}>${new_status}${isLate ? ' late' : ''}`,
    ),
  );
}

describe('what an event tells of its order', () => {
  it('is each step of its life, by its own event or by a status', () => {
    expect(
      told(
        ['order.created', 0],
        ['order.status.changed', 1, 'Confirmed'],
        ['order.shipped', 2],
        ['order.status.changed', 3, 'in transit'],
        ['order.delivered', 4],
      ),
    ).toEqual([
      ['order.created null>pending'],
      ['order.status.changed pending>Confirmed', 'order.confirmed pending>Confirmed'],
      ['order.status.changed Confirmed>shipped', 'order.shipped Confirmed>shipped'],
      ['order.status.changed shipped>in transit'],
      ['order.status.changed in transit>delivered', 'order.delivered in transit>delivered'],
    ]);
  });

  it('is no change of status for what comes late, or says again what is known', () => {
    expect(
      told(
        ['order.created', 0],
        ['order.delivered', 9],
        ['order.status.changed', 5, 'confirmed'],
        ['order.shipped', 7],
        ['order.shipped', 8],
        ['order.status.changed', 10, 'DELIVERED'],
        ['order.delivered', 11],
      ),
    ).toEqual([
      ['order.created null>pending'],
      ['order.status.changed pending>delivered', 'order.delivered pending>delivered'],
      [],
      ['order.shipped delivered>delivered late'],
      [],
      [],
      [],
    ]);
  });

  it('is a version where an order is sent again; that begins no life anew', () => {
    expect(
      told(
        ['order.created', 0, 'paid'],
        ['order.shipped', 2],
        ['order.created', 3],
        ['order.updated', 4],
        ['order.updated', 5, 'cancelled'],
        ['order.created', -1],
      ),
    ).toEqual([
      ['order.created null>paid'],
      ['order.status.changed paid>shipped', 'order.shipped paid>shipped'],
      ['order.updated shipped>shipped'],
      ['order.updated shipped>shipped'],
      [
        'order.updated shipped>cancelled',
        'order.status.changed shipped>cancelled',
        'order.cancelled shipped>cancelled',
      ],
      ['order.updated cancelled>cancelled'],
    ]);
  });

  it('is told although its order is created later, and in the order of one time', () => {
    expect(told(['order.fulfilled', 1], ['order.created', 0], ['refund.issued', 2])).toEqual([
      ['order.status.changed null>shipped', 'order.shipped null>shipped'],
      ['order.created null>shipped'],
      ['refund.issued shipped>shipped'],
    ]);
    expect(told(['order.confirmed', 0], ['order.created', 0], ['order.shipped', 0])).toEqual([
      ['order.status.changed null>confirmed', 'order.confirmed null>confirmed'],
      ['order.created null>confirmed'],
      ['order.status.changed confirmed>shipped', 'order.shipped confirmed>shipped'],
    ]);
  });

  it('joins up: each change begins where the one before it ended, and the last is the status by time', () => {
    const type = fc.constantFrom(
      ...['order.created', 'order.updated', 'order.status.changed', 'order.confirmed', 'order.shipped'],
      ...['order.delivered', 'order.cancelled', 'order.packed', 'refund.issued'],
    );
    const status = fc.option(fc.constantFrom('confirmed', 'shipped', 'on hold'), { nil: undefined });
    const said = fc.array(fc.tuple(type, fc.nat(20), status), { maxLength: 12 });
    fc.assert(
      fc.property(said, (all) => {
        const facts = factsOf(all);
        let now: string | null = null;
        for (let at = 0; at < facts.length; at++) {
          const changes = orderChanges(facts.slice(0, at + 1));
          expect(new Set(changes.map((one) => one.type)).size).toBe(changes.length);
          for (const change of changes) {
            if (change.type === 'order.status.changed') {
              expect(change.old_status).toBe(now);
              expect(change.new_status).not.toBe(now);
            }
          }
          now = changes.at(-1)?.new_status ?? now;
          // Whatever order the history is given in.
          expect(orderChanges(facts.slice(0, at + 1).reverse())).toEqual(changes);
        }
      }),
    );
  });
});
