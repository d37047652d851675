import { describe, expect, it } from 'vitest';
import { fc } from '../../test/property.ts';
import { minorUnitExponent, parseDecimal } from './index.ts';

describe('currencies', () => {
  it('have the minor units of ISO 4217', () => {
    expect(['EUR', 'JPY', 'KWD', 'HUF', 'IQD', 'CLF', 'XXX'].map(minorUnitExponent)).toEqual([
      2, 0, 3, 2, 3, 4, 2,
    ]);
  });
});

describe('decimals', () => {
  it('are read as fractions', () => {
    expect(parseDecimal('1.25')).toEqual({ numerator: 125n, denominator: 100n });
    expect(parseDecimal('2.5e3')).toEqual({ numerator: 2_500n, denominator: 1n });
    expect(parseDecimal('1e-2')).toEqual({ numerator: 1n, denominator: 100n });
    for (const bad of ['', '0', '0.00', '-1', 'NaN', '1,5', '.5', '1e999'])
      expect(parseDecimal(bad)).toBeUndefined();
    fc.assert(
      fc.property(fc.double({ min: 1e-6, max: 1e6, noNaN: true }), (rate) => {
        const parsed = parseDecimal(String(rate));
        expect(Number(parsed?.numerator) / Number(parsed?.denominator)).toBeCloseTo(rate, 9);
      }),
    );
  });
});
