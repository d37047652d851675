import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { mapRecord } from './map-record.ts';
import { mappingSchema } from './mapping-schema.ts';
import { minorUnits } from './money.ts';

describe('money of decimal text', () => {
  it.each([
    ['12.5', 'EUR', 1250],
    ['0.1', 'EUR', 10],
    ['-3.33', 'EUR', -333],
    ['-0.00', 'EUR', 0],
    ['500.00', 'JPY', 500],
    ['1.250', 'KWD', 1250],
  ])('reads %s %s', (text, currency, units) => {
    expect(minorUnits('amount', text, currency)).toBe(units);
  });

  it.each(['1.005', '1,5', '1e3', '', '99999999999999.99', 'abc'])('refuses %s EUR', (text) => {
    expect(() => minorUnits('amount', text, 'EUR')).toThrow(/^amount: /);
  });

  it('is what integers of minor units say, for any of them', () => {
    const cents = fc.integer({ min: -Number.MAX_SAFE_INTEGER, max: Number.MAX_SAFE_INTEGER });
    const holds = fc.property(cents, (value) => {
      const digits = String(Math.abs(value)).padStart(3, '0');
      const text = `${value < 0 ? '-' : ''}${digits.slice(0, -2)}.${digits.slice(-2)}`;
      expect(minorUnits('amount', text, 'EUR')).toBe(value + 0);
    });
    fc.assert(holds, { seed: 14, numRuns: 500 });
  });
});

describe('lines of an order', () => {
  const mapping = mappingSchema.parse({
    rules: [
      {
        event: { event_id: 'id', type: { const: 'order.created' }, time: 't', currency: { const: 'EUR' } },
        items: { each: 'lines', sku: 'sku', quantity: 'n', line_total: 'total' },
        amount_of_items: true,
      },
    ],
  });

  it('add up to their totals, whatever those are divided by', () => {
    const line = fc.record({
      n: fc.integer({ min: 1, max: 500 }),
      cents: fc.integer({ min: -9_999, max: 99_999 }),
    });
    const holds = fc.property(fc.array(line, { minLength: 1, maxLength: 8 }), (lines) => {
      const body = {
        ...{ id: 'a', t: '2026-03-01T00:00:00Z' },
        lines: lines.map(({ n, cents }) => ({ sku: 's', n, total: (cents / 100).toFixed(2) })),
      };
      const result = mapRecord(mapping, { body, headers: {} });
      const sum = lines.reduce((total, { cents }) => total + cents, 0);
      expect(result).toMatchObject({ ok: true, events: [{ amount: sum }] });
    });
    fc.assert(holds, { seed: 14, numRuns: 300 });
  });

  it('fail whole where one of them cannot be read', () => {
    const lines = [
      { sku: 's', n: 1, total: '1.00' },
      { n: 1, total: '1.00' },
    ];
    const body = { id: 'a', t: '2026-03-01T00:00:00Z', lines };
    expect(mapRecord(mapping, { body, headers: {} })).toMatchObject({ ok: false, field: 'items.1' });
  });
});

describe('times', () => {
  const read = (t: unknown, format: string) => {
    const time = { path: 't', format };
    const mapping = mappingSchema.parse({
      rules: [{ event: { event_id: { const: 'a' }, type: { const: 'x' }, time } }],
    });
    const result = mapRecord(mapping, { body: { t }, headers: {} });
    return result.ok ? result.events[0]?.time : result.field;
  };

  it.each([
    [1772532000, 'epoch_s', '2026-03-03T10:00:00.000Z'],
    ['1772532000123', 'epoch_ms', '2026-03-03T10:00:00.123Z'],
    ['2026-03-03T10:00:00', 'utc', '2026-03-03T10:00:00Z'],
    ['2026-03-03T10:00:00+02:00', 'utc', '2026-03-03T10:00:00+02:00'],
    ['2026-03-03T10:00:00', 'rfc3339', 'time'],
    ['yesterday', 'epoch_s', 'time'],
  ])('%s as %s is %s', (given, format, wanted) => {
    expect(read(given, format)).toBe(wanted);
  });
});
