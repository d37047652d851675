import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { codeOf, orderEvent, startTestApi, type TestApi } from './fixture-api.ts';

let test: TestApi;
let key: string;

beforeEach(async () => {
  test = await startTestApi();
  key = await test.key('admin', { tenants: '*' });
});
afterEach(() => test.close());

describe('GET /health', () => {
  it('is ok when everything is, under both bases', async () => {
    for (const path of ['/health', '/v1/acme/order-analytics/health', '/health?probe=1']) {
      const response = await test.send(path);
      expect(response.status).toBe(200);
      expect(await response.json()).toMatchObject({ status: 'ok', subsystems: { nats: { status: 'ok' } } });
    }
  });

  it.each([
    ['starting', 'starting'],
    ['restarting', 'degraded'],
    ['stopped', 'degraded'],
    ['failed', 'failed'],
  ] as const)('is 503 while the pipeline is %s', async (state, status) => {
    const error = { code: 'stream_recreated', message: 'The stream was made again.' };
    test.pipeline = { ...test.pipeline, state, ...(state === 'failed' ? { error } : {}) };
    const response = await test.send('/health');
    expect(response.status).toBe(503);
    const body = await response.json();
    expect(body).toMatchObject({ status, subsystems: { ingest_pipeline: { status } } });
    if (state === 'failed') expect(body).toMatchObject({ subsystems: { ingest_pipeline: error } });
  });

  it('is 503 without NATS, and before the state can be read', async () => {
    test.pipeline = { ...test.pipeline, nats: { connected: false } };
    expect(await (await test.send('/health')).json()).toMatchObject({
      status: 'degraded',
      subsystems: { nats: { code: 'nats_disconnected' } },
    });
    test.stateReady = false;
    expect(await (await test.send('/health')).json()).toMatchObject({
      status: 'starting',
      subsystems: { query_engine: { code: 'state_not_ready' } },
    });
  });
});

describe('GET /metrics', () => {
  it('is Prometheus text with the pipeline and the requests', async () => {
    await test.send('/kpis/summary', { key });
    const response = await test.send('/metrics', { key });
    expect(response.headers.get('content-type')).toMatch(/^text\/plain/);
    const text = await response.text();
    expect(text).toContain('# TYPE millrace_task_records_total counter');
    expect(text).toContain('# TYPE millrace_task_position gauge');
    expect(text).toMatch(
      /http_server_request_duration_seconds_count\{http_route="summarizeKpis",http_request_method="GET",http_response_status_code="200"\} 1/,
    );
  });

  it('is JSON with percentiles when asked for', async () => {
    for (let count = 0; count < 20; count++) await test.send('/kpis/summary', { key });
    const response = await test.send('/metrics', { key, headers: { accept: 'application/json' } });
    const { http, pipeline } = (await response.json()) as {
      http: { route: string; count: number; p50: number; p99: number }[];
      pipeline: { name: string }[];
    };
    const summary = http.find(({ route }) => route === 'summarizeKpis');
    expect(summary?.count).toBe(20);
    expect(summary?.p50).toBeGreaterThan(0);
    expect(summary?.p99).toBeGreaterThanOrEqual(summary?.p50 ?? 1);
    expect(pipeline.map(({ name }) => name)).toContain('millrace.task.records');
  });
});

