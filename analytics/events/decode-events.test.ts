import { describe, expect, it } from 'vitest';
import { cpuTime } from '../../test/running-time.ts';
import { messageDecoder, rawOf, tenantOf } from './decode-events.ts';
import { MAX_ITEMS } from './event-schema.ts';
import { T } from './event-types.ts';
import { decoded, NOW_MS, recordOf } from './fixture-events.ts';

const good = { event_id: 'e1', type: 'order.created', time: '2025-08-01T10:00:00Z' };
const event = (members: Readonly<Record<string, unknown>> = {}): string =>
  JSON.stringify({ ...good, ...members });
const iso = (time_ms: number): string => new Date(time_ms).toISOString();
const NDJSON = { 'Content-Type': 'application/x-ndjson; charset=utf-8' };

describe('one event', () => {
  it('becomes an event with its fields, and empty ones where it has none', () => {
    const { events, rejected } = decoded(
      recordOf(event({ country: 'DE', amount: -5, customer_id: 'c', data: { x: 1 }, mine: true })),
    );
    expect(rejected).toEqual([]);
    expect(events).toMatchObject([
      {
        tenant: 'acme',
        sequence: 42,
        part: 0,
        type: T['order.created'],
        time_ms: Date.UTC(2025, 7, 1, 10),
        customer_id: 'c',
        order_id: '',
        amount: -5,
        items: null,
      },
    ]);
    expect(events[0]?.discount).toBeNull();
    expect(events[0]?.dimensions).toEqual(['', 'DE', '', '', '', '', '', '']);
  });

  it.each(['ts', 'timestamp', 'occurred_at'])(
    'takes its time from %s, also beside a time of null',
    (alias) => {
      const { time, ...rest } = good;
      const plain = decoded(recordOf(event())).events[0];
      for (const text of [
        JSON.stringify({ ...rest, [alias]: time }),
        JSON.stringify({ ...rest, time: null, [alias]: time }, null, 1),
      ]) {
        const { events } = decoded(recordOf(text));
        expect([events[0]?.time_ms, events[0]?.payload]).toEqual([plain?.time_ms, plain?.payload]);
      }
    },
  );

  it('its payload hash does not depend on form, only on what it says', () => {
    const hash = (text: string): number | undefined => decoded(recordOf(text)).events[0]?.payload;
    const plain = hash(event({ country: 'DE', items: [{ sku: 'a', quantity: 1, unit_price: 2 }] }));
    expect(
      hash(
        JSON.stringify(
          {
            items: [{ unit_price: 2, quantity: 1, sku: 'a' }],
            tax: null,
            country: 'DE',
            ...good,
            event_id: 'e2',
          },
          null,
          3,
        ),
      ),
    ).toBe(plain);
    expect(
      hash(
        event({
          country: 'DE',
          time: '2025-08-01T12:00:00.000+02:00',
          items: [{ sku: 'a', quantity: 1, unit_price: 2 }],
        }),
      ),
    ).toBe(plain);
    for (const other of [
      { country: 'FR' },
      { amount: 1 },
      { mine: 1 },
      { data: { a: 1 } },
      { time: '2025-08-01T10:00:00.001Z' },
    ]) {
      expect(
        hash(event({ country: 'DE', items: [{ sku: 'a', quantity: 1, unit_price: 2 }], ...other })),
      ).not.toBe(plain);
    }
  });

  it('its identity is the tenant and the id', () => {
    const identity = (text: string, subject = 'events.acme.x'): string => {
      const [found] = decoded(recordOf(text, {}, subject)).events;
      return [found?.id0, found?.id1, found?.id2].join();
    };
    expect(identity(event({ country: 'DE' }))).toBe(identity(event()));
    expect(identity(event(), 'events.acme.other.y')).toBe(identity(event()));
    expect(identity(event(), 'events.globex.x')).not.toBe(identity(event()));
    expect(identity(event({ event_id: 'ü' }))).not.toBe(identity(event({ event_id: 'u' })));
  });

  it('with very many members of its own is taken, in reasonable time', () => {
    const many = Object.fromEntries(Array.from({ length: 60_000 }, (_, index) => [`k${index}`, 1]));
    const used_ms = cpuTime();
    expect(decoded(recordOf(event(many))).rejected).toEqual([]);
    expect(used_ms()).toBeLessThan(2_000);
  });

  it('at the limits of its fields is taken', () => {
    const items = Array.from({ length: MAX_ITEMS }, () => ({ sku: 's', quantity: 1, unit_price: 1 }));
    const limits = {
      event_id: 'x'.repeat(128),
      type: 't'.repeat(64),
      amount: 2 ** 53 - 1,
      tax: -(2 ** 53 - 1),
      country: 'ü'.repeat(128),
      items,
    };
    expect(decoded(recordOf(event(limits))).rejected).toEqual([]);
    expect(decoded(recordOf(event({ time: iso(NOW_MS + 86_400_000) }))).rejected).toEqual([]);
    expect(decoded(recordOf(event({ time: '2000-01-01T00:00:00Z' }))).rejected).toEqual([]);
  });
});

