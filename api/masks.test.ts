import { afterAll, beforeAll, expect, it } from 'vitest';
import { startTestApi, type TestApi } from './fixture-api.ts';
import { fakeBackfill } from './fixture-backfill.ts';
import { type Json, type OpenApi, openApiOf, World } from './fixture-operations.ts';

/** What a tenant has masked, planted where it can be, over every operation. */

const GENEROUS = { RATE_LIMIT_RPS: '1000000', RATE_LIMIT_BURST: '1000000' };
const SECRET = 'planted-secret';
const FIELDS = ['customer_id', 'session_id', 'channel', 'data.email', 'items.name'];

let test: TestApi;
let openApi: OpenApi;
let world: World;

beforeAll(async () => {
  test = await startTestApi(GENEROUS, fakeBackfill());
  openApi = await openApiOf(test);
  world = await World.of(test, openApi, 'a');
  const { key } = world;
  const planted = (at: number, more: Json = {}): Json => ({
    ...{
      event_id: `planted-${at}`,
      type: 'order.created',
      time: '2025-09-01T10:00:00Z',
      order_id: `po-${at % 5}`,
    },
    ...{ customer_id: `${SECRET}-c${at % 3}`, session_id: `${SECRET}-s${at}`, channel: `${SECRET}-web` },
    ...{ amount: 1_000 + at, currency: 'GBP', country: 'GB', data: { email: `${SECRET}@example.com` } },
    ...{ items: [{ sku: 'sku-1', name: `${SECRET} Smith`, quantity: 1, unit_price: 1_000 + at }] },
    ...more,
  });
  const json = Array.from({ length: 20 }, (_, at) => planted(at));
  for (const [at, type] of ['visit', 'payment.succeeded', 'return.received', 'checkout_initiated'].entries())
    json.push(planted(100 + at, { type }), planted(110 + at, { type, channel: `${SECRET}-shop` }));
  expect((await test.send('/ingest', { key, json })).status).toBe(202);
  // Dead letters and conflicts say it too.
  await test.stream.publishAll([
    { subject: 'events.a.x', payload: Buffer.from(JSON.stringify(planted(1, { amount: 7 }))) },
    { subject: 'events.a.x', payload: Buffer.from(JSON.stringify(planted(200, { time: `${SECRET}-time` }))) },
    { subject: 'events.a.x', payload: Buffer.from(`{"customer_id":"${SECRET}-broken`) },
  ]);
  await test.apply();
  const masked = await test.send('/settings', { key, method: 'PATCH', json: { pii_fields: FIELDS } });
  expect(masked.status).toBe(200);
});
afterAll(() => test.close());

it.each(['viewer', 'analyst'])('a %s sees nothing of it in any operation', async (role) => {
  const own = await test.key(role, { tenant: 'a' });
  const all = await test.key(role, { tenant: 'a', tenants: '*' });
  const saw: string[] = [];
  for (const { id, route, ...operation } of openApi.operations) {
    if (operation.method === 'DELETE') continue;
    const { path, init } = await world.fill({ id, route, ...operation });
    // A link is a file that somebody made who may see it, and gave away.
    if (id === 'downloadExport') continue;
    const response = await test.send(path, { ...init, key: route.reach === undefined ? own : all });
    if (response.headers.get('content-type')?.startsWith('text/event-stream') === true) {
      await response.body?.cancel();
      continue;
    }
    if ((await response.text()).includes(SECRET)) saw.push(id);
  }
  expect(saw).toEqual([]);
});

it('it is there for who may see it, so that the test means something', async () => {
  const events = await (await test.send('/events?limit=100', { key: world.key })).text();
  expect(events.split(SECRET).length).toBeGreaterThan(50);
  const found = await test.send('/kpis/query', {
    key: world.key,
    json: {
      ...{ metrics: ['revenue'], start: '2025-09-01T00:00:00Z', end: '2025-09-02T00:00:00Z' },
      group_by: ['channel'],
    },
  });
  expect(await found.text()).toContain(SECRET);
});

const RANGE = { start: '2025-09-01T00:00:00Z', end: '2025-09-02T00:00:00Z' };

it('is refused where a question would find it out, however it is asked', async () => {
  const key = await test.key('analyst', { tenant: 'a' });
  const asks: readonly (readonly [string, Json | undefined])[] = [
    ['/kpis/query', { ...RANGE, metrics: ['revenue'], group_by: ['channel'] }],
    ['/kpis/query', { ...RANGE, metrics: ['revenue'], filters: { channel: `${SECRET}-web` } }],
    ['/events?customer_id=x', undefined],
    ['/events?channel=x', undefined],
    ['/events/search', { query: { field: 'data.email', eq: `${SECRET}@example.com` } }],
    ['/events/search', { text: SECRET }],
    ['/exports', { format: 'csv', query: { ...RANGE, metrics: ['revenue'], group_by: ['channel'] } }],
    [
      '/widgets/preview',
      { type: 'table', query: { ...RANGE, type: 'kpis', metrics: ['revenue'], group_by: ['channel'] } },
    ],
  ];
  for (const [path, json] of asks) {
    const response = await test.send(path, { key, ...(json === undefined ? {} : { json }) });
    const text = await response.text();
    expect(text, path).not.toContain(SECRET);
    expect([403, 422], `${path} ${text}`).toContain(response.status);
  }
});

it('what an admin stored does not show it to others: dashboards, saved queries, rules, alerts, anomalies', async () => {
  const { key } = world;
  const viewer = await test.key('viewer', { tenant: 'a' });
  const query = { type: 'kpis', query: { metrics: ['revenue'], group_by: ['channel'] }, range: 'last_7d' };
  const make = async (path: string, json: Json): Promise<string> => {
    const made = await test.send(path, { key, json });
    const answer = (await made.json()) as { id?: string };
    expect([made.status, answer.id === undefined ? answer : {}], path).toEqual([201, {}]);
    return String(answer.id);
  };
  const saved = await make('/queries', { name: 'by channel', ...query });
  const asked = await test.send(`/queries/${saved}/run`, { key: viewer, json: {} });
  expect(await asked.text()).not.toContain(SECRET);
  const widget = { type: 'table', title: 'channels', layout: { x: 0, y: 0, w: 12, h: 4 }, query };
  const id = await make('/dashboards', { name: 'masked', widgets: [widget], sharing: 'tenant' });
  const shown = await test.send(`/dashboards/${id}?data=true`, { key: viewer });
  expect(await shown.text()).not.toContain(SECRET);
  const link = await test.send(`/dashboards/${id}/links`, { key, json: {} });
  const { url } = (await link.json()) as { url: string };
  expect(await (await test.send(url)).text()).not.toContain(SECRET);
  const rule = { metric: 'orders_count', group_by: ['channel'], window: '1h', method: 'zscore' };
  await make('/anomalies/rules', { ...rule, name: 'by channel', filters: { channel: [`${SECRET}-web`] } });
  expect(await (await test.send('/anomalies/rules', { key })).text()).toContain(SECRET);
  for (const path of ['/anomalies', '/alerts', '/anomalies/rules', '/queries', '/dashboards'])
    expect(await (await test.send(path, { key: viewer })).text(), path).not.toContain(SECRET);
});
