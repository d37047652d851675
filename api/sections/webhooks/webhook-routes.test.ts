import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { codeOf, PATIENTLY, startTestApi, type TestApi } from '../../fixture-api.ts';

let test: TestApi;
let key: string;

beforeEach(async () => {
  test = await startTestApi();
  key = await test.key('admin');
});
afterEach(() => test.close());

type Json = Record<string, unknown>;
const json = async (response: Response): Promise<Json> => (await response.json()) as Json;

const URL_1 = 'https://hooks.example.com/a';

async function make(more: object = {}): Promise<Json> {
  const body = { url: URL_1, events: ['anomaly.detected'], secret: 's3cret', ...more };
  const response = await test.send('/webhooks', { key, json: body });
  expect(response.status).toBe(201);
  return json(response);
}

const anomaly = (id: string): Promise<unknown> =>
  test.anomalies.append({
    ...{ subject: 'anomalies.default.revenue.high', id },
    data: Buffer.from(JSON.stringify({ id, metric: 'revenue' })),
  });

async function deliveries(id: unknown, query = ''): Promise<readonly Json[]> {
  const answer = await json(await test.send(`/webhooks/${String(id)}/deliveries${query}`, { key }));
  return answer.deliveries as readonly Json[];
}

const untilDelivered = (id: unknown, wanted: object): Promise<Json> =>
  vi.waitFor(async () => {
    const [newest] = await deliveries(id);
    expect(newest).toMatchObject(wanted);
    return newest as Json;
  }, { timeout: 2000, interval: 300 });

it('tells of an anomaly, shows its secret once, and keeps it where nobody reads it', async () => {
  const made = await make();
  expect(made).toMatchObject({ url: URL_1, status: 'active', disabled: null, secret: 's3cret', active: true });
  expect(made.name).toMatch(/^hooks\.example\.com [0-9a-f]{6}$/);
  expect(await json(await test.send(`/webhooks/${String(made.id)}`, { key }))).not.toHaveProperty('secret');
  const stored = JSON.stringify(await test.definitions.list());
  expect(stored).toContain('sealed_secret');
  expect(stored).not.toContain('s3cret');
  await anomaly('a1');
  await untilDelivered(made.id, { type: 'anomaly.detected', status: 'succeeded', response_status: 204 });
  const [posted] = test.http.posted;
  expect(JSON.parse(posted?.body ?? '')).toMatchObject({
    ...{ id: 'a1', type: 'anomaly.detected', data: { id: 'a1', metric: 'revenue' } },
  });
});
