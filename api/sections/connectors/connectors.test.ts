import { createHmac } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { codeOf, PATIENTLY, startTestApi, type TestApi } from '../../fixture-api.ts';

type Json = Record<string, unknown>;

const SECRET = 'shpss_0123456789abcdef';
let test: TestApi;
let admin: string;

beforeEach(async () => {
  test = await startTestApi();
  admin = await test.key('admin');
});
afterEach(() => test.close());

const sent = async (path: string, json?: unknown, status = 201, method?: string): Promise<Json> => {
  const init = {
    key: admin,
    ...(json === undefined ? {} : { json }),
    ...(method === undefined ? {} : { method }),
  };
  const response = await test.send(path, init);
  const body = response.status === 204 ? {} : ((await response.json()) as Json);
  expect([response.status, body]).toEqual([status, body]);
  return body;
};

const SHOPIFY = {
  ...{ name: 'shop', type: 'webhook', config: { secret: SECRET }, mapping: { preset: 'shopify' } },
};

const ORDER = {
  ...{ id: 450_789_469, name: '#1001', test: false, currency: 'GBP', source_name: 'web' },
  ...{ created_at: '2025-09-01T10:00:00Z', updated_at: '2025-09-01T10:00:00Z', financial_status: 'paid' },
  ...{
    total_discounts: '0.00',
    total_tax: '0.00',
    customer: { id: 7 },
    shipping_address: { country_code: 'GB' },
  },
  line_items: [{ sku: 'A', title: 'Tea', quantity: 2, price: '9.99' }],
};

const shopify = (id: unknown, body: unknown, more: Record<string, string> = {}): Promise<Response> => {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  return test.send(`/connectors/${id}/events`, {
    body: text,
    headers: {
      'x-shopify-topic': 'orders/create',
      'x-shopify-event-id': 'ev-1',
      'x-shopify-hmac-sha256': createHmac('sha256', SECRET).update(text).digest('base64'),
      ...more,
    },
  });
};

const KPIS = {
  ...{ metrics: ['orders_count', 'revenue'], start: '2025-09-01T00:00:00Z', end: '2025-09-02T00:00:00Z' },
  ...{ granularity: '1d', force_fresh: true },
};

