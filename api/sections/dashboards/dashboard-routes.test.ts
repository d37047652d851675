import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { codeOf, orderEvent, startTestApi, type TestApi } from '../../fixture-api.ts';

type Json = Record<string, unknown>;

let test: TestApi;
let analyst: string;

beforeEach(async () => {
  test = await startTestApi();
  analyst = await test.key('analyst');
  const events = [orderEvent('e1', { amount: 1_000 }), orderEvent('e2', { country: 'DE', amount: 250 })];
  await test.send('/ingest', { key: await test.key('ingest'), json: events });
  await test.apply();
});
afterEach(() => test.close());

const body = async (response: Response, status = 200): Promise<Json> => {
  const json = (await response.json()) as Json;
  expect([response.status, json]).toEqual([status, json]);
  return json;
};
const send = async (path: string, json?: unknown, status = 200, key = analyst): Promise<Json> =>
  body(await test.send(path, { key, ...(json === undefined ? {} : { json }) }), status);
const get = async (path: string, key = analyst): Promise<Json> => body(await test.send(path, { key }));

const ORDERS = { metrics: ['orders_count', 'revenue_gross'], group_by: ['country'] };
const DAY = { start: '2025-09-01T00:00:00Z', end: '2025-09-01T23:59:59Z' };

describe('a saved query', () => {
  it('answers as its route does, with what is given in place of what was saved', async () => {
    const saved = await send('/queries', { name: 'orders', query: ORDERS, range: 'today' }, 201);
    expect(saved.id).toBe(saved.query_id);
    const [today, whole] = [
      await send(`/queries/${saved.id}/run`, {}),
      await send(`/queries/${saved.id}/run`, { ...DAY, filters: { country: 'DE' } }),
    ];
    expect(today.groups).toMatchObject([
      { key: { country: 'DE' }, totals: { orders_count: 1, revenue_gross: 250 } },
      { key: { country: 'GB' }, totals: { orders_count: 1, revenue_gross: 1_000 } },
    ]);
    const asked = await send('/kpis/query', { ...ORDERS, ...DAY, filters: { country: 'DE' } });
    expect(whole.groups).toEqual(asked.groups);
    expect(whole.meta).toMatchObject({ resolved_range: { end: '2025-09-02T00:00:00Z' } });
  });

  it('is answered from what is kept while nothing has changed, and says of when that is', async () => {
    const { id } = await send('/queries', { name: 'orders', query: { ...ORDERS, ...DAY } }, 201);
    const run = (): Promise<Json> => send(`/queries/${id}/run`, {});
    const first = await run();
    test.clock.advance(5_000);
    const again = await run();
    expect(again).toMatchObject({ query_id: first.query_id, calculated_at: first.calculated_at });
    // An event, and then a definition, are changes.
    const json = [orderEvent('e3', { country: 'GB', amount: 1 })];
    await test.send('/ingest', { key: await test.key('ingest'), json });
    await test.apply();
    const newer = await run();
    expect(newer.query_id).not.toBe(first.query_id);
    expect(newer.groups).toMatchObject([{ totals: { orders_count: 2, revenue_gross: 1_001 } }, {}]);
    await send('/segments', { name: 'all', rule: { event: 'order.created' } }, 201);
    test.clock.advance(1_000);
    expect((await run()).query_id).not.toBe(newer.query_id);
  });

  it('is computed again while the pipeline has failed, and says so then', async () => {
    const { id } = await send('/queries', { name: 'orders', query: { ...ORDERS, ...DAY } }, 201);
    const first = await send(`/queries/${id}/run`, {});
    expect((await send(`/queries/${id}/run`, {})).query_id).toBe(first.query_id);
    const error = { code: 'stream_recreated', message: 'The stream was made again.' };
    test.pipeline = { ...test.pipeline, state: 'failed', error };
    const { meta } = await send(`/queries/${id}/run`, {});
    expect(meta).toMatchObject({
      staleness_ms: null,
      warnings: [expect.stringContaining('stream_recreated')],
    });
  });

  it('is refused where it fits no route, and asked only by who may ask that', async () => {
    const bad = [
      { query: { metrics: [] } },
      { query: { metrics: ['nothing'] } },
      { query: { ...ORDERS, ...DAY }, range: 'today' },
      { query: ORDERS, range: 'whenever' },
      { query: {}, type: 'no_such' },
      { query: {}, type: 'stored_funnel' },
    ];
    for (const [index, one] of bad.entries()) {
      const response = await test.send('/queries', { key: analyst, json: { name: `bad ${index}`, ...one } });
      expect([await codeOf(response), one]).toEqual(['validation_failed', one]);
    }
    const events = { name: 'events', type: 'events', query: { limit: 1 } };
    const { id } = await send('/queries', events, 201);
    const narrow = await test.key('viewer', { scopes: ['kpis:read'] });
    expect(await codeOf(await test.send(`/queries/${id}/run`, { key: narrow, json: {} }))).toBe(
      'role_forbidden',
    );
    expect((await send(`/queries/${id}/run`, {})).events).toHaveLength(1);
    const undated = await send('/queries', { name: 'undated', query: ORDERS }, 201);
    const without = await test.send(`/queries/${undated.id}/run`, { key: analyst, json: {} });
    expect(await codeOf(without)).toBe('validation_failed');
  });
});

