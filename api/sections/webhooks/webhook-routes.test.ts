import { createHmac } from 'node:crypto';
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
  }, PATIENTLY);

it('tells of an anomaly, shows its secret once, and keeps it where nobody reads it', async () => {
  const made = await make();
  expect(made).toMatchObject({
    url: URL_1,
    status: 'active',
    disabled: null,
    secret: 's3cret',
    active: true,
  });
  expect(made.name).toMatch(/^hooks\.example\.com [0-9a-f]{6}$/);
  expect(await json(await test.send(`/webhooks/${String(made.id)}`, { key }))).not.toHaveProperty('secret');
  expect((await json(await test.send('/webhooks', { key }))).webhooks).toEqual([
    expect.objectContaining({ id: made.id, url: URL_1 }),
  ]);
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

it('is changed by a patch: its secret too, but nothing that it does not let be set', async () => {
  const made = await make();
  const path = `/webhooks/${String(made.id)}`;
  const patch = (body: object): Promise<Response> => test.send(path, { key, method: 'PATCH', json: body });
  for (const body of [{ sealed_secret: 'x' }, { disabled: null }, { enabled_at_ms: 1 }, { colour: 'red' }]) {
    const refused = await patch(body);
    expect([refused.status, await codeOf(refused)]).toEqual([422, 'validation_failed']);
  }
  for (const body of [
    { secret: '' },
    { secret: null },
    { events: ['order'] },
    { url: 'ftp://a.example' },
    { url: null },
  ]) {
    expect((await patch(body)).status).toBe(422);
  }
  test.http.forbidden.add('private.example');
  const forbidden = await patch({ url: 'https://private.example/' });
  expect([forbidden.status, await codeOf(forbidden)]).toEqual([422, 'target_forbidden']);
  const changed = await patch({ secret: 'another', url: 'https://b.example/', active: false });
  expect(await json(changed)).toMatchObject({ url: 'https://b.example/', status: 'inactive', active: false });
  expect(await json(await patch({ active: true }))).toMatchObject({ status: 'active' });
  await test.send(`${path}/test`, { key, method: 'POST' });
  const before = createHmac('sha256', 's3cret')
    .update(test.http.posted[0]?.body ?? '')
    .digest('hex');
  const now = createHmac('sha256', 'another')
    .update(test.http.posted[0]?.body ?? '')
    .digest('hex');
  const signature = test.http.posted[0]?.headers['X-Webhook-Signature'];
  expect([signature === before, signature === now]).toEqual([false, true]);
});

it('takes what the contract names, and refuses other events and targets', async () => {
  const make = (body: object): Promise<Response> => test.send('/webhooks', { key, json: body });
  const events = [
    'anomaly.detected',
    'report.completed',
    'export.failed',
    'order.*',
    'order.status_changed',
    '*',
  ];
  const made = await json(await make({ url: URL_1, events }));
  expect(made.events).toEqual(events);
  expect(made.secret).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/);
  for (const body of [
    { url: URL_1 },
    { url: URL_1, events: [] },
    { url: URL_1, events: ['visit'] },
    { url: 'https://user:pass@hooks.example.com', events },
    { url: 'hooks.example.com', events },
    { url: URL_1, events, retry: { max_retries: 11, delay_s: 1 } },
    { url: URL_1, events, colour: 'red' },
  ]) {
    const refused = await make(body);
    expect([refused.status, await codeOf(refused)]).toEqual([422, 'validation_failed']);
  }
  test.http.forbidden.add('private.example');
  const forbidden = await make({ url: 'https://private.example/', events });
  expect([forbidden.status, await codeOf(forbidden)]).toEqual([422, 'target_forbidden']);
  const analyst = await test.key('analyst');
  expect((await test.send('/webhooks', { key: analyst })).status).toBe(403);
});

it('is tested alone or with all others, with or without a body', async () => {
  const one = await make();
  test.clock.advance(1_000);
  const two = await make({ url: 'https://hooks.example.com/b' });
  const results = async (init: object): Promise<readonly unknown[]> => {
    const answer = await json(await test.send('/webhooks/test', { key, method: 'POST', ...init }));
    return (answer.results as readonly Json[]).map(({ webhook_id, delivery }) => [
      webhook_id,
      (delivery as Json).status,
    ]);
  };
  expect(await results({})).toEqual([
    [one.id, 'succeeded'],
    [two.id, 'succeeded'],
  ]);
  test.clock.advance(1);
  test.http.status = 500;
  expect(await results({ json: { webhook_id: two.id } })).toEqual([[two.id, 'failed']]);
  const [newest] = await deliveries(two.id);
  expect(newest).toMatchObject({ type: 'webhook.test', attempts_total: 1, response_status: 500 });
  const again = `/webhooks/${String(two.id)}/deliveries/${String(newest?.id)}/redeliver`;
  const expired = await test.send(again, { key, method: 'POST' });
  expect([expired.status, await codeOf(expired)]).toEqual([410, 'expired']);
  const unknown = await test.send('/webhooks/test', { key, json: { webhook_id: 'x' } });
  expect(unknown.status).toBe(404);
});

it('has its deliveries by page and status, and sends one again unless it is not active', async () => {
  const made = await make({ retry: { max_retries: 0, delay_s: 1 } });
  for (let at = 0; at < 3; at++) {
    test.clock.advance(1_000);
    test.http.status = at === 1 ? 500 : 200;
    await anomaly(`a${at}`);
    await untilDelivered(made.id, { status: at === 1 ? 'failed' : 'succeeded', attempts_total: 1 });
    await vi.waitFor(async () => expect((await deliveries(made.id)).length).toBe(at + 1), PATIENTLY);
  }
  const first = await json(await test.send(`/webhooks/${String(made.id)}/deliveries?limit=2`, { key }));
  expect((first.deliveries as readonly Json[]).length).toBe(2);
  const rest = await deliveries(made.id, `?limit=2&cursor=${String(first.next_cursor)}`);
  expect(rest.length).toBe(1);
  const [failed, ...others] = await deliveries(made.id, '?status=failed');
  expect([others, failed?.response_status]).toEqual([[], 500]);
  const again = `/webhooks/${String(made.id)}/deliveries/${String(failed?.id)}/redeliver`;
  const accepted = await test.send(again, { key, method: 'POST' });
  expect([accepted.status, (await json(accepted)).status]).toEqual([202, 'pending']);
  await vi.waitFor(async () => expect(await deliveries(made.id, '?status=failed')).toEqual([]), PATIENTLY);
  await vi.waitFor(
    async () => expect((await deliveries(made.id, '?status=succeeded')).length).toBe(3),
    PATIENTLY,
  );
  await test.send(`/webhooks/${String(made.id)}`, { key, method: 'PATCH', json: { active: false } });
  const refused = await test.send(again, { key, method: 'POST' });
  expect([refused.status, await codeOf(refused)]).toEqual([409, 'wrong_state']);
  expect((await test.send(`/webhooks/${String(made.id)}`, { key, method: 'DELETE' })).status).toBe(204);
  expect((await test.send(`/webhooks/${String(made.id)}/deliveries`, { key })).status).toBe(404);
});
