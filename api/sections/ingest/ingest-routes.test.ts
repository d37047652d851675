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

const json = { 'content-type': 'application/json' };
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

  const stored = (): string[] => test.stream.messages.map(({ payload }) => Buffer.from(payload).toString());
  const text = (id: string, more = ''): string =>
    JSON.stringify(orderEvent(id, { data: { ticket_id: 0 } }))
      .replace('"ticket_id":0', '"ticket_id":820982911946154508')
      .replace(/\}$/, `${more}}`);

  it('gives its messages the trace of the request, and none that is malformed', async () => {
    const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
    const headers = { traceparent, tracestate: 'vendor=1' };
    await test.send('/ingest', { key, json: [orderEvent('1'), orderEvent('2')], headers });
    await test.send('/ingest', { key, json: orderEvent('3'), headers: { traceparent: '00-0-0-01' } });
    expect(test.stream.messages.map((message) => message.headers)).toEqual([headers, headers, undefined]);
  });

  it('stores the bytes of each event as they were sent', async () => {
    const events = [text('a', ', "price" : 12.50'), text('b', ',"__proto__":{"amount":1}')];
    await test.send('/ingest', { key, body: `\ufeff[ ${events.join(' ,\n')} ]`, headers: json });
    await test.send('/ingest', { key, body: `\ufeff${events.join('\r\n')}\r\n`, headers: ndjson });
    await test.send('/ingest', { key, body: ` ${text('c')}\n`, headers: json });
    expect(stored()).toEqual([...events, text('c')]);
  });

  it.each(['Application/X-NDJSON', 'application/ndjson; charset=utf-8', 'application/jsonl'])(
    'takes lines as %s',
    async (type) => {
      const body = `${text('a')}\n${text('b')}`;
      const response = await test.send('/ingest', { key, body, headers: { 'content-type': type } });
      expect(await response.json()).toMatchObject({ accepted: 2 });
    },
  );

  it('takes a CloudEvent in binary mode, and stores it as a structured one', async () => {
    const headers = {
      'content-type': 'application/json',
      'ce-specversion': '1.0',
      'ce-id': 'Caf%C3%A9-1',
      'ce-type': 'order%2Ecreated',
      'ce-time': '2025-09-01T10%3A00%3A00Z',
      'ce-source': '/shop',
      'ce-region': 'Bretagne',
    };
    const data = '{"customer_id":"c.1", "ticket_id":820982911946154508}';
    const response = await test.send('/ingest', { key, body: data, headers });
    expect(response.status).toBe(202);
    expect(test.stream.messages[0]?.subject).toBe('events.default.c%2E1');
    expect(JSON.parse(stored()[0] ?? '')).toMatchObject({
      specversion: '1.0',
      id: 'Café-1',
      type: 'order.created',
      time: '2025-09-01T10:00:00Z',
      region: 'Bretagne',
      data: { customer_id: 'c.1' },
    });
    expect(stored()[0]).toContain(`"data":${data}}`);
    const broken = await test.send('/ingest', { key, body: '1},"x":{"a":1', headers });
    expect([broken.status, await codeOf(broken)]).toEqual([400, 'malformed_json']);
  });

  it.each([
    [
      'the data of a CloudEvent in base64',
      { data_base64: Buffer.from('{"amount":"12.50"}').toString('base64') },
    ],
    ['the data of a CloudEvent', { data: { amount: '12.50' } }],
  ])('refuses what the decoder would refuse: %s', async (_, members) => {
    const { event_id, type, time } = orderEvent('ce1');
    const event = { specversion: '1.0', id: event_id, type, time, source: '/shop', ...members };
    const response = await test.send('/ingest', { key, json: event });
    expect([response.status, await codeOf(response)]).toEqual([422, 'invalid_event']);
  });

  it('takes nothing of an array that is no JSON', async () => {
    for (const body of [`[${text('a')},{broken}]`, `[${text('a')}`]) {
      const response = await test.send('/ingest', { key, body, headers: json });
      expect([response.status, await codeOf(response)]).toEqual([400, 'malformed_json']);
    }
    expect(test.stream.messages).toEqual([]);
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

  it('warns of types that no metric counts, with the nearest that one does', async () => {
    const types = ['order.craeted', 'Order_Canceled', 'parcel.lost'];
    const json = types.map((type, index) => orderEvent(`e${index}`, { type }));
    const response = await test.send('/ingest/validate', { key, json });
    expect(await response.json()).toMatchObject({
      valid: true,
      events: [
        {
          warnings: [
            {
              code: 'uncounted_type',
              type: 'order.craeted',
              nearest: 'order.created',
              message: expect.stringContaining('order.created'),
            },
          ],
        },
        { valid: true },
        { warnings: [{ code: 'uncounted_type', type: 'parcel.lost', nearest: null }] },
      ],
    });
    expect(
      (await (await test.send('/ingest/validate', { key, json: json[1] })).json()) as unknown,
    ).not.toHaveProperty('events.0.warnings');
  });

  it('says which forms of a time are taken', async () => {
    const json = orderEvent('e1', { time: 1_754_000_000 });
    expect(await (await test.send('/ingest/validate', { key, json })).json()).toMatchObject({
      events: [
        { code: 'bad_field', errors: [{ path: 'time', message: expect.stringMatching(/RFC 3339.*2025-/) }] },
      ],
    });
  });
});

describe('retention', () => {
  it('refuses an event before the cut, once there is one', async () => {
    await test.close();
    test = await startTestApi({ RETENTION_DAYS: '10' });
    key = await test.key('admin');
    const old = orderEvent('old', { time: '2025-08-20T00:00:00Z' });
    expect((await test.send('/ingest', { key, json: [old] })).status).toBe(202);
    await test.send('/ingest', { key, json: orderEvent('now') });
    await test.apply();
    // The cut of a commit is known behind it.
    await test.send('/ingest', { key, json: orderEvent('later') });
    await test.apply();
    const older = { ...old, event_id: 'older' };
    const refused = await test.send('/ingest', { key, json: older });
    expect(refused.status).toBe(422);
    expect(await refused.json()).toMatchObject({
      code: 'invalid_event',
      detail: expect.stringContaining('behind_retention'),
    });
    const listed = await test.send('/ingest', { key, json: [older, orderEvent('good')] });
    expect(await listed.json()).toMatchObject({
      accepted: 1,
      rejected: [{ index: 0, event_id: 'older', reason: expect.stringMatching(/^behind_retention: /) }],
    });
    const validated = await test.send('/ingest/validate', { key, json: [older] });
    expect(await validated.json()).toMatchObject({ events: [{ valid: false, code: 'behind_retention' }] });
  });
});