describe('a connector', () => {
  it('takes the webhooks of a shop, each once, and counts them', async () => {
    const { id, config } = await sent('/connectors', SHOPIFY);
    expect(config).toEqual({ secret: '***' });
    for (const _ of [1, 2]) {
      const answer = await shopify(id, ORDER);
      expect([answer.status, await answer.json()]).toEqual([
        202,
        { records: 1, accepted: 1, dropped: 0, dead_letters: 0 },
      ]);
    }
    await shopify(id, { ...ORDER, test: true });
    await test.apply();
    const { groups } = await sent('/kpis/query', KPIS, 200);
    expect(groups).toMatchObject([{ totals: { orders_count: 1, revenue: 1_998 } }]);
    expect(await sent(`/connectors/${id}/status`, undefined, 200)).toMatchObject({
      ...{ health: 'ok', counts: { in: 3, accepted: 2, dropped: 1, dead: 0 }, error: null },
    });
  });

  it('keeps its secret encrypted, and out of every answer', async () => {
    const { id } = await sent('/connectors', SHOPIFY);
    for (const path of [`/connectors/${id}`, '/connectors', `/connectors/${id}/status`]) {
      expect(await (await test.send(path, { key: admin })).text()).not.toContain(SECRET);
    }
    expect(JSON.stringify(await test.definitions.list())).not.toContain(SECRET);
    // What is shown is not what is meant.
    const same = { config: { secret: '***' } };
    expect(
      await codeOf(await test.send(`/connectors/${id}`, { key: admin, method: 'PATCH', json: same })),
    ).toBe('validation_failed');
    await sent(`/connectors/${id}`, { name: 'other' }, 200, 'PATCH');
    expect((await shopify(id, ORDER)).status).toBe(202);
  });

  it.each([
    ['another signature', { 'x-shopify-hmac-sha256': 'AAAA' }, 'signature_invalid'],
    ['no signature', { 'x-shopify-hmac-sha256': '' }, 'unauthorized'],
  ])('refuses %s', async (_, headers, code) => {
    const { id } = await sent('/connectors', SHOPIFY);
    expect(await codeOf(await shopify(id, ORDER, headers))).toBe(code);
    expect(test.stream.messages).toEqual([]);
  });

  it.each([
    [{ preset: 'magento' }, 'mapping', /`preset` of shopify, /],
    [{ rules: [] }, 'mapping.rules', /./],
  ])('says what is wrong with a mapping: %j', async (mapping, path, message) => {
    const answer = await test.send('/connectors', {
      key: await test.key('admin'),
      json: { ...SHOPIFY, mapping },
    });
    expect(answer.status).toBe(422);
    expect(await answer.json()).toMatchObject({
      errors: [{ path, message: expect.stringMatching(message) }],
    });
  });

  it('takes a key in place of a signature, of its tenant and role', async () => {
    const { id } = await sent('/connectors', SHOPIFY);
    const bearer = async (role: string, tenant = 'default'): Promise<Record<string, string>> => ({
      'x-shopify-hmac-sha256': '',
      authorization: `Bearer ${await test.key(role, { tenant })}`,
    });
    expect((await shopify(id, ORDER, await bearer('ingest'))).status).toBe(202);
    expect(await codeOf(await shopify(id, ORDER, await bearer('viewer')))).toBe('role_forbidden');
    expect(await codeOf(await shopify(id, ORDER, await bearer('ingest', 'other')))).toBe('tenant_forbidden');
  });

  it('keeps what it cannot read as dead letters, and takes the rest', async () => {
    const { id } = await sent('/connectors', SHOPIFY);
    const body = `[${[
      JSON.stringify(ORDER),
      JSON.stringify({ ...ORDER, line_items: [{ sku: 'A', quantity: 1, price: 'much' }] }),
      JSON.stringify({ ...ORDER, created_at: '9999-01-01T00:00:00Z' }),
    ].join()}]`;
    expect(await (await shopify(id, body)).json()).toEqual({
      records: 3,
      accepted: 1,
      dropped: 0,
      dead_letters: 2,
    });
    expect(await (await shopify(id, '{"a":')).json()).toMatchObject({ dead_letters: 1 });
    expect(
      test.connectorLetters.map(({ subject, headers }) => [subject, headers.Reason, headers.Connector]),
    ).toEqual([
      ['deadletter.default', 'mapping_failed', id],
      ['deadletter.default', expect.any(String), id],
      ['deadletter.default', 'malformed_json', id],
    ]);
    expect(JSON.parse(Buffer.from(test.connectorLetters[0]?.payload ?? []).toString())).toMatchObject({
      id: ORDER.id,
    });
    expect(test.connectorLetters[0]?.headers['Original-Headers']).toContain('orders/create');
  });

  it('answers 503 while the stream is away, so that the source sends again', async () => {
    const { id } = await sent('/connectors', SHOPIFY);
    test.stream.away = true;
    expect(await codeOf(await shopify(id, ORDER))).toBe('stream_unavailable');
    test.stream.away = false;
    expect((await shopify(id, ORDER)).status).toBe(202);
  });

  it('is paused and resumed', async () => {
    const { id } = await sent('/connectors', SHOPIFY);
    expect(await sent(`/connectors/${id}/pause`, undefined, 200, 'POST')).toMatchObject({ enabled: false });
    expect(await codeOf(await shopify(id, ORDER))).toBe('wrong_state');
    expect(await sent(`/connectors/${id}/status`, undefined, 200)).toMatchObject({ health: 'paused' });
    await sent(`/connectors/${id}/resume`, undefined, 200, 'POST');
    expect((await shopify(id, ORDER)).status).toBe(202);
    await sent(`/connectors/${id}`, undefined, 204, 'DELETE');
    expect((await shopify(id, ORDER)).status).toBe(404);
  });

  it.each([
    [{ ...SHOPIFY, type: 'telepathy' }],
    [{ ...SHOPIFY, config: { secret: 'short' } }],
    [{ ...SHOPIFY, config: { secrets: SECRET } }],
    [{ ...SHOPIFY, mapping: { preset: 'none' } }],
    [{ ...SHOPIFY, mapping: { rules: [] } }],
  ])('is refused as %j', async (json) => {
    expect(await codeOf(await test.send('/connectors', { key: admin, json }))).toBe('validation_failed');
  });

  it('takes events as they are without a mapping, named after their place', async () => {
    const { id } = await sent('/connectors', { ...SHOPIFY, config: {}, mapping: undefined });
    const key = await test.key('ingest');
    const event = {
      type: 'order.created',
      time: '2025-09-01T10:00:00Z',
      order_id: 'o',
      currency: 'GBP',
      amount: 5,
    };
    for (const _ of [1, 2]) await test.send(`/connectors/${id}/events`, { key, json: event });
    await test.apply();
    const { groups } = await sent('/kpis/query', KPIS, 200);
    expect(groups).toMatchObject([{ totals: { orders_count: 1, revenue: 5 } }]);
  });
});

