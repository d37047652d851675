import { describe, expect, it } from 'vitest';
import { decoded, decoding, NOW_MS, recordOf, eventText as text } from './fixture-columns.ts';

describe('a dead letter', () => {
  const iso = (time_ms: number): string => new Date(time_ms).toISOString();

  it.each([
    ['malformed_json', '{"event_id":"e1"'],
    ['malformed_json', ''],
    ['not_an_object', '7'],
    ['not_an_object', 'null'],
    ['missing_field', text({ event_id: undefined })],
    ['missing_field', text({ type: null })],
    ['bad_field', text({ event_id: '' })],
    ['bad_field', text({ event_id: 7 })],
    ['bad_field', text({ type: '' })],
    ['bad_field', text({ country: 'x'.repeat(129) })],
    ['bad_field', text({ country: 'a\0b' })],
    ['bad_field', text({ order_id: '\ud800' })],
    ['bad_field', text({ amount: 1.5 })],
    ['bad_field', text({ amount: '5' })],
    ['bad_field', text({ currency: 'US Dollar' })],
    ['bad_field', text({ currency: 'us' })],
    ['bad_field', text({ currency: '' })],
    ['bad_field', text({ type: 'refund.issued', amount: -1 })],
    ['bad_field', text({ type: 'Refund_Issued', amount: -1, note: 'ü\n' })],
    ['bad_field', text({ items: [{ sku: 'a', quantity: 1 }] })],
    ['bad_field', text({ items: [{ sku: 'a', quantity: 1_000_000_000, unit_price: 2 ** 40 }] })],
    ['bad_field', text({ data: [1] })],
    ['bad_field', text({ time: 1_754_000_000 })],
    ['bad_time', text({ time: '2025-08-01' })],
    ['bad_time', text({ time: '1754000000' })],
    ['time_in_future', text({ time: iso(NOW_MS + 86_400_001) })],
    ['time_too_old', text({ time: '1999-12-31T23:59:59.999Z' })],
  ])('for %s: %.60s', (code, written) => {
    const { rows, rejected, bytes, details } = decoded(recordOf(written));
    expect([rows, rejected, bytes]).toEqual([[], [`${code}@0`], [written]]);
    expect(details[0]).not.toBe('');
  });

  it.each([[1_754_000_000], ['1754000000'], ['2025-08-01T10:00:00'], ['01.08.2025']])(
    'for the time %j says which forms are taken, with an example',
    (time) => {
      expect(decoded(recordOf(text({ time }))).details[0]).toMatch(/^time: .*RFC 3339.*2025-08-01T12:00:00Z/);
    },
  );

  it('of a refund says that it is positive, and a positive one is taken', () => {
    expect(decoded(recordOf(text({ type: 'refund.issued', amount: -1 }))).details[0]).toMatch(
      /^amount: .*negative/,
    );
    expect(decoded(recordOf(text({ type: 'refund.issued', amount: 1 }))).rejected).toEqual([]);
  });

  it('for what the retention has left behind, and not for what it has not', () => {
    const cut_ms = Date.UTC(2025, 6, 1);
    const decode = decoding({
      retentionCut: (tenant) => (tenant === 'acme' ? cut_ms : Number.NEGATIVE_INFINITY),
    });
    const old = text({ time: iso(cut_ms - 1) });
    const { rows, rejected } = decode(
      recordOf(old),
      recordOf(text({ time: iso(cut_ms) })),
      recordOf(old, {}, 'events.other.x'),
    );
    expect([rows.map(({ tenant }) => tenant), rejected]).toEqual([['acme', 'other'], ['behind_retention@0']]);
  });

  it('for bytes that are no UTF-8', () => {
    for (const bad of [[0xff], [0xc3], [0xed, 0xa0, 0x80], [0xc0, 0x80], [0xf5, 0x80, 0x80, 0x80]]) {
      const [before = '', after = ''] = text({ country: '|' }).split('|');
      const bytes = Buffer.concat([Buffer.from(before), Buffer.from(bad), Buffer.from(after)]);
      expect(decoded(recordOf(bytes)).rejected).toEqual(['malformed_json@0']);
    }
  });

  it('for a message that is too large, or a tenant that is too long', () => {
    const large = text({ data: { pad: 'x'.repeat(1_048_576) } });
    expect(decoded(recordOf(large)).rejected).toEqual(['too_large@0']);
    const { rejected, tenants } = decoded(recordOf(text(), {}, `events.${'t'.repeat(129)}.x`));
    expect([rejected, tenants[0]?.length]).toEqual([['bad_subject@0'], 128]);
  });

  it('for nesting that nothing could follow; the rest of its batch is processed', () => {
    const nested = (levels: number): string =>
      text({ data: 0 }).replace('"data":0', `"data":{"a":${'['.repeat(levels)}${']'.repeat(levels)}}`);
    expect(decoded(recordOf(nested(62))).rejected).toEqual([]);
    for (const levels of [63, 1_000, 200_000])
      expect(decoded(recordOf(nested(levels))).rejected).toEqual(['bad_field@0']);
    const { rows, rejected } = decoded(
      recordOf(`[${text({ event_id: 'e2' })},${nested(200_000)},${text()}]`),
    );
    expect([rows.map(({ part }) => part), rejected]).toEqual([[0, 2], ['bad_field@1']]);
  });

  it('gives no text to the dictionary', () => {
    const { batch } = decoded(
      recordOf(text({ country: 'Nowhere', amount: 'x' })),
      recordOf('{"country":"Elsewhere"'),
    );
    expect([batch.dictionary.find('Nowhere'), batch.dictionary.find('Elsewhere')]).toEqual([-1, -1]);
  });
});
