import { expect, it } from 'vitest';
import { maskGroups } from './mask-groups.ts';
import { PiiMask } from './pii-mask.ts';

const ANSWER = {
  metric: 'revenue',
  channel: 'not a group',
  anomalies: [
    {
      group: { country: 'GB', channel: 'Anna Smith' },
      text: 'revenue of channel=Anna Smith fell',
      causes: [{ where: { channel: 'Bo', sku: 'x' }, share: 1 }],
      big: 12345678901234567890n,
    },
    { group: { channel: null }, text: 'nobody' },
  ],
  filters: { channel: ['Cy Young', 'Bo'] },
};

it('takes values of masked dimensions out of groups, causes, filters and sentences', () => {
  expect(maskGroups(new PiiMask(['channel']), ANSWER)).toEqual({
    metric: 'revenue',
    channel: 'not a group',
    anomalies: [
      {
        group: { country: 'GB', channel: '***' },
        text: 'revenue of channel=*** fell',
        causes: [{ where: { channel: '***', sku: 'x' }, share: 1 }],
        big: 12345678901234567890n,
      },
      { group: { channel: null }, text: 'nobody' },
    ],
    filters: { channel: ['***', '***'] },
  });
  // The member of items hides the dimension of that name.
  expect(maskGroups(new PiiMask(['items.sku']), { where: { sku: 'x-1' } })).toEqual({
    where: { sku: '***' },
  });
});

it('leaves an answer as it is where nothing of it is masked', () => {
  expect(maskGroups(new PiiMask([]), ANSWER)).toBe(ANSWER);
  expect(maskGroups(new PiiMask(['data.email']), ANSWER)).toBe(ANSWER);
});
