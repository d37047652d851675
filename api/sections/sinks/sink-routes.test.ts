import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { orderEvent, PATIENTLY, startTestApi, type TestApi } from '../../fixture-api.ts';

type Json = Record<string, unknown>;

let test: TestApi;
let analyst: string;
let ingest: string;

beforeEach(async () => {
  test = await startTestApi({ RATE_LIMIT_RPS: '100000', RATE_LIMIT_BURST: '100000' });
  analyst = await test.key('admin');
  ingest = await test.key('ingest');
});
afterEach(() => test.close());

async function ask(path: string, json?: unknown, key = analyst): Promise<Json> {
  const response = await test.send(path, { key, ...(json === undefined ? {} : { json }) });
  return { ...((await response.json()) as Json), http: response.status };
}

async function sell(...events: readonly Json[]): Promise<void> {
  expect(await ask('/ingest', events, ingest)).toMatchObject({ http: 202, rejected: [] });
  await test.apply();
}

const QUERY = {
  ...{ metrics: ['orders_count', 'revenue_gross'], group_by: ['country'] },
  ...{ granularity: '1d', start: '2025-08-30T00:00:00Z' },
};

async function run(id: unknown): Promise<Json> {
  const made = await ask(`/sinks/${String(id)}/run`, {});
  expect(made).toMatchObject({ http: 202 });
  return vi.waitFor(async () => {
    const job = await ask(`/jobs/${String(made.job_id)}`);
    if (job.status !== 'succeeded') throw new Error(`the run is ${JSON.stringify(job)}`);
    return job;
  }, PATIENTLY);
}

const rowsOf = (): readonly Json[] =>
  test.sinks.published.map(({ payload }) => JSON.parse(Buffer.from(payload).toString()) as Json);

it('tells a subject what changed of an answer, restated buckets too', async () => {
  await sell(orderEvent('e1'), orderEvent('e2', { time: '2025-08-30T10:00:00Z', country: 'DE' }));
  const sink = await ask('/sinks', {
    name: 'sales',
    source: { query: QUERY },
    destination: { nats: 'sales' },
  });
  expect(sink).toMatchObject({ http: 201, enabled: true });
  await run(sink.id);
  expect(new Set(test.sinks.published.map(({ subject }) => subject))).toEqual(
    new Set(['sinks.default.sales']),
  );
  const before = rowsOf().length;
  // A late event of a day that is over, and nothing else.
  await sell(orderEvent('e3', { time: '2025-08-30T11:00:00Z', country: 'DE', amount: 5_000 }));
  test.clock.advance(1_000);
  await run(sink.id);
  const told = rowsOf().slice(before);
  expect(told).toContainEqual({
    ...{ country: 'DE', time: '2025-08-30T00:00:00Z', currency: 'GBP' },
    ...{ orders_count: 2, revenue_gross: 60, incomplete: false, as_of: 3 },
  });
  expect(told.some(({ time, country }) => time === '2025-08-30T00:00:00Z' && country === 'GB')).toBe(false);
});

it('tells again under the same ids what was told when the server went away', async () => {
  await sell(orderEvent('e1'), orderEvent('e2', { country: 'DE' }), orderEvent('e3', { country: 'FR' }));
  const sink = await ask('/sinks', { name: 'away', source: { query: QUERY }, destination: { nats: 'away' } });
  test.sinks.away_after = 2;
  const running = run(sink.id);
  await vi.waitFor(() => {
    if (test.sinks.published.length < 2) throw new Error('nothing yet');
  }, PATIENTLY);
  await running;
  const ids = test.sinks.published.map(({ id }) => id);
  const rows = new Set(rowsOf().map((row) => JSON.stringify(row)));
  expect(ids.length).toBe(rows.size + 2);
  expect(new Set(ids).size).toBe(rows.size);
});

it('looks by itself whether something has changed', async () => {
  const body = { source: { query: QUERY }, destination: { nats: 'quiet' }, every_minutes: 5 };
  await sell(orderEvent('e1'));
  const sink = await ask('/sinks', { name: 'quiet', ...body });
  const runsOf = async (): Promise<number> =>
    ((await ask(`/sinks/${String(sink.id)}/runs`)).runs as readonly Json[]).filter(
      ({ status }) => status === 'succeeded',
    ).length;
  const until = (count: number) =>
    vi.waitFor(async () => {
      if ((await runsOf()) !== count) throw new Error(`not ${count} runs`);
    }, PATIENTLY);
  test.clock.advance(300_000);
  await until(1);
  // Nothing changed in this one.
  test.clock.advance(300_000);
  await new Promise((resolve) => setTimeout(resolve, 2_500));
  await sell(orderEvent('e2', { country: 'DE' }));
  test.clock.advance(300_000);
  await until(2);
});

it('tells anomalies under their own ids, those that are asked for', async () => {
  const body = { source: { anomalies: { severity: 'high' } }, destination: { nats: 'anomalies' } };
  expect(await ask('/sinks', { name: 'anomalies', ...body })).toMatchObject({ http: 201 });
  const tell = (id: string, severity: string, tenant = 'default'): Promise<unknown> =>
    test.anomalies.append({
      ...{ subject: `anomalies.${tenant}.revenue.${severity}`, id },
      data: Buffer.from(JSON.stringify({ id, metric: 'revenue' })),
    });
  await tell('a-low', 'low');
  await tell('a-other', 'high', 'other');
  await tell('a-1', 'high');
  await tell('a-2', 'high');
  await vi.waitFor(() => {
    if (test.sinks.published.length < 2) throw new Error('not told yet');
  }, PATIENTLY);
  expect(rowsOf().map(({ id }) => id)).toEqual(['a-1', 'a-2']);
  expect(test.sinks.published[0]?.id).toMatch(/^sink_\w+-(a-1|ANOMALIES-3)$/);
});

it('sends to the topic of a Kafka connector, and refuses what cannot be sent', async () => {
  await sell(orderEvent('e1'));
  const connector = await ask('/connectors', {
    ...{ name: 'kafka', type: 'kafka', enabled: false },
    config: { brokers: ['203.0.113.1:9092'], topics: ['in'] },
  });
  const kafka = { connector_id: connector.id, topic: 'sales' };
  const sink = await ask('/sinks', { name: 'k', source: { query: QUERY }, destination: { kafka } });
  expect(sink).toMatchObject({ http: 201 });
  await run(sink.id);
  const [record] = test.sinks.records.get('sales') ?? [];
  expect(JSON.parse(record?.key ?? '')).toEqual(['GB', '2025-08-30T00:00:00Z', 'GBP']);
  expect(record?.id).toMatch(/^[0-9a-f]{64}$/);
  for (const wrong of [
    { source: { query: { ...QUERY, end: '2025-09-01T00:00:00Z' } }, destination: { nats: 'x' } },
    { source: { query: { metrics: ['nothing'], start: QUERY.start } }, destination: { nats: 'x' } },
    { source: { query: QUERY }, destination: { nats: 'x.>' } },
    { source: { query: QUERY }, destination: { s3: 's3://bucket/x' } },
    { source: { query: QUERY }, destination: { kafka: { connector_id: 'none', topic: 't' } } },
    { source: { anomalies: {} }, destination: { s3: 's3://bucket/x' } },
  ]) {
    expect(await ask('/sinks', { name: 'wrong', ...wrong })).toMatchObject({ http: 422 });
  }
});
