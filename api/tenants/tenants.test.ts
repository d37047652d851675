import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { codeOf, orderEvent, PATIENTLY, startTestApi, type TestApi } from '../fixture-api.ts';

let test: TestApi;
let admin: string;
let analyst: string;
let viewer: string;

beforeEach(async () => {
  test = await startTestApi();
  admin = await test.key('admin');
  analyst = await test.key('analyst');
  viewer = await test.key('viewer');
});
afterEach(() => test.close());

type Json = Record<string, unknown>;
const jsonOf = async (response: Response): Promise<Json> => (await response.json()) as Json;

async function send(...events: unknown[]): Promise<void> {
  expect((await test.send('/ingest', { key: admin, json: events })).status).toBe(202);
  await test.apply();
}

async function define(json: object): Promise<Json> {
  test.clock.advance(1);
  const response = await test.send('/metrics-catalog', { key: analyst, json });
  expect(response.status).toBe(201);
  return jsonOf(response);
}

const patch = (path: string, json: object, key = admin): Promise<Response> =>
  test.send(path, { key, json, method: 'PATCH' });

const DAY = { start: '2025-09-01T00:00:00Z', end: '2025-09-02T00:00:00Z' };

async function totals(metrics: string[], more: object = {}): Promise<unknown> {
  const response = await test.send('/kpis/query', { key: viewer, json: { ...DAY, metrics, ...more } });
  const { groups } = (await response.json()) as { groups: { totals: unknown }[] };
  return groups[0]?.totals;
}

const wish = (event_id: string, members: object = {}) => ({
  ...{ event_id, type: 'wishlist.added', time: '2025-09-01T09:00:00Z', country: 'GB' },
  ...members,
});

describe('metrics of a tenant', () => {
  it('are asked for like any other, in queries, batches and summaries, and show in the catalogue', async () => {
    await send(
      orderEvent('1'),
      wish('2', { customer_id: 'a' }),
      wish('3', { customer_id: 'b', country: 'DE' }),
    );
    await define({ name: 'wishes', type: 'count', event: 'wishlist_added' });
    await define({ name: 'wishers', type: 'distinct', event: 'wishlist.added', field: 'customer_id' });
    await define({
      name: 'wishes_per_order',
      type: 'ratio',
      numerator: 'wishes',
      denominator: 'orders_count',
    });
    const metrics = ['orders_count', 'wishes', 'wishers', 'wishes_per_order'];
    const all = { orders_count: 1, wishes: 2, wishers: 2, wishes_per_order: 2 };
    expect(await totals(metrics)).toEqual(all);
    expect(await totals(['wishes'], { group_by: ['country'], filters: { country: 'DE' } })).toEqual({
      wishes: 1,
    });
    const batch = await test.send('/kpis/batch', {
      key: viewer,
      json: {
        queries: [
          { id: 'own', ...DAY, metrics },
          { id: 'none', ...DAY, metrics: ['nothing'] },
        ],
      },
    });
    expect(await jsonOf(batch)).toMatchObject({
      results: [{ groups: [{ totals: all }] }, { problem: { code: 'validation_failed' } }],
    });
    const query = new URLSearchParams({ ...DAY, metrics: 'wishes,wishes_per_order' });
    const summary = await jsonOf(await test.send(`/kpis/summary?${query}`, { key: viewer }));
    expect(summary.kpis).toMatchObject({
      wishes: { current: 2, previous: 0 },
      wishes_per_order: { current: 2 },
    });
    const dry = await test.send('/kpis/query?dry_run=true', { key: viewer, json: { ...DAY, metrics } });
    expect(await jsonOf(dry)).toMatchObject({ dry_run: true });
    const catalogue = await jsonOf(await test.send('/metrics-catalog', { key: viewer }));
    expect(catalogue.built_in).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ name: 'aov', unit: 'money', aggregations: ['sum'] }),
      ]),
    );
    expect(catalogue.metrics).toMatchObject([
      { name: 'wishes', type: 'count', unit: 'count' },
      { name: 'wishers', unit: 'distinct' },
      { name: 'wishes_per_order', unit: 'ratio' },
    ]);
  });

  it('are of one tenant, and go at once', async () => {
    const { id } = await define({ name: 'wishes', type: 'count', event: 'wishlist.added' });
    const stranger = await test.key('viewer', { tenant: 'other' });
    const refused = await test.send('/kpis/query', { key: stranger, json: { ...DAY, metrics: ['wishes'] } });
    expect([refused.status, await codeOf(refused)]).toEqual([422, 'validation_failed']);
    expect(await totals(['wishes'])).toEqual({ wishes: 0 });
    expect((await test.send(`/metrics-catalog/${id}`, { key: analyst, method: 'DELETE' })).status).toBe(204);
    const gone = await test.send('/kpis/query', { key: viewer, json: { ...DAY, metrics: ['wishes'] } });
    expect(gone.status).toBe(422);
  });

  it('refuse what cannot be', async () => {
    const refused = async (json: object): Promise<unknown[]> => {
      const response = await test.send('/metrics-catalog', { key: analyst, json });
      return [response.status, await codeOf(response)];
    };
    const invalid = [422, 'validation_failed'];
    expect(await refused({ name: 'revenue', type: 'count', event: 'x' })).toEqual([409, 'name_taken']);
    expect(await refused({ name: 'Wishes', type: 'count', event: 'x' })).toEqual(invalid);
    expect(await refused({ name: 'a', type: 'sum', event: 'x', field: 'points' })).toEqual(invalid);
    expect(await refused({ name: 'a', type: 'count', event: 'x', filters: { shoe_size: '9' } })).toEqual(
      invalid,
    );
    const ratio = { name: 'a', type: 'ratio', numerator: 'orders_count' };
    for (const denominator of ['nothing', 'aov', 'a', { type: 'avg', event: 'x', field: 'amount' }]) {
      expect(await refused({ ...ratio, denominator })).toEqual(invalid);
    }
    const { id } = await define({ name: 'base', type: 'count', event: 'x' });
    await define({ ...ratio, denominator: 'base' });
    const used = [409, 'definition_in_use'];
    const changed = async (response: Response): Promise<unknown[]> => [
      response.status,
      await codeOf(response),
    ];
    expect(
      await changed(await test.send(`/metrics-catalog/${id}`, { key: analyst, method: 'DELETE' })),
    ).toEqual(used);
    expect(await changed(await patch(`/metrics-catalog/${id}`, { name: 'other' }))).toEqual(used);
    expect(await changed(await patch(`/metrics-catalog/${id}`, { type: 'avg', field: 'amount' }))).toEqual(
      used,
    );
    expect((await patch(`/metrics-catalog/${id}`, { event: 'y' })).status).toBe(200);
  });
});

