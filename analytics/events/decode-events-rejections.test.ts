import { describe, expect, it } from 'vitest';
import { MAX_ITEMS, MAX_MESSAGE_BYTES } from './event-schema.ts';
import { decoded, NOW_MS, recordOf } from './fixture-events.ts';

const good = { event_id: 'e1', type: 'order.created', time: '2025-08-01T10:00:00Z' };
const event = (members: Readonly<Record<string, unknown>> = {}): string =>
  JSON.stringify({ ...good, ...members });
const iso = (time_ms: number): string => new Date(time_ms).toISOString();

describe('a dead letter', () => {
  it.each([
    ['malformed_json', '{"event_id":"e1"'],
    ['malformed_json', ''],
    ['malformed_json', '\u0000'],
    ['not_an_object', '7'],
    ['not_an_object', '"text"'],
    ['not_an_object', 'null'],
    ['missing_field', event({ event_id: undefined })],
    ['missing_field', event({ type: null })],
    ['missing_field', event({ time: undefined })],
    ['bad_field', event({ event_id: '' })],
    ['bad_field', event({ event_id: 'x'.repeat(129) })],
    ['bad_field', event({ event_id: 7 })],
    ['bad_field', event({ type: '' })],
    ['bad_field', event({ type: 't'.repeat(65) })],
    ['bad_field', event({ country: 'x'.repeat(129) })],
    ['bad_field', event({ country: 'a\0b' })],
    ['bad_field', event({ order_id: '\ud800' })],
    ['bad_field', event({ amount: 1.5 })],
    ['bad_field', event({ amount: '5' })],
    ['bad_field', event({ amount: 2 ** 53 })],
    ['bad_field', event({ items: {} })],
    ['bad_field', event({ items: [{ sku: 'a', quantity: 1 }] })],
    ['bad_field', event({ items: [{ sku: 'a', quantity: 1_000_000_000, unit_price: 2 ** 40 }] })],
    [
      'bad_field',
      event({
        items: Array.from({ length: MAX_ITEMS + 1 }, () => ({ sku: 's', quantity: 1, unit_price: 1 })),
      }),
    ],
    ['bad_field', event({ data: [1] })],
    ['bad_field', event({ time: 1_754_000_000 })],
    ['bad_time', event({ time: '2025-08-01' })],
    ['bad_time', event({ time: '2025-08-01T10:00:00' })],
    ['bad_time', event({ time: '' })],
    ['time_in_future', event({ time: iso(NOW_MS + 86_400_001) })],
    ['time_too_old', event({ time: '1999-12-31T23:59:59.999Z' })],
  ])('for %s: %.60s', (code, text) => {
    const { events, rejected, rejectedBytes, details } = decoded(recordOf(text));
    expect([events.length, rejected]).toEqual([0, [`${code}@0`]]);
    expect(rejectedBytes).toEqual([text]);
    expect(details[0]).not.toBe('');
  });

  it('for bytes that are no UTF-8', () => {
    const bytes = Buffer.concat([Buffer.from('{"event_id":"'), Buffer.from([0xff]), Buffer.from('"}')]);
    expect(decoded(recordOf(bytes)).rejected).toEqual(['malformed_json@0']);
  });

  it('for a message over 1 MiB; one of just 1 MiB is taken', () => {
    const padded = (bytes: number): string => {
      const bare = event({ data: { pad: '' } });
      return event({ data: { pad: 'x'.repeat(bytes - bare.length) } });
    };
    expect(decoded(recordOf(padded(MAX_MESSAGE_BYTES))).rejected).toEqual([]);
    const { rejected, rejectedBytes } = decoded(recordOf(padded(MAX_MESSAGE_BYTES + 1)));
    expect([rejected, rejectedBytes[0]?.length]).toEqual([['too_large@0'], MAX_MESSAGE_BYTES + 1]);
  });

  it('for nesting that nothing could follow; the rest of its batch is processed', () => {
    const nested = (levels: number): string =>
      event({ data: 0 }).replace('"data":0', `"data":{"a":${'['.repeat(levels)}${']'.repeat(levels)}}`);
    expect(decoded(recordOf(nested(62))).rejected).toEqual([]);
    for (const levels of [63, 1_000, 200_000])
      expect(decoded(recordOf(nested(levels))).rejected).toEqual(['bad_field@0']);
    const { events, rejected } = decoded(
      recordOf(`[${event({ event_id: 'e2' })},${nested(200_000)},${event()}]`),
    );
    expect([events.map(({ part }) => part), rejected]).toEqual([[0, 2], ['bad_field@1']]);
  });

  it('for a tenant that is too long to be part of a key', () => {
    const { rejected, tenants } = decoded(recordOf(event(), {}, `events.${'t'.repeat(129)}.x`));
    expect([rejected, tenants[0]?.length]).toEqual([['bad_subject@0'], 128]);
    expect(decoded(recordOf(event(), {}, `events.${'t'.repeat(128)}.x`)).rejected).toEqual([]);
  });

  it('names the field that is wrong', () => {
    expect(
      decoded(recordOf(event({ items: [{ sku: 'a', quantity: 1, unit_price: 'x' }] }))).details[0],
    ).toMatch(/^items\.0\.unit_price: /);
    expect(decoded(recordOf(event({ type: undefined }))).details[0]).toBe('type: required');
  });
});
