import { expect, it } from 'vitest';
import { NEW_STATUS, statusText } from './order-life.ts';
import { statusChange } from './status-change.ts';

it('takes a status by any of its names for what order webhooks take it for', () => {
  const texts = [
    'Fulfilled',
    'returned_to_origin',
    'Returned to Origin',
    ' canceled ',
    'RTO',
    'Out for Delivery',
  ];
  expect(texts.map(statusText)).toEqual(['shipped', 'rto', 'rto', 'cancelled', 'rto', 'out_for_delivery']);
  expect(statusText(NEW_STATUS)).toBe('pending');
  expect(statusChange('fulfilled')).toEqual({ type: 'order.shipped' });
});