describe('dead letters of a connector', () => {
  it('are sent again by its mapping, under the ids that reading again would give', async () => {
    const rules = (time: string): object => ({
      rules: [
        {
          event: {
            ...{ type: { const: 'order.created' }, time, order_id: 'no', currency: { const: 'GBP' } },
            amount: 'sum',
          },
        },
      ],
    });
    const made = await sent('/connectors', { ...SHOPIFY, config: {}, mapping: rules('wrong') });
    const record = { no: 'o-1', at: '2025-09-01T10:00:00Z', sum: '7.50' };
    const post = async (): Promise<unknown> =>
      (await test.send(`/connectors/${made.id}/events`, { key: admin, json: record })).json();
    expect(await post()).toMatchObject({ accepted: 0, dead_letters: 1 });
    await sent(`/connectors/${made.id}`, { mapping: rules('at') }, 200, 'PATCH');
    const by = { filter: { reason: 'mapping_failed' }, connector_id: made.id };
    expect(await sent('/dead-letters/try', by, 200)).toMatchObject({ letters: 1, mended: 1 });
    const job = await sent('/dead-letters/resend', by, 202);
    await vi.waitFor(async () => {
      expect(await sent(`/jobs/${job.job_id}`, undefined, 200)).toMatchObject({ status: 'succeeded' });
    }, PATIENTLY);
    expect(await post()).toMatchObject({ accepted: 1, dead_letters: 0 });
    await test.apply();
    const { groups } = await sent('/kpis/query', KPIS, 200);
    expect(groups).toMatchObject([{ totals: { orders_count: 1, revenue: 750 } }]);
    expect(
      await codeOf(await test.send('/dead-letters/try', { key: admin, json: { connector_id: 'x' } })),
    ).toBe('not_found');
  });
});

describe('POST /ingest/validate', () => {
  const records = [
    { body: ORDER, headers: { 'X-Shopify-Topic': 'orders/create', 'X-Shopify-Event-Id': 'e' } },
    { body: { ...ORDER, test: true }, headers: { 'x-shopify-topic': 'orders/create' } },
    { body: { ...ORDER, created_at: 'soon' }, headers: { 'x-shopify-topic': 'orders/create' } },
  ];
  it.each(['inline', 'by id'])('shows what a mapping makes of samples, %s', async (how) => {
    const { id } = await sent('/connectors', SHOPIFY);
    const rules = how === 'inline' ? { mapping: SHOPIFY.mapping } : { connector_id: id };
    const answer = await sent('/ingest/validate', { ...rules, records }, 200);
    expect(answer).toMatchObject({
      valid: false,
      records: [
        { events: [{ valid: true, event: { event_id: 'shopify:orders/create:e', amount: 1_998 } }] },
        { dropped: 'test', events: [] },
        { code: 'mapping_failed', message: expect.stringMatching(/^time/) },
      ],
    });
    expect(test.stream.messages).toEqual([]);
  });
});
