import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { connectNats, openManager } from '../connectors/index.ts';
import { ContractService, type Event, JSON_TYPE } from './contract-service.ts';
import { until } from './process.ts';
import { Scratch } from './scratch.ts';

const scratch = new Scratch();
let service: ContractService;

beforeAll(async () => {
  service = await ContractService.start(scratch);
});
afterAll(async () => {
  await service.stop();
  await scratch.clean();
});

const TIME = '2025-03-10T12:00:00Z';

const flat = (event_id: string, members: Event = {}): string =>
  JSON.stringify({
    ...{ event_id, type: 'order.created', time: TIME, order_id: event_id, currency: 'EUR', amount: 1 },
    ...members,
  });

/** One event in the three modes of CloudEvents, as they go by HTTP and by the stream. */
const MODES: readonly (readonly [mode: string, body: string, headers: Record<string, string>])[] = [
  [
    'structured',
    JSON.stringify({
      ...{ specversion: '1.0', id: 'Café-1', source: '/shop', type: 'order.created', time: TIME },
      ...{ datacontenttype: 'application/json', channel: 'web', campaign: 'May sale' },
      data: { order_id: 'o-1', currency: 'EUR', amount: 1_250 },
    }),
    { 'Content-Type': 'application/cloudevents+json' },
  ],
  [
    'batched',
    JSON.stringify([
      {
        ...{ specversion: '1.0', id: 'Café-1', source: '/shop', type: 'order.created', time: TIME },
        ...{ datacontenttype: 'application/json', channel: 'web', campaign: 'May sale' },
        data: { order_id: 'o-1', currency: 'EUR', amount: 1_250 },
      },
    ]),
    { 'Content-Type': 'application/cloudevents-batch+json' },
  ],
  [
    'binary',
    JSON.stringify({ order_id: 'o-1', currency: 'EUR', amount: 1_250 }),
    {
      ...{ ...JSON_TYPE, 'ce-specversion': '1.0', 'ce-id': 'Caf%C3%A9-1', 'ce-source': '/shop' },
      ...{ 'ce-type': 'order%2Ecreated', 'ce-time': '2025-03-10T12%3A00%3A00Z' },
      ...{ 'ce-channel': 'web', 'ce-campaign': 'May%20sale' },
    },
  ],
];

