import { expect, it } from 'vitest';
import { addRate, rateAt } from './rate-history.ts';

it('keeps the greatest rate, whatever the order, and what was known before', () => {
  const orders = [
    ['1.1', '2', '1.10'],
    ['2', '1.10', '1.1'],
    ['1.10', '1.1', '2'],
  ];
  for (const rates of orders) {
    let value: Uint8Array | undefined;
    const known: (string | undefined)[] = [undefined];
    for (const [index, rate] of rates.entries()) {
      value = addRate(value, 1_000 * (index + 1), rate) ?? value;
      known.push(rateAt(value as Uint8Array, Number.POSITIVE_INFINITY));
    }
    expect(known.at(-1)).toBe('2');
    for (const [index, rate] of known.entries()) {
      expect(rateAt(value as Uint8Array, 1_000 * index)).toBe(rate);
      expect(rateAt(value as Uint8Array, 1_000 * index + 999)).toBe(rate);
    }
  }
});
