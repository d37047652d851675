import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { orderEvent, PATIENTLY, startTestApi, type TestApi } from '../fixture-api.ts';

let test: TestApi;
let admin: string;
let viewer: string;
let analyst: string;

beforeEach(async () => {
  test = await startTestApi();
  admin = await test.key('admin');
  viewer = await test.key('viewer');
  analyst = await test.key('analyst');
});
afterEach(() => test.close());

type Json = Record<string, unknown>;
const jsonOf = async (response: Response): Promise<Json> => (await response.json()) as Json;
const patch = (path: string, json: object): Promise<Response> =>
  test.send(path, { key: admin, json, method: 'PATCH' });

async function send(...events: unknown[]): Promise<void> {
  expect((await test.send('/ingest', { key: admin, json: events })).status).toBe(202);
}

describe("a tenant's retention", () => {
  it('refuses what has gone, or says that it has, in every family of queries, and for this tenant only', async () => {
    const stranger = await test.key('admin', { tenant: 'other' });
    const events = [orderEvent('old', { time: '2025-07-01T12:00:00Z' }), orderEvent('new')];
    await send(...events);
    expect((await test.send('/ingest', { key: stranger, json: events })).status).toBe(202);
    for (const retention_days of [0, 1.5, 36_501, '30']) {
      expect((await patch('/settings', { retention_days })).status, `${retention_days}`).toBe(422);
    }
    expect(await jsonOf(await patch('/settings', { retention_days: 30 }))).toMatchObject({
      retention_days: 30,
    });
    await test.apply();
    const range = { start: '2025-06-01T00:00:00Z', end: '2025-10-01T00:00:00Z' };
    const post = async (path: string, json: object, key = viewer) => {
      const response = await test.send(path, { key, json });
      return { status: response.status, json: await jsonOf(response) };
    };
    const scan = { ...range, metrics: ['orders_count'], filters: { warehouse: null } };
    const funnel = { ...range, steps: [{ event: 'visit' }, { event: 'order.created' }], window: '7d' };
    for (const [path, json] of [
      ['/kpis/query', scan],
      ['/funnels/adhoc', funnel],
      ['/customers/rfm', range],
      ['/customers/ltv', { ...range, model: 'historical' }],
      ['/cohorts/adhoc-retention', { ...range, criteria: { group_by: ['country'] } }],
    ] as const) {
      const refused = await post(path, json);
      expect([path, refused.status, refused.json.code]).toEqual([path, 422, 'behind_retention']);
      expect((await post(path, json, stranger)).status, path).toBe(200);
    }
    const gone = expect.stringContaining('Events before 2025-08-02T00:00:00Z are no longer kept');
    const search = { query: { field: 'type', eq: 'order.created' }, from: range.start };
    const found = await post('/events/search', search, analyst);
    expect(found.json).toMatchObject({ events: [{ event_id: 'new' }], meta: { warnings: [gone] } });
    expect((await post('/events/search', search, stranger)).json).toMatchObject({
      events: [{ event_id: 'new' }, { event_id: 'old' }],
      meta: { warnings: [] },
    });
    const rule = { measure: 'orders', gte: 1 };
    expect((await post('/customers/segment', { ...range, rule })).json).toMatchObject({
      customers_total: 1,
      meta: { warnings: [gone] },
    });
    const returns = await post('/returns/summary', range);
    expect(returns.json).toMatchObject({ meta: { warnings: [gone] } });
    const { job_id } = (await post('/exports', { query: search, format: 'ndjson' }, analyst)).json;
    await vi.waitFor(async () => {
      const job = await jsonOf(await test.send(`/jobs/${job_id}`, { key: analyst }));
      expect(job).toMatchObject({ status: 'succeeded', result: { rows: 1, warnings: [gone] } });
    }, PATIENTLY);
    // What comes behind it is taken, counts in rollups, and is said to be gone.
    const late = [orderEvent('late', { time: '2025-07-02T12:00:00Z' }), orderEvent('now')];
    expect((await post('/ingest', late, admin)).json).toMatchObject({
      accepted: 2,
      warnings: [expect.stringMatching(/^1 of the events: Events before 2025-08-02/)],
    });
    expect((await post('/ingest', late, stranger)).json).not.toHaveProperty('warnings');
    await test.apply();
    expect((await post('/events/search', search, analyst)).json).toMatchObject({
      events: [
        { event_id: expect.stringMatching(/new|now/) },
        { event_id: expect.stringMatching(/new|now/) },
      ],
    });
    // Rollups stay.
    expect((await post('/kpis/query', { ...scan, filters: {} })).json).toMatchObject({
      groups: [{ totals: { orders_count: 4 } }],
    });
  });
});
