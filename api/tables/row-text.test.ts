import { describe, expect, it } from 'vitest';
import { type Cell, rowText } from '../../runtime/index.ts';
import { fc, propertySeed } from '../../test/property.ts';
import { majorUnits } from './cell.ts';

const number = (cell: Cell): unknown =>
  typeof cell === 'object' && cell !== null && 'number' in cell ? cell.number : cell;

/** A reader of RFC 4180 that knows nothing of the writer. */
function parse(text: string): string[][] {
  const rows: string[][] = [];
  const fields = /(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r\n)/gy;
  let row: string[] = [];
  for (let at = 0; at < text.length; at = fields.lastIndex) {
    const found = fields.exec(text);
    if (found === null) throw new Error(`no field at ${at} of ${JSON.stringify(text)}`);
    const [, quoted, plain = '', end] = found;
    row.push(quoted?.replaceAll('""', '"') ?? plain);
    if (end === ',') continue;
    rows.push(row);
    row = [];
  }
  return rows;
}

describe('a row as text', () => {
  it('is RFC 4180 in CSV: what another parser reads is what was written', () => {
    const texts = fc.array(fc.string({ unit: fc.constantFrom('a', ',', '"', '\n', '\r', 'é', ' ', ';') }), {
      minLength: 2,
      maxLength: 4,
    });
    fc.assert(
      fc.property(texts, (row) => {
        const safe = row.map((text) => `x${text}`);
        const text = rowText(
          'csv',
          row.map((_, at) => `c${at}`),
        ).line(safe);
        expect(text.endsWith('\r\n')).toBe(true);
        expect(parse(text)).toEqual([safe]);
      }),
      { seed: propertySeed },
    );
  });

  it.each(['=1+1', '+1', '-1', '@x', '\tx', '\rx'])('makes no formula of the text %j', (text) => {
    const line = rowText('csv', ['a', 'b']).line([text, { number: '-1' }]);
    const [[first, second]] = parse(line) as [[string, string]];
    expect([first, second]).toEqual([`'${text}`, '-1']);
  });

  it('is one line of JSON in NDJSON, payloads as they were sent', () => {
    const line = rowText('ndjson', ['a', 'b', 'c', 'd']).line([
      'x\ny',
      { number: '1.50' },
      { json: '{"n":1,\r\n"t":"u"}' },
      null,
    ]);
    expect(line).toBe('{"a":"x\\ny","b":1.50,"c":{"n":1, "t":"u"},"d":null}\n');
    expect(line.trim().includes('\n')).toBe(false);
  });
});

describe('money', () => {
  it.each([
    [1234, 'EUR', '12.34'],
    [5, 'EUR', '0.05'],
    [-5, 'EUR', '-0.05'],
    [0, 'EUR', '0.00'],
    [1234, 'JPY', '1234'],
    [1234, 'BHD', '1.234'],
    [1234, '', '12.34'],
    [12345678901234567890n, 'EUR', '123456789012345678.90'],
    [150.5, 'EUR', '1.505'],
    [null, 'EUR', null],
  ])('%s of %s is %s', (minor, currency, expected) => {
    expect(number(majorUnits(minor, currency))).toBe(expected);
  });
});