describe('several events', () => {
  const parts = [
    event(),
    event({ amount: 'x' }),
    event({ event_id: 'e2' }),
    '5',
    event({ event_id: 'e3', country: 'ü' }),
  ];

  it('of an array: the bad ones are dead letters, the rest is processed', () => {
    const { events, rejected, rejectedBytes } = decoded(recordOf(` [${parts.join(',\n ')}] `));
    expect(events.map(({ part }) => part)).toEqual([0, 2, 4]);
    expect(rejected).toEqual(['bad_field@1', 'not_an_object@3']);
    expect(rejectedBytes[0]).toBe(parts[1]);
    expect(events.map((one) => JSON.parse(Buffer.from(rawOf(one)).toString()))).toEqual(
      [0, 2, 4].map((part) => JSON.parse(parts[part] as string)),
    );
  });

  it('of NDJSON likewise, whatever the ends of lines, broken JSON on one line included', () => {
    const lines = [...parts.slice(0, 3), '{"broken', parts[4] as string];
    const { events, rejected, rejectedBytes } = decoded(recordOf(`\n${lines.join('\r\n \n')}\n`, NDJSON));
    expect(events.map(({ part }) => part)).toEqual([0, 2, 4]);
    expect(rejected).toEqual(['bad_field@1', 'malformed_json@3']);
    expect(rejectedBytes[1]).toBe('{"broken');
    expect(events.map((one) => Buffer.from(rawOf(one)).toString())).toEqual(
      [0, 2, 4].map((part) => lines[part]),
    );
  });

  it('of an empty array or no lines are none', () => {
    for (const record of [recordOf('[]'), recordOf('', NDJSON), recordOf('\n \n', NDJSON)]) {
      expect(decoded(record)).toMatchObject({ events: [], rejected: [] });
    }
  });

  it('are not what an array within an array is', () => {
    expect(decoded(recordOf(`[[${event()}]]`)).rejected).toEqual(['not_an_object@0']);
  });
});

describe('CloudEvents', () => {
  const { event_id, ...data } = { ...good, amount: 7, country: 'DE', source: 'shop' };
  const flat = decoded(recordOf(event({ amount: 7, country: 'DE', source: 'shop' }))).events[0];
  const envelope = {
    specversion: '1.0',
    id: event_id,
    source: 'shop',
    type: data.type,
    time: data.time,
    datacontenttype: 'application/json',
  };
  const payload = { amount: 7, country: 'DE' };
  const same = (one: unknown): void => expect(one).toEqual({ ...flat, record: expect.anything() });

  it('structured are the flat event of their attributes and data', () => {
    same(decoded(recordOf(JSON.stringify({ ...envelope, data: payload }))).events[0]);
    const { events } = decoded(
      recordOf(
        JSON.stringify([
          { ...envelope, data: payload },
          { ...envelope, id: 'other', data: payload },
        ]),
      ),
    );
    same(events[0]);
    expect(events).toHaveLength(2);
  });

  it('structured may have their data in base64', () => {
    const inBase64 = (text: string): unknown => ({
      ...envelope,
      data_base64: Buffer.from(text).toString('base64'),
    });
    same(decoded(recordOf(JSON.stringify(inBase64(JSON.stringify(payload))))).events[0]);
    const opaque = decoded(recordOf(JSON.stringify(inBase64('not JSON'))));
    expect([opaque.rejected, opaque.events[0]?.amount]).toEqual([[], null]);
  });

  it('binary have their attributes in headers, whatever the case', () => {
    const headers = {
      'CE-Specversion': '1.0',
      'ce-id': event_id,
      'ce-source': 'shop',
      'ce-type': data.type,
      'ce-time': data.time,
    };
    same(decoded(recordOf(JSON.stringify(payload), headers)).events[0]);
  });

  it('the attributes stand before members of the data', () => {
    const { events } = decoded(
      recordOf(
        JSON.stringify({ ...envelope, data: { ...payload, event_id: 'no', type: 'visit', time: 'never' } }),
      ),
    );
    same(events[0]);
  });

  it('without an id or a time are dead letters', () => {
    expect(decoded(recordOf(JSON.stringify({ ...envelope, id: undefined, data: payload }))).rejected).toEqual(
      ['missing_field@0'],
    );
    expect(
      decoded(recordOf(JSON.stringify(payload), { 'ce-specversion': '1.0', 'ce-id': 'x', 'ce-type': 'v' }))
        .rejected,
    ).toEqual(['missing_field@0']);
  });

  it('a flat event inside NDJSON may be one, too', () => {
    same(decoded(recordOf(`${JSON.stringify({ ...envelope, data: payload })}\n`, NDJSON)).events[0]);
  });
});

describe('the tenant', () => {
  it.each([
    ['events.acme.x', 'acme'],
    ['events.acme', 'acme'],
    ['events.acme.c%2E1.x.y', 'acme'],
  ])('of %s is token 2', (subject, tenant) => {
    expect(tenantOf(subject)).toBe(tenant);
  });

  it('follows each message of one decoder', () => {
    const decoder = messageDecoder();
    const tenants = ['events.a.x', 'events.b.x', 'events.b.y', 'events.a.x'].map(
      (subject) => decoded(recordOf(event(), {}, subject), decoder).events[0]?.tenant,
    );
    expect(tenants).toEqual(['a', 'b', 'b', 'a']);
  });
});

describe('a message of rubbish', () => {
  it('makes a thousand dead letters and one for the rest, and keeps what is good', () => {
    const lines = [...Array.from({ length: 1_500 }, () => '0'), event({ event_id: 'last' })].join('\n');
    const { events, rejected } = decoded(recordOf(lines, NDJSON));
    expect(events).toHaveLength(1);
    expect(rejected).toHaveLength(1_001);
    expect(rejected.at(-1)).toContain('too_many_rejections');
  });
});
