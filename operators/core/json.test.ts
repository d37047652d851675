import { describe, expect, expectTypeOf, it } from 'vitest';
import { META_TABLE, readNotices, type SourceRecord, type Stream, TestDriver } from '../../engine/index.ts';
import { json } from './json.ts';

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
});
