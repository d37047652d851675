import { describe, expect, it } from 'vitest';
import { namedStatus } from '../../../analytics/index.ts';
import { withoutPerson } from './remains.ts';

const NOTHING_MORE = { custom: [], paths: [] };

describe('the status of an order', () => {
  it.each([
    { status: 'delivered' },
    { new_status: 'delivered' },
    { status: 'packed', new_status: 'delivered' },
    { data: { status: 'delivered' } },
    { data: { new_status: 'delivered', note: 'for Ann' } },
  ])('outlives the erasure of the event that says %j', (said) => {
    const event = { event_id: 'b', type: 'order.status_changed', order_id: 'o1', customer_id: 'c1', ...said };
    const left = withoutPerson(event, 'erased_x', NOTHING_MORE);
    expect(left.status).toBe('delivered');
    expect(namedStatus('order.status.changed', left)).toBe('delivered');
    expect(left).not.toHaveProperty('data');
  });

  it('is not taken from the event of a payment', () => {
    const event = { event_id: 'p', type: 'payment.succeeded', data: { status: 'paid' } };
    expect(withoutPerson(event, 'erased_x', NOTHING_MORE)).not.toHaveProperty('status');
  });
});