describe('GET /diagnostics', () => {
  it('tells lag, watermark, notices of the tenant and the topology', async () => {
    const json = [
      orderEvent('e1'),
      orderEvent('e2', { time: '2025-09-01T01:00:00Z' }),
      orderEvent('e1', { amount: 2 }),
    ];
    await test.send('/ingest', { key, json });
    await test.stream.publishAll([{ subject: 'events.default.x', payload: Buffer.from('{"no":') }]);
    await test.stream.publishAll([{ subject: 'events.acme.x', payload: Buffer.from('{"no":') }]);
    await test.apply();
    await test.send('/ingest', { key, json: orderEvent('e3', { time: '2025-08-01T01:00:00Z' }) });
    const response = await test.send('/diagnostics', { key });
    expect(response.status).toBe(200);
    expect(await response.json()).toMatchObject({
      generation: 1,
      ingest: [{ connector: 'EVENTS', partition: '0', position: 5, head: 6, lag_messages: 1 }],
      watermark: '2025-09-01T09:59:30.000Z',
      notices: {
        conflict: { count: 1, newest: [{ sequence: 3 }] },
        dead_letter: { count: 1, newest: [{ sequence: 4, detail: { reason: 'malformed_json' } }] },
      },
      dead_letters_by_reason: { malformed_json: 1 },
      pipeline: { state: 'running', nats: { connected: true } },
      topology: { name: 'order-analytics' },
      topology_mermaid: expect.stringMatching(/^flowchart/),
    });
    const none = await (await test.send('/diagnostics?limit=0', { key })).json();
    expect(none).toMatchObject({ notices: { conflict: { count: 1, newest: [] } } });
    expect(await codeOf(await test.send('/diagnostics?limit=-1', { key }))).toBe('validation_failed');
  });

  it('lists types that no metric counts, of the tenant', async () => {
    const none = await (await test.send('/diagnostics', { key })).json();
    expect(none).toMatchObject({ uncounted_types: { types: [], types_total: 0, complete: true } });
    const of = (type: string, at: number) => orderEvent(`${type}-${at}`, { type });
    const types = ['Order_Creatd', 'order.creatd', 'loyalty.points', 'order.created', 'campaign.spend'];
    await test.send('/ingest', { key, json: types.map(of) });
    const acme = { key: await test.key('admin', { tenant: 'acme' }) };
    await test.send('/ingest', { ...acme, json: of('other', 1) });
    await test.apply();
    expect(await (await test.send('/diagnostics', { key })).json()).toMatchObject({
      uncounted_types: {
        types: [
          { type: 'order.creatd', count: 2, nearest: 'order.created' },
          { type: 'loyalty.points', count: 1, nearest: null },
        ],
        ...{ types_total: 2, scanned_rows: 5, complete: true },
      },
    });
    expect(await (await test.send('/diagnostics', acme)).json()).toMatchObject({
      uncounted_types: { types: [{ type: 'other', count: 1 }] },
    });
  });
});

describe('limits', () => {
  it('answers 429 with Retry-After over the rate, and goes on after it', async () => {
    await test.close();
    test = await startTestApi({ RATE_LIMIT_RPS: '1', RATE_LIMIT_BURST: '2' });
    key = await test.key('viewer');
    const statuses: number[] = [];
    for (let count = 0; count < 3; count++) statuses.push((await test.send('/roles', { key })).status);
    expect(statuses).toEqual([200, 200, 429]);
    const refused = await test.send('/roles', { key });
    expect([refused.headers.get('retry-after'), await codeOf(refused)]).toEqual(['1', 'rate_limited']);
    expect((await test.send('/roles', { key: await test.key('viewer') })).status).toBe(200);
    test.clock.advance(1_000);
    expect((await test.send('/roles', { key })).status).toBe(200);
  });
});

describe('routing', () => {
  it('answers 404 and 405 as problems', async () => {
    const missing = await test.send('/nothing', { key });
    expect([missing.status, await codeOf(missing)]).toEqual([404, 'route_not_found']);
    const wrong = await test.send('/kpis/query', { key });
    expect([wrong.status, wrong.headers.get('allow'), await codeOf(wrong)]).toEqual([
      405,
      'POST',
      'method_not_allowed',
    ]);
    const jobs = await test.send('/jobs', { key, method: 'PUT' });
    expect([jobs.status, jobs.headers.get('allow')]).toEqual([405, 'GET, HEAD']);
    const job = await test.send('/jobs/job_x', { key });
    expect([job.status, await codeOf(job)]).toEqual([404, 'not_found']);
  });

  it('gives every answer a request id, the one it came with if it is one', async () => {
    const given = await test.send('/health', { headers: { 'x-request-id': 'abc-1' } });
    expect(given.headers.get('x-request-id')).toBe('abc-1');
    const problem = await test.send('/nothing', { headers: { 'x-request-id': 'a b' } });
    const id = problem.headers.get('x-request-id');
    expect(id).toMatch(/^[0-9a-f-]{36}$/);
    expect(await problem.json()).toMatchObject({
      instance: `urn:request:${id}`,
      type: 'urn:millrace:problem:route_not_found',
    });
  });

  it('hides the cause of an internal error, and logs it', async () => {
    const logged: unknown[] = [];
    Object.assign(test.ports.log, { error: (entry: unknown) => logged.push(entry) });
    Object.assign(test.ports, {
      reader: () => {
        throw new Error('secret cause');
      },
    });
    const response = await test.send('/diagnostics', { key });
    const text = await response.text();
    expect(response.status).toBe(500);
    expect(text).not.toContain('secret');
    expect(JSON.parse(text)).toMatchObject({ code: 'internal' });
    expect(logged).toHaveLength(1);
  });
});