describe('a CloudEvent', () => {
  it('is one event in its three modes, by HTTP and by the stream', async () => {
    for (const [mode, body, headers] of MODES) {
      const { status, json, text } = await service.http('ce', body, headers);
      expect([mode, status, json.accepted, json.rejected], text).toEqual([mode, 202, 1, []]);
      await service.nats('ce', body, headers);
      // Each mode by itself is the same event too.
      await service.http(`ce-${mode}`, body, headers);
      await service.nats(`ce-${mode}-nats`, body, headers);
    }
    await service.instance.untilApplied();
    const tenants = ['ce', ...MODES.flatMap(([mode]) => [`ce-${mode}`, `ce-${mode}-nats`])];
    for (const tenant of tenants) {
      expect(await service.deadLetters(tenant), tenant).toEqual([]);
      expect(await service.by(tenant, 'campaign', ['orders_count', 'revenue']), tenant).toEqual({
        'May sale': { orders_count: 1, revenue: 1_250 },
      });
      expect(await service.by(tenant, 'channel', ['revenue'])).toEqual({ web: { revenue: 1_250 } });
      expect(await service.by(tenant, 'source', ['revenue'])).toEqual({ '/shop': { revenue: 1_250 } });
      const { status, json } = await service.get(tenant, `/events/${encodeURIComponent('Café-1')}`);
      expect([status, json.type, json.time]).toEqual([200, 'order.created', '2025-03-10T12:00:00.000Z']);
    }
    const { json } = await service.get('ce', '/diagnostics');
    // Six messages less one that the server had: by HTTP the part of a batch is the structured event's bytes.
    expect(json.notices).toMatchObject({ duplicate: { count: 4 } });
    expect(json.notices).not.toHaveProperty('conflict');
  });

  it('is followed from its request to its dead letter by its traceparent', async () => {
    const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
    const event = service.event({ event_id: 'traced', time: TIME, amount: 100, currency: 'EUR' });
    await service.http('traced', JSON.stringify(event));
    const other = JSON.stringify({ ...event, amount: 200 });
    await service.http('traced', other, { ...JSON_TYPE, traceparent });
    await service.send('/ingest/bulk', {
      ...{ tenant: 'traced', body: `${JSON.stringify({ ...event, amount: 300 })}\n` },
      headers: { 'Content-Type': 'application/x-ndjson', traceparent: traceparent.replace('4bf9', '5bf9') },
    });
    const { nats } = await service.instance.listening;
    const link = await connectNats({ ...nats, name: 'traces' });
    const { streams } = await openManager(link);
    const lettered = await until(
      async () => {
        const last = await streams.getMessage('DEADLETTER', { last_by_subj: 'deadletter.traced' });
        return last?.header.get('traceparent').includes('5bf9') === true ? last.seq : undefined;
      },
      () => 'both conflicts are dead letters',
      60_000,
    );
    const before = await streams.getMessage('DEADLETTER', { seq: lettered - 1 });
    expect([before?.header.get('Reason'), before?.header.get('traceparent')]).toEqual([
      'conflict',
      traceparent,
    ]);
    await link.close();
  });

  it('is refused by HTTP where the stream would make it a dead letter', async () => {
    const bodies: readonly (readonly [name: string, event: Event, code: string])[] = [
      [
        'base64',
        { data_base64: Buffer.from('{"amount":"12.50","order_id":"o"}').toString('base64') },
        'bad_field',
      ],
      ['amount', { data: { amount: '12.50' } }, 'bad_field'],
      ['currency', { data: { currency: 'US Dollar' } }, 'bad_field'],
      ['refund', { type: 'refund.issued', data: { amount: -5 } }, 'bad_field'],
      ['time', { time: 1_741_608_000 }, 'bad_field'],
    ];
    for (const [name, members, code] of bodies) {
      const event = {
        specversion: '1.0',
        id: name,
        source: 's',
        type: 'order.created',
        time: TIME,
        ...members,
      };
      const headers = { 'Content-Type': 'application/cloudevents+json' };
      const { status, json } = await service.http('ce-bad', JSON.stringify(event), headers);
      expect([name, status, json.code], JSON.stringify(json)).toEqual([name, 422, 'invalid_event']);
      expect(json.detail).toContain(code);
      await service.nats('ce-bad', JSON.stringify(event), headers);
    }
    await service.instance.untilApplied();
    expect(await service.deadLetters('ce-bad')).toEqual(bodies.map(([, , code]) => code).sort());
  });

  it('takes data in base64 as data', async () => {
    const data = { amount: 700, order_id: 'o-64', currency: 'EUR' };
    const body = JSON.stringify({
      ...{ specversion: '1.0', id: 'b', source: 's', type: 'order.created', time: TIME },
      data_base64: Buffer.from(JSON.stringify(data)).toString('base64'),
    });
    await service.http('ce-64', body);
    await service.nats('ce-64-nats', body);
    await service.instance.untilApplied();
    for (const tenant of ['ce-64', 'ce-64-nats']) {
      expect(await service.totals(tenant, ['revenue'])).toEqual({ revenue: 700 });
    }
  });
});

describe('__proto__', () => {
  it('is a member like any other', async () => {
    const cloud = (members: string): string =>
      `{"specversion":"1.0","id":"p-1","source":"s","type":"order.created","time":"${TIME}",${members}}`;
    const bodies = [
      cloud('"data":{"order_id":"o","currency":"EUR","__proto__":{"amount":777}}'),
      cloud('"__proto__":{"amount":777},"data":{"order_id":"o","currency":"EUR"}'),
      `{"event_id":"p-1","type":"order.created","time":"${TIME}","order_id":"o","currency":"EUR","__proto__":{"amount":777}}`,
    ];
    const rate = `{"event_id":"r-1","type":"fx.rate","time":"${TIME}","__proto__":{"base":"EUR","quote":"USD","rate":"9"}}`;
    const cloudRate = `{"specversion":"1.0","id":"r-2","source":"s","type":"fx.rate","time":"${TIME}","data":{"__proto__":{"base":"EUR","quote":"USD","rate":"9"}}}`;
    const paid = flat('p-2', { order_id: 'o-2', amount: 5 });
    for (const [index, body] of bodies.entries()) {
      for (const [tenant, send] of [
        [`proto-${index}`, (text: string) => service.http(`proto-${index}`, text)],
        [`proto-${index}-nats`, (text: string) => service.nats(`proto-${index}-nats`, text)],
      ] as const) {
        await send(body);
        await send(paid);
        await send(rate);
        await send(cloudRate);
        await service.instance.untilApplied();
        expect(await service.totals(tenant, ['orders_count', 'revenue'])).toEqual({
          ...{ orders_count: 2, revenue: 5 },
        });
        const query = { metrics: ['revenue'], start: '2025-03-01T00:00:00Z', end: '2025-04-01T00:00:00Z' };
        const { json } = await service.post(tenant, '/kpis/query', { ...query, currency: 'USD' });
        expect([tenant, json.code]).toEqual([tenant, 'fx_rate_missing']);
        const { text } = await service.get(tenant, '/events/p-1');
        expect(text).toContain('"__proto__":{"amount":777}');
      }
    }
  });
});