describe('a widget', () => {
  it('shows an answer as lines, values and a table with money in major units', async () => {
    const query = { type: 'kpis', query: { ...ORDERS, granularity: '1d' }, range: 'today' };
    const { view } = await send('/widgets/preview', { type: 'timeseries', query });
    expect(view).toMatchObject({
      series: [
        { metric: 'orders_count', key: { country: 'DE' }, points: [['2025-09-01T00:00:00Z', 1]] },
        { metric: 'revenue_gross', points: [['2025-09-01T00:00:00Z', 250]] },
        { key: { country: 'GB' } },
        { metric: 'revenue_gross', points: [['2025-09-01T00:00:00Z', 1_000]] },
      ],
      table: {
        columns: [
          { name: 'country', type: 'text' },
          { name: 'time', type: 'time' },
          { name: 'currency', type: 'text' },
          { name: 'orders_count', type: 'number' },
          { name: 'revenue_gross', type: 'money' },
          { name: 'incomplete', type: 'boolean' },
        ],
        rows: [
          ['DE', '2025-09-01T00:00:00Z', 'GBP', 1, 2.5, true],
          ['GB', '2025-09-01T00:00:00Z', 'GBP', 1, 10, true],
        ],
      },
    });
  });

  it('shows any family of queries', async () => {
    const steps = [{ event: 'order.created' }, { event: 'order.shipped' }];
    const funnel = { type: 'funnel', query: { steps, window: '1d', ...DAY } };
    const { view } = await send('/widgets/preview', { type: 'funnel', query: funnel });
    const { columns, rows } = (view as { table: { columns: Json[]; rows: unknown[][] } }).table;
    expect(columns.map(({ name }) => name).slice(0, 4)).toEqual(['step', 'name', 'event', 'count']);
    expect(rows).toHaveLength(2);
  });
});

