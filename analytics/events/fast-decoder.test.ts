import { describe, expect, it } from 'vitest';
import { fc } from '../../test/property.ts';
import { FastDecoder } from './fast-decoder.ts';
import { NOW_MS, recordOf } from './fixture-events.ts';
import { eventFromJson, type OrderEvent } from './order-event.ts';

const place = { tenant: 'acme', record: recordOf(''), part: 0 };

function fast(text: string, decoder = new FastDecoder()): OrderEvent | undefined {
  const bytes = Buffer.from(`  ${text}\n`);
  return decoder.decode(bytes, 2, bytes.length - 1, place, NOW_MS);
}

function careful(text: string): OrderEvent | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  const event = eventFromJson(value, place, NOW_MS);
  return 'code' in event ? undefined : event;
}

const ascii = fc.string({
  unit: fc.constantFrom('a', 'B', '7', ' ', '-', '.', '{', ':', ','),
  maxLength: 12,
});
const anyText = fc.oneof(
  { weight: 60, arbitrary: ascii },
  fc.constantFrom('ü', '漢💶', '"', '\\', '\n', 'a\tb', '/', '\u2028', 'x'.repeat(128), 'x'.repeat(129), ''),
);
const number = fc.oneof(
  { weight: 30, arbitrary: fc.integer() },
  fc.constantFrom(0, -0, 1.5, 1e21, 2 ** 53 - 1, -(2 ** 53 - 1), 2 ** 53, 123_456_789_012_345, 1e-7),
);
const json = fc.jsonValue({ maxDepth: 2 });
const item = fc.record(
  {
    sku: anyText,
    name: anyText,
    category: fc.option(anyText),
    quantity: fc.integer({ min: -9, max: 9 }),
    unit_price: fc.integer(),
    note: json,
  },
  { requiredKeys: ['sku', 'quantity', 'unit_price'] },
);
const time = fc.oneof(
  { weight: 20, arbitrary: fc.constantFrom('2025-08-01T10:00:00Z', '2025-08-01T12:00:00.123+02:00') },
  fc.constantFrom('2025-08-03T10:00:00Z', '1999-01-01T00:00:00Z', 'yesterday', ''),
);
const text = fc.option(anyText, { freq: 40 });
const money = fc.option(number, { freq: 40 });

const members = fc.record(
  {
    event_id: fc.oneof(
      {
        weight: 30,
        arbitrary: fc.string({ unit: fc.constantFrom('e', '1', '-'), minLength: 1, maxLength: 20 }),
      },
      anyText,
    ),
    type: fc.oneof(
      { weight: 30, arbitrary: fc.constantFrom('order.created', 'PAYMENT_SUCCEEDED', 'visit', 'custom') },
      fc.constantFrom('fx.rate', 'ticket.opened'),
      anyText,
    ),
    source: text,
    order_id: text,
    customer_id: text,
    session_id: text,
    country: text,
    currency: text,
    sku: text,
    status: text,
    amount: money,
    discount: money,
    shipping: fc.oneof({ weight: 20, arbitrary: money }, anyText),
    tax: money,
    items: fc.oneof({ weight: 10, arbitrary: fc.array(item, { maxLength: 3 }) }, json),
    data: fc.oneof({ weight: 10, arbitrary: fc.dictionary(ascii, json) }, json),
    custom: fc.oneof({ weight: 5, arbitrary: anyText }, { weight: 5, arbitrary: number }, json),
    loyalty: number,
    constructor: anyText,
  },
  { requiredKeys: ['event_id', 'type'] },
);

/** The event time under its name, an alias, or both. */
const timed = fc
  .tuple(
    members,
    time,
    fc.constantFrom('time', 'time', 'ts', 'timestamp', 'occurred_at'),
    fc.option(time, { freq: 12, nil: undefined }),
  )
  .map(([rest, at, name, second]) => ({
    ...rest,
    [name]: at,
    ...(second === undefined ? {} : { ts: second }),
  }));

/** A way to write JSON: order of members, spaces, a member twice, escapes. */
const style = fc.record({
  reversed: fc.boolean(),
  space: fc.oneof({ weight: 8, arbitrary: fc.constantFrom('', '', ' ') }, fc.constantFrom('\n  ', '\t')),
  twice: fc.oneof(
    { weight: 10, arbitrary: fc.constant('') },
    fc.constantFrom('event_id', 'amount', 'custom', 'country', 'time'),
  ),
  escaped: fc.oneof({ weight: 10, arbitrary: fc.constant(false) }, fc.constant(true)),
  extra: fc.oneof({ weight: 15, arbitrary: fc.constant('') }, fc.constantFrom('}', ',', ' ')),
});

