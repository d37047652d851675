import { describe, expect, it } from 'vitest';
import { Dictionary } from '../../engine/index.ts';
import { fc } from '../../test/property.ts';
import { checkEventMembers } from './check.ts';
import { EXACT_DEPTH, flatten } from './cloud-event.ts';
import { EventBatch } from './event-batch.ts';
import { EventScan } from './event-scan.ts';
import { parseExact } from './exact-json.ts';
import { decoding, NOW_MS, recordOf, rowOf } from './fixture-columns.ts';
import { tenantSeed } from './identity.ts';
import { writeMembers } from './member-writer.ts';

const CUSTOM = ['loyalty', 'gift', 'ticket_id', 'new_status'];
const limits = { now_ms: NOW_MS, cut_ms: Date.UTC(2001) };

const batch = new EventBatch(new Dictionary(), CUSTOM);

/** What the careful path alone makes of a text: its row, or the code of its rejection. */
function careful(text: string): Record<string, unknown> | string {
  const parsed = parseExact(Buffer.from(text), EXACT_DEPTH);
  if (!parsed.ok) return 'malformed_json';
  const event = checkEventMembers(flatten(parsed.value), limits);
  if (!event.ok) return event.code;
  batch.clear([]);
  const place = {
    sequence: 42,
    part: 0,
    record: 0,
    tenant: 'acme',
    scope: -1,
    seed: tenantSeed('acme'),
    emptied: 0,
  };
  return rowOf(batch, writeMembers(event, CUSTOM, batch, place), CUSTOM);
}

const ascii = fc.string({
  unit: fc.constantFrom('a', 'B', '7', ' ', '-', '.', '{', ':', ','),
  maxLength: 12,
});
const anyText = fc.oneof(
  { weight: 300, arbitrary: ascii },
  { weight: 9, arbitrary: fc.constantFrom('ü', '漢💶', 'größe') },
  fc.constantFrom('\ufeffx', '"', '\\', '\n', 'a\tb', '/', '\u2028', 'a\0b', '\ud800', ''),
  fc.constantFrom('x'.repeat(128), 'x'.repeat(129), 'ü'.repeat(64), 'ü'.repeat(65), 'ü'.repeat(128)),
);
const number = fc.oneof(
  { weight: 150, arbitrary: fc.integer() },
  fc.constantFrom(0, -0, 1.5, 12.25, -0.000001, 1e-7, 1e21, 123_456_789_012_345, 0.1 + 0.2),
  fc.constantFrom(2 ** 53 - 1, -(2 ** 53 - 1), 2 ** 53),
);
const { tame } = fc.letrec<{ tame: unknown }>((tie) => ({
  tame: fc.oneof(
    { maxDepth: 2 },
    fc.oneof(ascii, fc.integer(), fc.boolean(), fc.constant(null), fc.constantFrom(12.5, -3.25)),
    fc.array(tie('tame'), { maxLength: 3 }),
    fc.dictionary(ascii, tie('tame'), { maxKeys: 3 }),
  ),
}));
const json = fc.oneof({ weight: 20, arbitrary: tame }, fc.jsonValue({ maxDepth: 2 }));
const item = fc.record(
  {
    sku: anyText,
    name: fc.option(anyText),
    category: fc.option(anyText),
    quantity: fc.oneof({ weight: 100, arbitrary: fc.integer({ min: -9, max: 9 }) }, number),
    unit_price: fc.oneof({ weight: 100, arbitrary: fc.integer() }, number),
    note: json,
  },
  { requiredKeys: ['sku', 'quantity', 'unit_price'] },
);
const time = fc.oneof(
  { weight: 20, arbitrary: fc.constantFrom('2025-08-01T10:00:00Z', '2025-08-01T12:00:00.123+02:00') },
  fc.constantFrom('2025-08-03T10:00:00Z', '1999-01-01T00:00:00Z', '2000-06-01T00:00:00Z', 'yesterday', ''),
);
const text = fc.option(anyText, { freq: 12 });
const money = fc.option(number, { freq: 12 });
const scalar = fc.option(fc.oneof(anyText, number, fc.boolean(), json), { freq: 8 });

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
      {
        weight: 30,
        arbitrary: fc.constantFrom(
          'order.created',
          'Order_Placed',
          'PAYMENT_SUCCEEDED',
          'visit',
          'order_status-changed',
          'order.fulfilled',
          'order.packed',
          'custom',
          'ünter',
        ),
      },
      {
        weight: 10,
        arbitrary: fc.constantFrom('fx.rate', 'ticket.opened', 'ticket-resolved', 'refund.issued'),
      },
      anyText,
    ),
    source: text,
    order_id: text,
    customer_id: text,
    session_id: text,
    country: text,
    currency: fc.oneof(
      { weight: 30, arbitrary: fc.constantFrom('EUR', 'usd', 'GbP', null) },
      fc.constantFrom('', 'US Dollar', 'us', 'eu1', 'ÄUR'),
    ),
    sku: text,
    status: text,
    new_status: scalar,
    region: text,
    amount: money,
    discount: money,
    shipping: fc.oneof({ weight: 100, arbitrary: money }, anyText),
    tax: money,
    items: fc.oneof({ weight: 80, arbitrary: fc.array(item, { maxLength: 3 }) }, json),
    data: fc.oneof(
      { weight: 40, arbitrary: fc.dictionary(ascii, json, { maxKeys: 4 }) },
      {
        weight: 40,
        arbitrary: fc.record(
          { loyalty: scalar, gift: scalar, ticket_id: scalar, status: scalar, new_status: scalar },
          { requiredKeys: [] },
        ),
      },
      json,
    ),
    loyalty: scalar,
    ticket_id: scalar,
    other: fc.oneof({ weight: 5, arbitrary: anyText }, { weight: 5, arbitrary: number }, json),
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

