import { describe, expect, it } from 'vitest';
import { EVENT_TYPES } from '../event-types.ts';
import { nearestType, uncountedWarning } from './nearest-type.ts';

describe('the nearest type', () => {
  it.each([
    ['order.create', 'order.created'],
    ['Order_Craeted', 'order.created'],
    ['paymentSucceeded', 'payment.succeeded'],
    ['add_to_basket', 'add_to_cart'],
    ['subscription.canceled', 'subscription.cancelled'],
    ['refund.isued', 'refund.issued'],
    ['parcel.lost', null],
    ['x', null],
    ['', null],
  ])('of %j is %j', (type, nearest) => {
    expect(nearestType(type)?.nearest).toBe(nearest);
  });

  it('is not asked for where the analytics know the type, by whatever name', () => {
    for (const type of [...EVENT_TYPES, 'order.canceled', 'ORDER-PLACED', 'order_completed'])
      expect(nearestType(type)).toBeUndefined();
  });

  it('is named in the warning, where there is one', () => {
    expect(uncountedWarning({ type: 'order.create', nearest: 'order.created' })).toContain('order.created?');
    expect(uncountedWarning({ type: 'x', nearest: null })).not.toContain('mean');
  });
});