describe('a dashboard', () => {
  const widgets = [
    { type: 'number', query: { query: { metrics: ['orders_count'] }, range: 'today' } },
    { type: 'text', text: '# Sales' },
    { type: 'table', queryId: '' },
  ];

  it('has the data of all widgets as of one position, and a problem in place of what cannot be answered', async () => {
    const saved = await send('/queries', { name: 'orders', query: ORDERS, range: 'today' }, 201);
    widgets[2] = { type: 'table', queryId: String(saved.id) };
    const made = await send('/dashboards', { name: 'Sales', widgets }, 201);
    const { data } = await get(`/dashboards/${made.id}?data=true`);
    const all = data as { widgets: (Json & { answer: Json })[]; sequence: number };
    expect(all.widgets[1]).toBeNull();
    expect(all.widgets[0]?.answer.groups).toMatchObject([{ totals: { orders_count: 2 } }]);
    expect(all.widgets[2]?.answer.groups).toHaveLength(2);
    const positions = all.widgets.flatMap((one) =>
      one === null ? [] : [(one.answer.meta as Json).position],
    );
    expect(positions).toEqual([{ EVENTS: { 0: all.sequence } }, { EVENTS: { 0: all.sequence } }]);
    const earlier = await get(
      `/dashboards/${made.id}?data=true&start=2025-08-01T00:00:30Z&end=2025-08-02T00:00:00Z`,
    );
    expect((earlier.data as typeof all).widgets[0]).toMatchObject({ problem: { code: 'range_not_aligned' } });
    const inUse = await test.send(`/queries/${saved.id}`, { key: analyst, method: 'DELETE' });
    expect(await codeOf(inUse)).toBe('definition_in_use');
  });

  it('is there from the beginning three times, with something to show', async () => {
    const { dashboards } = await get('/dashboards');
    const ids = (dashboards as Json[]).map(({ id }) => id);
    expect(ids).toEqual(['dashboard_overview', 'dashboard_acquisition', 'dashboard_operations']);
    // A year later it is still as of the newest event.
    test.clock.advance(365 * 86_400_000);
    for (const id of ids) {
      const { data } = await get(`/dashboards/${id}?data=true`);
      for (const widget of (data as { widgets: Json[] }).widgets)
        expect(widget).not.toHaveProperty('problem');
    }
    const { data } = await get('/dashboards/dashboard_overview?data=true');
    const [orders] = (data as { widgets: { view: { values: Json[] } }[] }).widgets;
    expect(orders?.view.values).toMatchObject([{ metric: 'orders_count', value: 2 }]);
    const change = { key: analyst, method: 'PATCH', json: { name: 'x' } };
    expect((await test.send('/dashboards/dashboard_overview', change)).status).toBe(404);
  });

  it('is changed and deleted by who may define things', async () => {
    const { id } = await send('/dashboards', { name: 'sales', description: 'old' }, 201);
    const change = { method: 'PATCH', json: { description: 'What the shop sells' } };
    const changed = await test.send(`/dashboards/${id}`, { key: analyst, ...change });
    expect([changed.status, await changed.json()]).toMatchObject([
      200,
      { id, name: 'sales', description: 'What the shop sells' },
    ]);
    const viewer = await test.key('viewer');
    expect((await test.send(`/dashboards/${id}`, { key: viewer, method: 'DELETE' })).status).toBe(403);
    expect((await test.send(`/dashboards/${id}`, { key: analyst, method: 'DELETE' })).status).toBe(204);
    expect((await test.send(`/dashboards/${id}`, { key: analyst })).status).toBe(404);
  });

  it('that is private is known to who made it and to admins', async () => {
    const { id } = await send('/dashboards', { name: 'mine', sharing: 'private' }, 201);
    const [other, admin] = [await test.key('analyst'), await test.key('admin')];
    for (const method of ['GET', 'PATCH', 'DELETE'] as const) {
      const init = method === 'PATCH' ? { method, json: { name: 'yours' } } : { method };
      expect((await test.send(`/dashboards/${id}`, { key: other, ...init })).status).toBe(404);
    }
    const known = async (key: string): Promise<number> =>
      ((await get('/dashboards', key)).dashboards as []).length;
    expect([await known(analyst), await known(other), await known(admin)]).toEqual([4, 3, 4]);
  });

  it('is read by a link without a key, until it expires or is deleted, and nothing else is', async () => {
    const made = await send(
      '/dashboards',
      { name: 'Sales', widgets: widgets.slice(0, 2), sharing: 'private' },
      201,
    );
    const link = await send(`/dashboards/${made.id}/links`, { expires_in: '1h' }, 201);
    const url = String(link.url);
    const shared = await body(await test.send(url));
    expect(shared).toMatchObject({ name: 'Sales', widgets: [{ type: 'number' }, { text: '# Sales' }] });
    expect(JSON.stringify(shared.widgets)).not.toContain('orders_count');
    // As a spreadsheet imports it.
    const csv = await test.send(`${url}?format=csv`);
    expect(csv.headers.get('content-type')).toBe('text/csv; charset=utf-8');
    const [head, ...rows] = (await csv.text()).split('\r\n');
    expect(head?.split(',')).toContain('orders_count');
    expect(rows.filter((row) => row !== '').length).toBeGreaterThan(0);
    expect(await codeOf(await test.send(`${url}?format=csv&widget=1`))).toBe('not_found');
    expect((await get(`/dashboards/${made.id}/links`)).links).toMatchObject([{ id: link.id, url }]);
    expect(await codeOf(await test.send(`${url.slice(0, -2)}xx`))).toBe('link_invalid');
    test.clock.advance(3_600_000);
    expect(await codeOf(await test.send(url))).toBe('expired');
    const second = await send(`/dashboards/${made.id}/links`, {}, 201);
    const gone = { key: analyst, method: 'DELETE' };
    expect((await test.send(`/dashboards/${made.id}/links/${second.id}`, gone)).status).toBe(204);
    expect(await codeOf(await test.send(String(second.url)))).toBe('expired');
  });
});
