import { describe, expect, it } from 'vitest';
import { EVENT_TYPES, normalType, OTHER_TYPE, T, typeCode } from './event-types.ts';

describe('event types', () => {
  it('case, dots, underscores and hyphens make no difference', () => {
    for (const text of ['payment_succeeded', 'Payment.Succeeded', 'PAYMENT-SUCCEEDED', 'payment.succeeded']) {
      expect(typeCode(text)).toBe(T['payment.succeeded']);
    }
    expect(typeCode('add_to_cart')).toBe(T['add.to.cart']);
    expect(typeCode('ticket.first_response')).toBe(T['ticket.first.response']);
  });

  it('every known type is in its normal form, and known under it', () => {
    for (const [index, type] of EVENT_TYPES.entries())
      expect([normalType(type), typeCode(type)]).toEqual([type, index]);
  });

  it('any other type is another, also names of object members', () => {
    for (const text of ['order', 'order.created ', 'constructor', '__proto__', 'toString'])
      expect(typeCode(text)).toBe(OTHER_TYPE);
  });
});