describe('a body of several events', () => {
  const lines = `${flat('a')}\r\n\r\n${flat('b')}\r\n${flat('c')}`;
  const pretty = JSON.stringify(
    [flat('a'), flat('b'), flat('c')].map((text) => JSON.parse(text)),
    null,
    2,
  );
  const bodies: readonly (readonly [name: string, body: string, type: string | undefined])[] = [
    ['array', pretty, 'application/json'],
    ['bom-array', `\ufeff${pretty}`, 'application/json'],
    ['bom-array-plain', `\ufeff \r\n${pretty}`, undefined],
    ['lines', lines, 'application/x-ndjson'],
    ['bom-lines', `\ufeff${lines}\r\n`, 'application/x-ndjson'],
    ['case', lines, 'Application/X-NDJSON; charset=utf-8'],
    ['ndjson', lines, 'application/ndjson'],
    ['jsonl', lines, 'APPLICATION/JSONL'],
  ];

  it.each(bodies)('%s is the same by HTTP and by the stream', async (name, body, type) => {
    const headers = type === undefined ? undefined : { 'Content-Type': type };
    const { status, text, json } = await service.http(`many-${name}`, body, headers);
    expect([status, json.accepted, json.rejected], text).toEqual([202, 3, []]);
    await service.nats(`many-${name}-nats`, body, headers);
    await service.instance.untilApplied();
    for (const tenant of [`many-${name}`, `many-${name}-nats`]) {
      expect(await service.deadLetters(tenant)).toEqual([]);
      expect(await service.totals(tenant, ['orders_count', 'revenue'])).toEqual({
        ...{ orders_count: 3, revenue: 3 },
      });
    }
  });
});

describe('what HTTP stores', () => {
  it('is what was sent, to the last digit', async () => {
    const body = `{"event_id":"big","type":"ticket.opened","time":"${TIME}","ticket_id":820982911946154508,"data":{"exact":0.10,"large":1E400}}`;
    const { status, text } = await service.http('digits', body);
    expect([status, text]).toEqual([202, text]);
    await service.instance.untilApplied();
    expect((await service.get('digits', '/events/big')).text).toContain(body);
  });

  it('tells 64-bit ids apart that differ in the last digit', async () => {
    const ticket = (event_id: string, type: string, time: string, ticket_id: string): string =>
      `{"event_id":"${event_id}","type":"${type}","time":"2025-03-10T${time}Z","ticket_id":${ticket_id}}`;
    const events = [
      ticket('t-1', 'ticket.opened', '10:00:00', '820982911946154508'),
      ticket('t-2', 'ticket.opened', '11:00:00', '820982911946154509'),
      ticket('t-3', 'ticket.first_response', '11:30:00', '820982911946154509'),
      ticket('t-4', 'ticket.first_response', '11:00:00', '820982911946154508'),
    ];
    await service.http('tickets', `[${events.join()}]`);
    for (const event of events) await service.nats('tickets-nats', event);
    await service.instance.untilApplied();
    for (const tenant of ['tickets', 'tickets-nats']) {
      expect(await service.totals(tenant, ['time_to_first_response'])).toEqual({
        time_to_first_response: (1_800 + 3_600) / 2,
      });
      const { json } = await service.post(tenant, '/ingest/validate', JSON.parse(flat('x')));
      expect(json).toMatchObject({ valid: true });
    }
  });
});

