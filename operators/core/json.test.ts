import { describe, expect, expectTypeOf, it } from 'vitest';
import { z } from 'zod';
import { META_TABLE, readNotices, type SourceRecord, type Stream, TestDriver } from '../../engine/index.ts';
import { fc } from '../../test/property.ts';
import { json } from './json.ts';
import { type Bigints, jsonParser } from './json-numbers.ts';

interface Order {
  readonly id: string;
  readonly cents: number;
}

/** What a schema library gives: an object with `parse`. */
const orderSchema = {
  parse: (input: unknown): Order => {
    const { id, cents } = Object(input) as Record<string, unknown>;
    if (typeof id !== 'string' || typeof cents !== 'number') throw new Error('an order has id and cents');
    return { id, cents };
  },
};

const record = (sequence: number, data: string | Uint8Array, subject = 'orders.eu'): SourceRecord => ({
  sequence,
  subject,
  data: Buffer.from(data),
  hasHeaders: false,
  header: () => undefined,
});

const start = () =>
  TestDriver.start((input: Stream<SourceRecord>) => {
    const orders = input.pipe(json('orders', { parse: orderSchema }));
    expectTypeOf(orders).toEqualTypeOf<Stream<Order>>();
    return orders;
  });

describe('json', () => {
  it('gives checked values in order, and the malformed to the dead letters with the reason', async () => {
    const driver = await start();
    await driver.push(
      record(1, '{"id":"a","cents":5}'),
      record(2, '{"id":'),
      record(3, '{"id":"b"}'),
      record(4, Uint8Array.of(0x22, 0xff, 0x22)),
      record(5, '{"id":"c","cents":7,"more":true}'),
    );
    driver.commit();
    expect(driver.out).toEqual([
      { id: 'a', cents: 5 },
      { id: 'c', cents: 7 },
    ]);
    expect(driver.sent.map(({ id, subject }) => `${subject} ${id.replace(/-[\w-]{11}$/, '')}`)).toEqual([
      'deadletter.default deadletter-orders.eu-2-0-invalid_json',
      'deadletter.default deadletter-orders.eu-3-0-invalid_value',
      'deadletter.default deadletter-orders.eu-4-0-invalid_utf8',
    ]);
    expect(driver.sent[1]).toMatchObject({
      headers: { Reason: 'invalid_value', 'Reason-Detail': 'an order has id and cents', 'Original-Seq': '3' },
    });
    expect(driver.counter('millrace.decode.accepted')).toBe(2);
    expect(driver.counter('millrace.decode.rejected')).toBe(3);
  });

  it('takes a function that sees the record, and a tenant', async () => {
    const driver = await TestDriver.start<SourceRecord, string>((input) =>
      input.pipe(
        json('texts', {
          parse: (value, { subject, sequence }) => {
            if (typeof value !== 'string') throw new Error('no text');
            return `${subject} ${sequence} ${value}`;
          },
          tenantOf: ({ subject }) => subject.split('.')[1] ?? 'default',
        }),
      ),
    );
    await driver.push(record(1, '"x"'), record(2, 'null', 'orders.us'));
    driver.commit();
    expect(driver.out).toEqual(['orders.eu 1 x']);
    expect(driver.sent.map(({ subject }) => subject)).toEqual(['deadletter.us']);
    expect(readNotices(driver.disk.open().table(META_TABLE), 'us', 'dead_letter', 9)).toHaveLength(1);
  });

  it('a repeat after a crash is the same dead letter', async () => {
    const driver = await start();
    await driver.push(record(9, '{'));
    const again = await driver.restart();
    await again.push(record(9, '{'));
    again.commit();
    expect(driver.sent).toEqual([]);
    expect(again.sent.map(({ id }) => id)).toEqual([
      expect.stringMatching(/^deadletter-orders\.eu-9-0-invalid_json-[\w-]{11}$/),
    ]);
  });

  it('says what a schema library finds in sentences', async () => {
    const Click = z.object({ page: z.string(), at: z.number(), tags: z.array(z.string()) });
    const driver = await TestDriver.start<SourceRecord, unknown>((input) =>
      input.pipe(json('clicks', { parse: Click })),
    );
    await driver.push(record(1, '{"page":5,"at":1,"tags":["a",7]}'), record(2, '5'));
    driver.commit();
    expect(driver.sent.map(({ headers }) => headers?.['Reason-Detail'])).toEqual([
      'page: Invalid input: expected string, received number; tags.1: Invalid input: expected string, received number',
      'Invalid input: expected object, received number',
    ]);
  });

  describe('ids of 64 bits', () => {
    const ids = ['9007199254740993', '9007199254740992', '-9223372036854775808', '7'];
    const text = `[${ids.join(', ')}, 1.5, 12345678901234567890e0, "9007199254740993", "\\u0000 9007199254740993"]`;
    const rest = [1.5, Number('12345678901234567890'), '9007199254740993', '\0 9007199254740993'];
    const readBy = async (bigints?: Bigints): Promise<readonly unknown[]> => {
      const driver = await TestDriver.start<SourceRecord, unknown>((input) =>
        input.pipe(json('ids', { parse: (value) => value, ...(bigints === undefined ? {} : { bigints }) })),
      );
      await driver.push(record(1, text), record(2, '[7]'));
      driver.commit();
      return [...driver.out, ...driver.sent.map(({ headers }) => headers?.['Reason-Detail'])];
    };

    it('stand as they are sent, or are refused; without either they are rounded', async () => {
      const big = ids.slice(0, 3).map((id) => BigInt(id));
      expect(await readBy('text')).toEqual([[...ids.slice(0, 3), 7, ...rest], [7]]);
      expect(await readBy('bigint')).toEqual([[...big, 7, ...rest], [7]]);
      expect(await readBy('refuse')).toEqual([
        [7],
        expect.stringContaining('9007199254740993 is beyond 2^53 - 1'),
      ]);
      const rounded = [9007199254740992, 9007199254740992, -(2 ** 63), 7, ...rest];
      expect(await readBy()).toEqual([rounded, [7]]);
      expect(await readBy('round')).toEqual([rounded, [7]]);
    });

    it('are the digits of any JSON text', () => {
      const read = jsonParser('p', 'text');
      fc.assert(
        fc.property(fc.jsonValue(), fc.bigInt(), fc.string({ unit: 'binary' }), (value, big, name) => {
          const given = `{"value": ${JSON.stringify(value)}, ${JSON.stringify(name)}: ${big}, "last": [${big}]}`;
          const isSafe = Number.isSafeInteger(Number(big));
          const expected = JSON.parse(given) as Record<string, unknown>;
          if (!isSafe) Object.assign(expected, { last: [String(big)] });
          if (!isSafe && name !== 'last') expected[name] = String(big);
          if (name !== '__proto__') expect(read(given)).toEqual(withLongAsText(expected));
        }),
      );
    });

    it('are a choice among four', () => {
      expect(() => json('ids', { parse: (value) => value, bigints: 'no' as Bigints })).toThrow(
        'give one of round, text',
      );
    });
  });
});

/** Doubles that JSON writes as long whole numbers are such numbers too. */
function withLongAsText(value: unknown): unknown {
  const isLong = (text: string): boolean => /^-?\d+$/.test(text) && !Number.isSafeInteger(Number(text));
  if (typeof value === 'number') return isLong(JSON.stringify(value)) ? JSON.stringify(value) : value;
  if (Array.isArray(value)) return value.map(withLongAsText);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, withLongAsText(one)]));
}