/** A way to write JSON: order of members, spaces, a member twice, escapes, long digits, rubbish behind it. */
const style = fc.record({
  reversed: fc.boolean(),
  space: fc.constantFrom('', '', '', ' ', '\n  ', '\t'),
  twice: fc.oneof(
    { weight: 20, arbitrary: fc.constant('') },
    fc.constantFrom('event_id', 'amount', 'other', 'country', 'time', 'loyalty'),
  ),
  escaped: fc.oneof({ weight: 20, arbitrary: fc.constant(false) }, fc.constant(true)),
  proto: fc.oneof({ weight: 20, arbitrary: fc.constant(false) }, fc.constant(true)),
  long: fc.oneof({ weight: 20, arbitrary: fc.constant(false) }, fc.constant(true)),
  extra: fc.oneof({ weight: 30, arbitrary: fc.constant('') }, fc.constantFrom('}', ',', ' ', '\r\n', '"')),
});

type Style = typeof style extends fc.Arbitrary<infer S> ? S : never;

function serialise(event: object, { reversed, space, twice, escaped, proto, long, extra }: Style): string {
  const entries: [string, unknown][] = Object.entries(event);
  if (reversed) entries.reverse();
  const again = entries.find(([name]) => name === twice);
  if (again !== undefined) entries.push([again[0], typeof again[1] === 'string' ? 'other' : 5]);
  if (proto) entries.push(['__proto__', { amount: 777, ticket_id: 't', loyalty: 'gold' }]);
  // A single space is what some libraries write, and only after a comma or a colon.
  const before = space === ' ' ? '' : space;
  const parts = entries.map(([name, value]) => {
    const indent = space === ' ' ? undefined : space;
    const written = JSON.stringify(value, null, indent);
    const spaced = space === ' ' ? written.replaceAll(/([,:])(?=["\d[{])/g, '$1 ') : written;
    return `"${name}"${before}:${space}${escaped ? spaced.replaceAll('a', '\\u0061') : spaced}`;
  });
  if (long) parts.push('"other_id":820982911946154508');
  return `{${before}${parts.join(`${before},${space}`)}${before}}${extra}`;
}

describe('the two paths of the decoder', () => {
  it('give the same columns and the same rejections', () => {
    const decode = decoding({ custom: CUSTOM, retentionCut: () => limits.cut_ms });
    const scan = new EventScan(CUSTOM);
    const counts = { scanned: 0, taken: 0, rejected: 0 };
    fc.assertRuns(
      fc.property(timed, style, (event, how) => {
        const written = serialise(event, how);
        const bytes = Buffer.from(`  ${written}\n`);
        if (scan.scan(bytes, 2, bytes.length - 1)) counts.scanned++;
        const region = { buffer: bytes, start: 2, end: bytes.length - 1 };
        const record = { ...recordOf(written), region };
        const { rows, rejected, batch: found } = decode(record);
        const wanted = careful(written);
        if (typeof wanted === 'string') {
          counts.rejected++;
          expect([rows, rejected], written).toEqual([[], [`${wanted}@0`]]);
        } else {
          counts.taken++;
          expect(rows, written).toStrictEqual([wanted]);
        }
        expect(found.own.itemLength).toBe(
          typeof wanted === 'string' ? 0 : (wanted.items as readonly unknown[]).length,
        );
      }),
      { numRuns: 3_000 },
    );
    // Each way is taken often enough to be compared.
    expect(counts.scanned).toBeGreaterThan(500);
    expect(counts.taken - counts.scanned).toBeGreaterThan(150);
    expect(counts.rejected).toBeGreaterThan(150);
  });
});