describe('settings of a tenant', () => {
  it('are those of the installation until they are changed, by who may', async () => {
    const first = await test.send('/settings', { key: viewer });
    expect(first.headers.get('etag')).toBe('"0"');
    expect(await jsonOf(first)).toEqual({
      timezone: 'UTC',
      week_start: 'monday',
      fiscal_month_start: 1,
      currency: null,
      retention_days: null,
      pii_fields: [],
      revision: 0,
      updated_at: null,
    });
    expect((await patch('/settings', { timezone: 'Europe/Berlin' }, analyst)).status).toBe(403);
    expect((await patch('/settings', { timezone: 'Berlin' })).status).toBe(422);
    expect((await patch('/settings', { week_begin: 'monday' })).status).toBe(422);
    const made = await Promise.all([
      patch('/settings', { timezone: 'Europe/Berlin' }),
      patch('/settings', { fiscal_month_start: 4 }),
    ]);
    expect(made.map(({ status }) => status)).toEqual([200, 200]);
    const changed = await jsonOf(await test.send('/settings', { key: viewer }));
    expect(changed).toMatchObject({ timezone: 'Europe/Berlin', fiscal_month_start: 4 });
    const stale = await test.send('/settings', {
      ...{ key: admin, method: 'PATCH', json: { currency: 'EUR' } },
      headers: { 'if-match': `"${Number(changed.revision) - 1}"` },
    });
    expect([stale.status, await codeOf(stale)]).toEqual([409, 'revision_conflict']);
    expect(await jsonOf(await patch('/settings', { timezone: null }))).toMatchObject({ timezone: 'UTC' });
    const stranger = await test.key('viewer', { tenant: 'other' });
    expect(await jsonOf(await test.send('/settings', { key: stranger }))).toMatchObject({ revision: 0 });
  });

  it('refuse a path of what is masked that is none, and mask what an earlier version stored of it', async () => {
    for (const path of ['a[x]', 'a..b', '[0]', 'a]']) {
      const response = await patch('/settings', { pii_fields: ['data.email', path] });
      const { code, errors } = await jsonOf(response);
      expect([response.status, code]).toEqual([422, 'validation_failed']);
      expect(errors).toMatchObject([
        { path: 'pii_fields.1', message: expect.stringContaining('data.email') },
      ]);
    }
    expect((await patch('/settings', { pii_fields: ['data.email', 'items[].name'] })).status).toBe(200);
  });

  it('are what queries use that say nothing of their own', async () => {
    await send(
      { event_id: 'rate', type: 'fx.rate', time: '2025-01-01T00:00:00Z', base: 'GBP', quote: 'EUR', rate: 2 },
      orderEvent('1', { time: '2025-08-31T22:30:00Z' }),
    );
    await patch('/settings', {
      ...{ timezone: 'Europe/Berlin', week_start: 'sunday', fiscal_month_start: 2, currency: 'EUR' },
    });
    const range = { start: '2025-08-01T00:00:00Z', end: '2025-12-01T00:00:00Z' };
    const ask = async (json: object) =>
      (await (
        await test.send('/kpis/query', { key: viewer, json: { ...range, metrics: ['revenue'], ...json } })
      ).json()) as {
        meta: Json;
        currency?: string;
        groups: { totals: Json; buckets: { time: string; revenue: number }[] }[];
      };
    const times = async (granularity: string): Promise<unknown[]> => {
      const { meta, groups } = await ask({ granularity });
      expect(meta.timezone).toBe('Europe/Berlin');
      return groups[0]?.buckets.filter(({ revenue }) => revenue > 0).map(({ time }) => time) ?? [];
    };
    expect(await times('1d')).toEqual(['2025-09-01T00:00:00+02:00']);
    expect(await times('1w')).toEqual(['2025-08-31T00:00:00+02:00']);
    expect(await times('1Q')).toEqual(['2025-08-01T00:00:00+02:00']);
    expect(await times('1Y')).toEqual(['2025-02-01T00:00:00+01:00']);
    expect(await ask({})).toMatchObject({ currency: 'EUR', groups: [{ totals: { revenue: 2_000 } }] });
    expect(await ask({ currency: 'GBP', timezone: 'UTC' })).toMatchObject({
      ...{ currency: 'GBP', groups: [{ totals: { revenue: 1_000 } }] },
      meta: { timezone: 'UTC' },
    });
    expect(await ask({ group_by: ['currency'] })).toMatchObject({
      groups: [{ key: { currency: 'GBP' }, totals: { revenue: 1_000 } }],
    });
    const batch = await test.send('/kpis/batch', {
      key: viewer,
      json: { queries: [{ id: 'a', ...range, metrics: ['revenue'] }] },
    });
    expect(await jsonOf(batch)).toMatchObject({
      results: [{ currency: 'EUR', meta: { timezone: 'Europe/Berlin' } }],
    });
    const summary = await jsonOf(
      await test.send(`/kpis/summary?${new URLSearchParams(range)}`, { key: viewer }),
    );
    expect(summary).toMatchObject({
      meta: { timezone: 'Europe/Berlin' },
      currencies: [{ currency: 'EUR', kpis: { revenue_gross: { current: 2_000 } } }],
    });
    const rfm = await test.send('/customers/rfm', { key: viewer, json: range });
    expect(await jsonOf(rfm)).toMatchObject({ meta: { timezone: 'Europe/Berlin' } });
  });

  it('mask the ids of customers and of entities of funnels, too', async () => {
    await patch('/settings', { pii_fields: ['customer_id'] });
    await send(orderEvent('1', { customer_id: 'bob' }));
    const range = { start: '2025-09-01T00:00:00Z', end: '2025-10-01T00:00:00Z' };
    const steps = [{ event: 'order.created' }, { event: 'visit' }];
    const funnel = await test.send('/funnels', { key: admin, json: { name: 'buyers', steps } });
    const asked = new URLSearchParams({ ...range, step: '1', status: 'in_progress' });
    const path = `/funnels/${String((await jsonOf(funnel)).id)}/entities?${asked}`;
    const ids = async (key: string): Promise<unknown> => {
      const rfm = await jsonOf(await test.send('/customers/rfm', { key, json: range }));
      const entities = await (await test.send(path, { key })).text();
      return [(rfm.customers as Json[])[0]?.customer_id, /"id":"([^"]*)"/.exec(entities)?.[1]];
    };
    expect(await ids(admin)).toEqual(['bob', 'bob']);
    expect(await ids(viewer)).toEqual(['***', '***']);
    expect(await ids(analyst)).toEqual(['***', '***']);
  });

  it('mask what is personal for roles below admin, and refuse to search by it', async () => {
    await patch('/settings', { pii_fields: ['customer_id', 'data.email', 'addresses.street'] });
    await send(
      orderEvent('1', {
        customer_id: 'bob',
        email: 'bob@example.com',
        number: '@',
        addresses: [{ street: 'High Street 1', city: 'York' }, { street: 'Low Street 2' }],
      }),
    );
    const listed = await (await test.send('/events', { key: viewer })).text();
    expect(listed).not.toMatch(/bob|Street/);
    expect(JSON.parse(listed)).toMatchObject({
      events: [
        {
          customer_id: '***',
          payload: {
            ...{ customer_id: '***', email: '***' },
            addresses: [{ street: '***', city: 'York' }, { street: '***' }],
          },
        },
      ],
    });
    expect(await (await test.send('/events/1', { key: analyst })).text()).not.toMatch(/bob|Street/);
    expect(await (await test.send('/events/1', { key: admin })).text()).toMatch(/bob@example.com/);
    const search = async (json: object, key = viewer): Promise<unknown[]> => {
      const response = await test.send('/events/search', { key, json });
      return [
        response.status,
        response.status === 200 ? (await jsonOf(response)).events : await codeOf(response),
      ];
    };
    const masked = [403, 'field_masked'];
    expect(await search({ query: { field: 'email', eq: 'bob@example.com' } })).toEqual(masked);
    expect(await search({ query: { not: { or: [{ field: 'data.email', exists: true }] } } })).toEqual(masked);
    expect(await search({ text: 'bob' })).toEqual(masked);
    expect(await search({ query: { field: 'addresses[0].street', prefix: 'High' } })).toEqual(masked);
    const byCustomer = await test.send('/events?customer_id=bob', { key: viewer });
    expect([byCustomer.status, await codeOf(byCustomer)]).toEqual(masked);
    expect(await search({ query: { field: 'country', eq: 'GB' } })).toMatchObject([200, [{ event_id: '1' }]]);
    const exported = async (key: string, query: object = {}): Promise<string> => {
      const made = await test.send('/exports', { key, json: { query, format: 'csv' } });
      if (made.status !== 202) return codeOf(made);
      const { job_id } = (await made.json()) as { job_id: string };
      let url: string | null = null;
      await vi.waitFor(async () => {
        url = String((await jsonOf(await test.send(`/exports/${job_id}`, { key }))).download_url);
        expect(url).toContain('token=');
      }, PATIENTLY);
      return (await test.send(String(url))).text();
    };
    const masks = await exported(analyst);
    expect(masks).toMatch(/\*\*\*/);
    expect(masks).not.toMatch(/bob|Street/);
    expect(await exported(analyst, { text: 'bob' })).toBe('field_masked');
    expect(await exported(admin)).toMatch(/bob@example.com/);
    expect(await search({ text: 'bob' }, admin)).toMatchObject([200, [{ customer_id: 'bob' }]]);
  });

  it('mask it in lists of customers, in groups, and in files that others have made', async () => {
    await patch('/settings', { pii_fields: ['customer_id', 'country', 'phones[0]', 'items.sku'] });
    const range = { start: '2025-08-01T00:00:00Z', end: '2025-12-01T00:00:00Z' };
    const items = [{ sku: 'sku-7', quantity: 1, unit_price: 1_000 }];
    await send(orderEvent('1', { customer_id: 'bob', phones: ['0177', '0178'], country: 'GB', items }));
    expect(await (await test.send('/events', { key: viewer })).text()).not.toMatch(/bob|017|sku-7/);
    const rfm = async (key: string): Promise<string> =>
      (await test.send('/customers/rfm', { key, json: range })).text();
    expect(await rfm(viewer)).toMatch(/"customer_id":"\*\*\*"/);
    expect(await rfm(viewer)).not.toMatch(/bob/);
    expect(await rfm(admin)).toMatch(/"customer_id":"bob"/);
    const masked = [403, 'field_masked'];
    const kpis = async (key: string, query: object): Promise<unknown[]> => {
      const json = { metrics: ['orders_count'], granularity: 'total', ...range, ...query };
      const response = await test.send('/kpis/query', { key, json });
      return [response.status, response.status === 200 ? '' : await codeOf(response)];
    };
    for (const query of [
      { group_by: ['country'] },
      { group_by: ['sku'] },
      { filters: { country: ['GB'] } },
    ]) {
      expect([query, await kpis(analyst, query)]).toEqual([query, masked]);
      expect(await kpis(admin, query)).toEqual([200, '']);
    }
    expect(await kpis(analyst, { group_by: ['channel'] })).toEqual([200, '']);
    for (const query of [
      {},
      { metrics: ['orders_count'], granularity: 'total', group_by: ['country'], ...range },
    ]) {
      const made = await test.send('/exports', { key: admin, json: { query } });
      const { job_id } = (await made.json()) as { job_id: string };
      await vi.waitFor(async () => {
        expect(await (await test.send(`/jobs/${job_id}/result`, { key: admin })).text()).toMatch(/GB/);
      }, PATIENTLY);
      for (const path of [`/jobs/${job_id}/result`, `/exports/${job_id}`]) {
        const response = await test.send(path, { key: analyst });
        expect([path, response.status, await codeOf(response)]).toEqual([path, ...masked]);
      }
    }
  });
});
