import { describe, expect, it } from 'vitest';
import { fc } from '../../../test/property.ts';
import { filled, fitText, fitUrl, htmlOf, unknownPlaceholder } from './rule-template.ts';
import { moneyText } from './rule-values.ts';

describe('a template', () => {
  it('has the six placeholders and no others', () => {
    expect(unknownPlaceholder('{{order_number}} {{ customer_name }} {{total}}{{status}}')).toBeUndefined();
    expect(unknownPlaceholder('{{tracking_url}} {{return_number}} {x} {{{total}}}')).toBeUndefined();
    expect(unknownPlaceholder('a {{total}} {{customer.email}}')).toBe('customer.email');
    expect(unknownPlaceholder('{{}}')).toBe('');
    expect(unknownPlaceholder('{{constructor}}')).toBe('constructor');
  });

  it('is filled in one pass: what values have in them stays text', () => {
    const values = { customer_name: '{{total}} $& $1', order_number: '7', total: '1.00 EUR' };
    expect(filled('Hi {{customer_name}}, #{{ order_number }}{{status}}!', values)).toBe(
      'Hi {{total}} $& $1, #7!',
    );
    fc.assert(
      fc.property(fc.string(), (value) => {
        expect(filled('<{{status}}>', { status: value })).toBe(`<${value}>`);
        expect(fitText(value)).not.toMatch(/[\p{Cc}\p{Cs}\u2028-\u202e\u2066-\u2069]/u);
        expect(htmlOf(value).slice('<!doctype html><html><body><p>'.length)).not.toMatch(
          /<(?!br>|\/p>|\/body>|\/html>)/,
        );
      }),
    );
  });

  it('takes values of one line, links of the web, and money with all its digits', () => {
    expect(fitText('a\r\nBcc: x@example.com\u202e\0b')).toBe('a Bcc: x@example.com b');
    expect(fitText('\u{1f600}'.repeat(300)).length).toBe(400);
    expect([fitText(12), fitText(null), fitText({ a: 1 }), fitText(undefined)]).toEqual(['12', '', '', '']);
    expect(fitUrl(' https://t.example.com/A?b=c ')).toBe('https://t.example.com/A?b=c');
    for (const bad of [
      'javascript:alert(1)',
      'https://a b',
      'https://x"onclick=',
      'ftp://x.example',
      '//x',
      7,
    ])
      expect(fitUrl(bad), String(bad)).toBe('');
    expect(htmlOf('<b>"Tom" & \'Jo\'</b>\r\nbye')).toContain(
      '&lt;b&gt;&quot;Tom&quot; &amp; &#39;Jo&#39;&lt;/b&gt;<br>bye',
    );
    const money = [
      moneyText({ minor: 4_990, currency: 'EUR' }),
      moneyText({ minor: -5, currency: 'EUR' }),
      moneyText({ minor: 1_234, currency: 'JPY' }),
      moneyText({ minor: 1, currency: 'BHD' }),
      moneyText({ minor: 0, currency: '' }),
    ];
    expect(money).toEqual(['49.90 EUR', '-0.05 EUR', '1234 JPY', '0.001 BHD', '0.00']);
  });
});