describe('what is not taken', () => {
  it.each([
    ['a currency that is none', { currency: 'US Dollar' }, 'bad_field', /currency.*three letters/],
    ['a negative refund', { type: 'refund.issued', amount: -500 }, 'bad_field', /positive/],
    ['epoch seconds', { time: 1_741_608_000 }, 'bad_field', /RFC 3339.*epoch numbers are not taken/],
    [
      'epoch milliseconds',
      { time: undefined, ts: 1_741_608_000_000 },
      'bad_field',
      /epoch numbers are not taken/,
    ],
    ['epoch as text', { time: '1741608000' }, 'bad_time', /RFC 3339/],
  ])('%s is said with its reason, by HTTP and by the stream', async (name, members, code, sentence) => {
    const tenant = `not-${name.replaceAll(' ', '-')}`;
    const body = flat('x', members);
    const { status, json } = await service.http(tenant, body);
    expect([status, json.code]).toEqual([422, 'invalid_event']);
    expect(json.detail).toMatch(sentence);
    expect(json.detail).toContain(code);
    const validated = await service.send('/ingest/validate', { tenant, body, headers: JSON_TYPE });
    expect(validated.json).toMatchObject({ valid: false, events: [{ code }] });
    await service.nats(tenant, body);
    await service.instance.untilApplied();
    expect(await service.deadLetters(tenant)).toEqual([code]);
    expect(await service.totals(tenant, ['orders_count', 'refund_amount', 'revenue_net'])).toEqual({
      ...{ orders_count: 0, refund_amount: 0, revenue_net: 0 },
    });
  });
});

describe('a type that no metric counts', () => {
  it('is said so, with the nearest that one does', async () => {
    const events = [flat('1', { type: 'order.creatd' }), flat('2', { type: 'loyalty.points' }), flat('3')];
    const { json } = await service.send('/ingest/validate', {
      ...{ tenant: 'types', body: `[${events.join()}]`, headers: JSON_TYPE },
    });
    expect(json).toMatchObject({
      valid: true,
      events: [
        { warnings: [{ code: 'uncounted_type', type: 'order.creatd', nearest: 'order.created' }] },
        { warnings: [{ code: 'uncounted_type', type: 'loyalty.points', nearest: null }] },
        {},
      ],
    });
    expect((json.events as Event[])[2]).not.toHaveProperty('warnings');
  });
});

describe('a file', () => {
  const events = ['a', 'b', 'c'].map((id) => flat(id));
  const gzip = (text: string): Uint8Array => Uint8Array.from(gzipSync(text));
  const files: readonly (readonly [name: string, body: string | Uint8Array, type: string])[] = [
    ['lines', `${events.join('\n')}\n`, 'application/x-ndjson'],
    ['gz', gzip(events.join('\r\n')), 'application/gzip'],
    ['gz-octets', gzip(events.join('\n')), 'application/octet-stream'],
    ['gz-array', gzip(`[${events.join(',\n')}]`), 'application/octet-stream'],
    ['array', `\ufeff[${events.join()}]`, 'application/octet-stream'],
  ];

  it.each(files)('%s is taken whole', async (name, body, type) => {
    const tenant = `file-${name}`;
    const sent = await service.send('/ingest/bulk', { tenant, body, headers: { 'Content-Type': type } });
    expect(sent.status).toBe(202);
    expect(await service.job(tenant, sent.json.job_id)).toMatchObject({
      status: 'succeeded',
      progress: { accepted: 3, rejected: 0 },
    });
    await service.instance.untilApplied();
    expect(await service.totals(tenant, ['orders_count'])).toEqual({ orders_count: 3 });
  });

  it('of which nothing is taken has not succeeded', async () => {
    const sent = await service.send('/ingest/bulk', {
      ...{ tenant: 'file-none', body: 'a,b\n1,2\n', headers: { 'Content-Type': 'text/plain' } },
    });
    expect(await service.job('file-none', sent.json.job_id)).toMatchObject({
      ...{ status: 'failed', error: { code: 'nothing_accepted' }, progress: { accepted: 0, rejected: 2 } },
    });
  });
});
