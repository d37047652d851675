import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { codeOf, orderEvent, PATIENTLY, startTestApi, type TestApi } from '../../fixture-api.ts';

interface Ingested {
  ingestion_id: string;
  accepted: number;
  rejected: { index: number; event_id: string | null; reason: string }[];
  position: Record<string, Record<string, number>> | null;
}

let test: TestApi;
let key: string;

beforeEach(async () => {
  test = await startTestApi();
  key = await test.key('ingest');
});
afterEach(() => test.close());

const ndjson = { 'content-type': 'application/x-ndjson' };

describe('POST /ingest', () => {
  it('stores one event under its tenant and customer, and tells the position', async () => {
    const event = orderEvent('e1', { customer_id: 'c.1 *>' });
    const response = await test.send('/ingest', { key, json: event });
    expect(response.status).toBe(202);
    const body = (await response.json()) as Ingested;
    expect(body).toMatchObject({ accepted: 1, rejected: [], position: { EVENTS: { '0': 1 } } });
    expect(body.ingestion_id).toMatch(/^ing_/);
    const [message] = test.stream.messages;
    expect(message?.subject).toBe('events.default.c%2E1%20%2A%3E');
    expect(JSON.parse(Buffer.from(message?.payload ?? []).toString())).toEqual(event);
  });

  it('falls back to the order, then to _, as partition key', async () => {
    const json = [
      orderEvent('e1', { customer_id: null }),
      orderEvent('e2', { customer_id: '', order_id: null }),
    ];
    await test.send('/ingest', { key, json });
    expect(test.stream.messages.map(({ subject }) => subject)).toEqual([
      'events.default.o-e1',
      'events.default._',
    ]);
  });

  it('takes part of a list and says what it did not take', async () => {
    const json = [
      orderEvent('e1'),
      { type: 'visit' },
      orderEvent('e3', { time: '2025-09-03T00:00:00Z' }),
      orderEvent('e4', { amount: 1.5 }),
      orderEvent('e5', { time: '1999-12-31T23:59:59Z' }),
      orderEvent('e6', { time: '2025-09-01T10:00:00' }),
      'text',
      orderEvent('e8', { time: undefined, occurred_at: '2025-09-01T11:00:00+02:00' }),
    ];
    const response = await test.send('/ingest', { key, json });
    expect(response.status).toBe(202);
    const { accepted, rejected } = (await response.json()) as Ingested;
    expect(accepted).toBe(2);
    expect(rejected.map(({ index, event_id, reason }) => [index, event_id, reason.split(':')[0]])).toEqual([
      [1, null, 'missing_field'],
      [2, 'e3', 'time_in_future'],
      [3, 'e4', 'bad_field'],
      [4, 'e5', 'time_too_old'],
      [5, 'e6', 'bad_time'],
      [6, null, 'not_an_object'],
    ]);
  });

  it('answers 202 for a list that is rejected as a whole, and 422 for a single event', async () => {
    const list = await test.send('/ingest', { key, json: [{}] });
    expect(list.status).toBe(202);
    expect(await list.json()).toMatchObject({ accepted: 0, position: null });
    const single = await test.send('/ingest', { key, json: { event_id: 'x' } });
    expect(single.status).toBe(422);
    expect(single.headers.get('content-type')).toBe('application/problem+json');
    expect(await single.json()).toMatchObject({
      code: 'invalid_event',
      status: 422,
      errors: [{ path: 'type' }, { path: 'time' }],
    });
  });

  it('takes NDJSON, blank lines and a broken one included', async () => {
    const body = `${JSON.stringify(orderEvent('e1'))}\r\n\n{broken\n${JSON.stringify(orderEvent('e2'))}`;
    const response = await test.send('/ingest', { key, body, headers: ndjson });
    expect(await response.json()).toMatchObject({ accepted: 2, rejected: [{ index: 1, event_id: null }] });
  });

  it('takes gzip, and CloudEvents', async () => {
    const { event_id, type, time, ...data } = orderEvent('ce1');
    const cloudEvent = { specversion: '1.0', id: event_id, type, time, source: '/shop', data };
    const body = Uint8Array.from(gzipSync(JSON.stringify(cloudEvent)));
    const headers = { 'content-type': 'application/cloudevents+json', 'content-encoding': 'gzip' };
    const response = await test.send('/ingest', { key, body, headers });
    expect(response.status).toBe(202);
    expect(test.stream.messages[0]?.subject).toBe('events.default.c-1');
  });

  it('gives the same message id to the same event only', async () => {
    const json = [orderEvent('e1'), orderEvent('e1'), orderEvent('e1', { amount: 2 })];
    await test.send('/ingest', { key, json });
    expect(test.stream.messages).toHaveLength(2);
    await test.send('/v1/other/order-analytics/ingest', {
      key: await test.key('ingest', { tenant: 'other' }),
      json: orderEvent('e1'),
    });
    expect(test.stream.messages).toHaveLength(3);
  });

  it.each([
    [
      'malformed JSON',
      { body: '{"a":', headers: { 'content-type': 'application/json' } },
      400,
      'malformed_json',
    ],
    ['invalid UTF-8', { body: Uint8Array.of(0x22, 0xff, 0x22) }, 400, 'malformed_json'],
    ['an empty body', { body: '' }, 400, 'malformed_json'],
    ['no gzip', { body: 'x', headers: { 'content-encoding': 'gzip' } }, 400, 'malformed_body'],
    ['another encoding', { body: 'x', headers: { 'content-encoding': 'br' } }, 415, 'unsupported_encoding'],
    ['another type', { body: 'x', headers: { 'content-type': 'text/csv' } }, 415, 'unsupported_media_type'],
    ['deep JSON', { body: `${'['.repeat(100_000)}${']'.repeat(100_000)}` }, 422, 'json_too_deep'],
    ['an empty list', { json: [] }, 422, 'validation_failed'],
    ['too many events', { json: Array.from({ length: 10_001 }, () => ({})) }, 422, 'too_many_events'],
    ['too many bytes', { body: ' '.repeat(10 * 1_048_576 + 1) }, 413, 'body_too_large'],
    [
      'too many bytes unpacked',
      {
        body: Uint8Array.from(gzipSync(' '.repeat(11 * 1_048_576))),
        headers: { 'content-encoding': 'gzip' },
      },
      413,
      'body_too_large',
    ],
  ])('refuses %s', async (_, init, status, code) => {
    const response = await test.send('/ingest', { method: 'POST', key, ...init });
    expect([response.status, await codeOf(response)]).toEqual([status, code]);
    expect(test.stream.messages).toHaveLength(0);
  });

  it('rejects an event over 1 MiB and half surrogates by themselves', async () => {
    const json = [
      orderEvent('big', { data: { text: 'x'.repeat(1_048_576) } }),
      orderEvent('half', { customer_id: '\ud800' }),
    ];
    const { rejected } = (await (await test.send('/ingest', { key, json })).json()) as Ingested;
    expect(rejected.map(({ reason }) => reason.split(':')[0])).toEqual(['too_large', 'bad_field']);
  });

  it('holds no more bodies than INFLIGHT_BODY_BYTES until the stream has them, packed ones too', async () => {
    const own = await startTestApi({ INFLIGHT_BODY_BYTES: String(16 * 1_048_576) });
    try {
      const own_key = await own.key('ingest');
      let open = (): void => {};
      own.stream.gate = new Promise((resolve) => {
        open = resolve;
      });
      const text = 'x'.repeat(1_000_000);
      const events = Array.from({ length: 9 }, (_, index) => orderEvent(`e${index}`, { data: { text } }));
      const body = gzipSync(JSON.stringify(events));
      const headers = { 'content-encoding': 'gzip', 'content-length': String(body.length) };
      const send = () => own.send('/ingest', { key: own_key, body, headers });
      const held = send();
      await vi.waitFor(() => expect(own.stream.waiting).toBe(1), PATIENTLY);
      const refused = await send();
      expect([refused.status, await codeOf(refused)]).toEqual([429, 'too_busy']);
      open();
      expect((await held).status).toBe(202);
      expect((await send()).status).toBe(202);
    } finally {
      await own.close();
    }
  });

  it('answers 503 with Retry-After while the stream is away', async () => {
    test.stream.away = true;
    const response = await test.send('/ingest', { key, json: orderEvent('e1') });
    expect([response.status, response.headers.get('retry-after')]).toEqual([503, '1']);
    expect(await codeOf(response)).toBe('stream_unavailable');
  });
});

describe('POST /ingest/validate', () => {
  it('reports on each event and stores none', async () => {
    const json = [orderEvent('e1'), { event_id: 'e2', type: 'visit', time: 'yesterday' }];
    const response = await test.send('/ingest/validate', { key, json });
    expect(response.status).toBe(200);
    expect(await response.json()).toEqual({
      valid: false,
      accepted: 1,
      rejected: 1,
      events: [
        { index: 0, event_id: 'e1', valid: true, type: 'order.created', time: '2025-09-01T10:00:00.000Z' },
        {
          index: 1,
          event_id: 'e2',
          valid: false,
          code: 'bad_time',
          errors: [{ path: 'time', message: expect.any(String) }],
        },
      ],
    });
    expect(test.stream.messages).toHaveLength(0);
  });
});
