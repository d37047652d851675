import { describe, expect, it } from 'vitest';
import { EventScan } from './event-scan.ts';
import { eventText, GOOD } from './fixture-columns.ts';

function takes(scan: EventScan, text: string): boolean {
  const bytes = Buffer.from(`  ${text}\n`);
  return scan.scan(bytes, 2, bytes.length - 1);
}

const rich = {
  country: 'Österreich',
  customer_id: null,
  currency: 'eur',
  amount: -5,
  items: [
    { sku: 'a', name: 'Größe "', category: null, quantity: 2, unit_price: 5, note: [1.5, { x: true }] },
  ],
  data: { a: [1, '}', null], b: { c: -0.25 } },
  mine: 12.5,
  grüße: false,
};
const plain = { ...rich, items: [{ ...rich.items[0], name: 'Größe' }], grüße: undefined };

describe('the fast path', () => {
  it.each([
    ['compact', JSON.stringify({ ...GOOD, ...plain })],
    ['as Python writes', JSON.stringify({ ...GOOD, ...plain }, null, 1).replaceAll(/\n\s*/g, ' ')],
    ['pretty', JSON.stringify({ ...GOOD, ...plain }, null, 2)],
    ['in another order', JSON.stringify({ ...plain, ...GOOD })],
    ['with an alias of time', eventText({ time: undefined, occurred_at: GOOD.time })],
  ])('takes an event %s', (_, text) => {
    expect(takes(new EventScan([]), text)).toBe(true);
  });

  it('takes what producers of different habits write in turns', () => {
    const scan = new EventScan([]);
    const compact = eventText({ country: 'DE' });
    const spaced = compact.replaceAll('":"', '": "').replaceAll('","', '", "');
    for (const text of [compact, spaced, compact, spaced]) expect(takes(scan, text)).toBe(true);
  });

  it.each([
    ['a member twice', eventText().replace('{', '{"country":"DE","country":"FR",')],
    ['an unknown member twice', eventText().replace('{', '{"mine":1,"mine":2,')],
    ['a member of data twice', eventText().replace('{', '{"data":{"a":1,"a":2},')],
    ['time and an alias', eventText({ ts: GOOD.time })],
    ['minus zero', eventText().replace('{', '{"amount":-0,')],
    ['a leading zero', eventText().replace('{', '{"amount":01,')],
    ['sixteen digits', eventText().replace('{', '{"mine":1234567890123456,')],
    ['an exponent', eventText().replace('{', '{"mine":1e3,')],
    ['a decimal in another form than JavaScript has', eventText().replace('{', '{"mine":1.50,')],
    ['an escape', eventText({ country: 'a"b' })],
    ['a name that is no ASCII', eventText(rich)],
    ['a byte order mark in a text', eventText({ country: '\ufeffx' })],
    ['no id', eventText({ event_id: undefined })],
    ['a time of null', eventText({ time: null })],
    ['a CloudEvent', eventText({ specversion: '1.0' })],
    ['a cut message', eventText().slice(0, -1)],
    ['a cut text', eventText().slice(0, -2)],
    ['more after the end', `${eventText()}}`],
    ['lines that add up to too much', eventText({ items: [{ sku: 'a', quantity: 1e9, unit_price: 1e9 }] })],
    ['nothing', ''],
  ])('leaves %s to the careful one', (_, text) => {
    expect(takes(new EventScan([]), text)).toBe(false);
  });

  it('learns its layout anew when there are too many names', () => {
    const scan = new EventScan([]);
    for (let index = 0; index < 10_000; index++)
      expect(takes(scan, eventText({ [`k${index}`]: index }))).toBe(true);
    expect(takes(scan, eventText())).toBe(true);
  });
});
