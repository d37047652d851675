import { describe, expect, it } from 'vitest';
import { fc } from '../../test/property.ts';
import { parseEventTime } from './rfc3339.ts';

const parse = (text: string): number => {
  const bytes = Buffer.from(`xx${text}"`);
  return parseEventTime(bytes, 2, bytes.length - 1);
};
const two = (value: number): string => String(value).padStart(2, '0');

describe('parseEventTime', () => {
  it('reads what Date.parse reads, for any date, fraction and offset', () => {
    const valid = fc.record({
      time_ms: fc.integer({ min: Date.UTC(1900, 0, 1), max: Date.UTC(9999, 11, 30) }),
      digits: fc.integer({ min: 0, max: 9 }),
      fraction: fc.nat(999_999_999),
      offset_min: fc.integer({ min: -1_439, max: 1_439 }),
      zulu: fc.boolean(),
    });
    fc.assert(
      fc.property(valid, ({ time_ms, digits, fraction, offset_min, zulu }) => {
        const [seconds] = new Date(time_ms).toISOString().split('.') as [string];
        const part = digits === 0 ? '' : `.${String(fraction).padStart(9, '0').slice(0, digits)}`;
        const size = Math.abs(offset_min);
        const offset = zulu
          ? 'Z'
          : `${offset_min < 0 ? '-' : '+'}${two(Math.floor(size / 60))}:${two(size % 60)}`;
        const text = `${seconds}${part}${offset}`;
        expect(parse(text), text).toBe(Date.parse(text));
      }),
      { numRuns: 1_000 },
    );
  });

  it.each([
    ['2025-08-01T12:00:00.999999999Z', Date.UTC(2025, 7, 1, 12, 0, 0, 999)],
    ['2025-08-01T12:00:00.0009Z', Date.UTC(2025, 7, 1, 12)],
    ['2025-08-01t12:00:00z', Date.UTC(2025, 7, 1, 12)],
    ['2025-08-01 12:00:00Z', Date.UTC(2025, 7, 1, 12)],
    ['2025-08-01T12:00:00-00:00', Date.UTC(2025, 7, 1, 12)],
    ['2016-12-31T23:59:60Z', Date.UTC(2017, 0, 1)],
    ['2024-02-29T00:00:00Z', Date.UTC(2024, 1, 29)],
    ['2000-02-29T00:00:00Z', Date.UTC(2000, 1, 29)],
    ['0001-01-01T00:00:00Z', Date.parse('0001-01-01T00:00:00Z')],
  ])('%s is taken', (text, expected) => {
    expect(parse(text)).toBe(expected);
  });

  it.each([
    '',
    '2025-08-01',
    '2025-08-01T12:00:00',
    '2025-08-01T12:00Z',
    '2025-08-01T24:00:00Z',
    '2025-08-01T12:60:00Z',
    '2025-08-01T12:00:61Z',
    '2025-08-32T12:00:00Z',
    '2025-00-01T12:00:00Z',
    '2025-13-01T12:00:00Z',
    '2025-08-00T12:00:00Z',
    '2025-04-31T12:00:00Z',
    '2025-02-29T12:00:00Z',
    '1900-02-29T12:00:00Z',
    '2025-08-01T12:00:00.Z',
    '2025-08-01T12:00:00,5Z',
    '2025-08-01T12:00:00+0200',
    '2025-08-01T12:00:00+02',
    '2025-08-01T12:00:00+24:00',
    '2025-08-01T12:00:00+02:60',
    '2025-08-01T12:00:00ZZ',
    '2025-08-01T12:00:00Z ',
    ' 2025-08-01T12:00:00Z',
    '2025/08/01T12:00:00Z',
    '2025-08-01_12:00:00Z',
    '25-08-01T12:00:00Z',
    '+2025-08-01T12:00:00Z',
    '2025-08-01T12:00:0aZ',
    '٢٠٢٥-08-01T12:00:00Z',
  ])('%j is refused', (text) => {
    expect(parse(text)).toBeNaN();
  });

  it('a bad date does not change the next good one', () => {
    expect(parse('2025-08-01T00:00:00Z')).toBe(Date.UTC(2025, 7, 1));
    expect(parse('2025-02-30T00:00:00Z')).toBeNaN();
    expect(parse('2025-08-01T00:00:01Z')).toBe(Date.UTC(2025, 7, 1, 0, 0, 1));
  });
});