function serialise(
  event: object,
  { reversed, space, twice, escaped, extra }: typeof style extends fc.Arbitrary<infer S> ? S : never,
): string {
  const entries = Object.entries(event);
  if (reversed) entries.reverse();
  const again = entries.find(([name]) => name === twice);
  if (again !== undefined) entries.push([again[0], typeof again[1] === 'string' ? 'other' : 5]);
  // A single space is what some libraries write, and only after a comma or a colon.
  const before = space === ' ' ? '' : space;
  const parts = entries.map(([name, value]) => {
    const written = JSON.stringify(value);
    return `"${name}"${before}:${space}${escaped ? written.replaceAll('a', '\\u0061') : written}`;
  });
  return `{${before}${parts.join(`${before},${space}`)}${before}}${extra}`;
}

describe('the fast decoder', () => {
  it('gives up, or gives exactly the event of the careful way', () => {
    const decoder = new FastDecoder();
    let taken = 0;
    fc.assert(
      fc.property(timed, style, (event, how) => {
        const written = serialise(event, how);
        const found = fast(written, decoder);
        if (found === undefined) return;
        taken++;
        expect(found, written).toStrictEqual(careful(written));
      }),
      { numRuns: 4_000 },
    );
    expect(taken).toBeGreaterThan(200);
  });

  it.each([
    '{"event_id":"e1","type":"order.created","time":"2025-08-01T10:00:00Z"}',
    '{"event_id": "e1", "type": "order.created", "time": "2025-08-01T10:00:00Z", "amount": -5, "country": "DE"}',
    '{"tax":0,"ts":"2025-08-01T10:00:00Z","type":"Visit","event_id":"e1","custom":"x","points":12,"items":[{"sku":"a","quantity":2,"unit_price":5}],"data":{"a":[1,"}"]}}',
  ])('takes what programs write: %s', (written) => {
    expect(fast(written)).toStrictEqual(careful(written));
    expect(fast(written)).toBeDefined();
  });

  it.each([
    [
      'a member twice',
      '{"event_id":"e1","type":"v","time":"2025-08-01T10:00:00Z","country":"DE","country":"FR"}',
    ],
    [
      'an unknown member twice',
      '{"event_id":"e1","type":"v","time":"2025-08-01T10:00:00Z","mine":1,"mine":2}',
    ],
    [
      'time and an alias',
      '{"event_id":"e1","type":"v","time":"2025-08-01T10:00:00Z","ts":"2025-08-01T10:00:00Z"}',
    ],
    ['minus zero', '{"event_id":"e1","type":"v","time":"2025-08-01T10:00:00Z","amount":-0}'],
    ['a leading zero', '{"event_id":"e1","type":"v","time":"2025-08-01T10:00:00Z","amount":01}'],
    [
      'sixteen digits',
      '{"event_id":"e1","type":"v","time":"2025-08-01T10:00:00Z","amount":9007199254740993}',
    ],
    ['an escape', '{"event_id":"e\\u0031","type":"v","time":"2025-08-01T10:00:00Z"}'],
    ['no id', '{"type":"v","time":"2025-08-01T10:00:00Z"}'],
    ['a cut message', '{"event_id":"e1","type":"v","time":"2025-08-01T10:00:00Z"'],
    ['more after the end', '{"event_id":"e1","type":"v","time":"2025-08-01T10:00:00Z"}}'],
    ['a CloudEvent', '{"specversion":"1.0","event_id":"e1","type":"v","time":"2025-08-01T10:00:00Z"}'],
    ['a type with members of its own', '{"event_id":"e1","type":"fx.rate","time":"2025-08-01T10:00:00Z"}'],
    ['nothing', ''],
    [
      'deep nesting',
      `{"event_id":"e1","type":"v","time":"2025-08-01T10:00:00Z","data":{"a":${'['.repeat(63)}${']'.repeat(63)}}}`,
    ],
  ])('leaves %s to the careful way', (_, written) => {
    expect(fast(written)).toBeUndefined();
  });

  it('follows a changed layout', () => {
    const decoder = new FastDecoder();
    const one = '{"event_id":"e1","type":"v","time":"2025-08-01T10:00:00Z","country":"DE","mine":"a"}';
    const two = '{"event_id":"e2","country":"FR","yours":7,"type":"v","time":"2025-08-01T10:00:00Z"}';
    for (const written of [one, two, one, two])
      expect(fast(written, decoder)).toStrictEqual(careful(written));
  });

  it('two values whose cache places collide stay apart', () => {
    const decoder = new FastDecoder();
    for (let index = 0; index < 20_000; index++) {
      const written = `{"event_id":"e","type":"v","time":"2025-08-01T10:00:00Z","country":"c${index}"}`;
      expect(fast(written, decoder)?.dimensions[1]).toBe(`c${index}`);
    }
  });
});
