import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { MemoryDisk } from '../../../engine/index.ts';
import { Definitions } from '../../../runtime/index.ts';
import { codeOf, orderEvent, PATIENTLY, startTestApi, type TestApi } from '../../fixture-api.ts';

import { createApp } from '../../service.ts';
import { alertKind } from './alert-kind.ts';
import { AlertLog } from './alert-log.ts';
import { AlertWatch } from './alert-watch.ts';

let test: TestApi;
let key: string;

beforeEach(async () => {
  test = await startTestApi();
  key = await test.key('admin');
});
afterEach(() => test.close());

const HOUR_MS = 3_600_000;
const FIRST_MS = Date.UTC(2025, 7, 27);
const since = (hour: number): string => new Date(FIRST_MS + hour * HOUR_MS).toISOString();
const THRESHOLD = { metric: 'orders_count', window: '1h', below: 3 };
const ALERT = { name: 'few orders', condition: { threshold: THRESHOLD }, since: since(0) };

async function json<T>(path: string, init: Parameters<TestApi['send']>[1] = {}): Promise<T> {
  const response = await test.send(path, { key, ...init });
  expect([path, response.status]).toEqual([path, expect.toSatisfy((status: number) => status < 300)]);
  return (await response.json()) as T;
}

interface Notices {
  readonly notices: readonly { readonly id: string; readonly phase: string; readonly time: string }[];
}

/** Four orders in each of 48 hours, one in some. */
async function shop(few: readonly number[]): Promise<void> {
  const events = Array.from({ length: 48 * 4 }, (_, at) => at).flatMap((at) => {
    const hour = Math.floor(at / 4);
    if (few.includes(hour) && at % 4 > 0) return [];
    return [orderEvent(`o-${at}`, { time: new Date(FIRST_MS + at * 900_000).toISOString() })];
  });
  expect((await test.send('/ingest', { key, json: events })).status).toBe(202);
  await test.apply();
}

it('an alert on a threshold tells what its preview says, and a test reaches its channels', async () => {
  const { id: webhook_id } = await json<{ id: string }>('/webhooks', {
    json: { url: 'https://example.com/hook', events: ['export.failed'] },
  });
  const alert = { ...ALERT, channels: [{ type: 'webhook', webhook_id }] };
  const { id } = await json<{ id: string }>('/alerts', { json: alert });
  await shop([10, 11, 30]);
  const live = await vi.waitFor(async () => {
    await test.apply();
    await announce();
    const { notices } = await json<Notices>(`/alerts/${id}/history`);
    expect(notices).toHaveLength(4);
    return [...notices].reverse();
  }, PATIENTLY);
  expect(live.map(({ phase, time }) => [phase, time])).toEqual([
    ['firing', since(11).replace('.000Z', 'Z')],
    ['recovered', since(13).replace('.000Z', 'Z')],
    ['firing', since(31).replace('.000Z', 'Z')],
    ['recovered', since(32).replace('.000Z', 'Z')],
  ]);
  const preview = await json<Notices>('/alerts/preview', { json: { alert_id: id, days: 30 } });
  expect(preview.notices.map(({ id: one }) => one)).toEqual(live.map(({ id: one }) => one));
  const tried = await json<Notices>('/alerts/preview', {
    json: { alert: { condition: { threshold: { ...THRESHOLD, group_by: ['country'] } } }, days: 30 },
  });
  expect(tried.notices).toHaveLength(4);
  const tested = await json<{ channels: readonly string[] }>(`/alerts/${id}/test`, { method: 'POST' });
  expect(tested.channels).toEqual(['webhook']);
});

/** Says to those who tell alerts that an anomaly was found. */
async function announce(): Promise<void> {
  const { anomalies } = await json<{ anomalies: readonly { id: string }[] }>('/anomalies');
  const data = Buffer.from(JSON.stringify({ id: anomalies[0]?.id, revision: 1, kind: 'metric' }));
  const subject = 'anomalies.default.orders_count.high';
  await test.anomalies.append({ subject, id: `m-${++announced}`, data });
}
let announced = 0;

it('several processes tell once, and one whose state is behind takes nothing back', async () => {
  const second = await createApp(test.ports);
  const { id } = await json<{ id: string }>('/alerts', { json: ALERT });
  await shop([10, 43, 44, 45, 46, 47]);
  const history = async (): Promise<readonly string[]> => {
    const { notices } = await json<Notices>(`/alerts/${id}/history`);
    return notices.map(({ phase, time }) => `${phase} ${time}`);
  };
  await vi.waitFor(async () => {
    await test.apply();
    await announce();
    expect(await history()).toHaveLength(3);
  }, PATIENTLY);
  const before = await history();
  const { ports } = test;
  const definitions = new Definitions({ store: test.definitions, clock: test.clock, log: ports.log });
  const tenants = { metricsOf: () => [] };
  const alerts = definitions.kind(alertKind(ports, tenants, () => undefined));
  await definitions.open();
  const reader = new MemoryDisk().reader();
  const told: string[] = [];
  const outbound = {
    notify: (_: string, type: string): Promise<void> => Promise.resolve(void told.push(type)),
  };
  const log = new AlertLog(ports.outbound.deliveries);
  const behind = new AlertWatch({
    ...{ alerts, outbound, log, anomalies: undefined },
    ports: { ...ports, reader: () => ({ generation: 1, reader }) },
  });
  await behind.look('default');
  const same = new AlertWatch({ ...{ ports, alerts, outbound, log }, anomalies: undefined });
  await same.look('default');
  expect([told, await history()]).toEqual([[], before]);
  await definitions.close();
  await second.close();
});

it.each(['deleted', 'disabled'] as const)(
  'one that is %s while it fires says that it is over, once',
  async (how) => {
    const { id: webhook_id } = await json<{ id: string }>('/webhooks', {
      json: { url: 'https://example.com/hook', events: ['export.failed'] },
    });
    const alert = { ...ALERT, channels: [{ type: 'webhook', webhook_id }] };
    const { id } = await json<{ id: string }>('/alerts', { json: alert });
    await shop([44, 45, 46, 47]);
    const sent = () =>
      test.http.posted
        .map(({ body }) => JSON.parse(body) as { type: string; data: Notices['notices'][0] })
        .filter(({ type }) => type.startsWith('alert.'));
    await vi.waitFor(async () => {
      await test.apply();
      await announce();
      expect(sent().map(({ type }) => type)).toEqual(['alert.firing']);
    }, PATIENTLY);
    const change = how === 'deleted' ? { method: 'DELETE' } : { method: 'PATCH', json: { enabled: false } };
    expect((await test.send(`/alerts/${id}`, { key, ...change })).status).toBeLessThan(300);
    await vi.waitFor(
      () => expect(sent().map(({ type }) => type)).toEqual(['alert.firing', 'alert.recovered']),
      PATIENTLY,
    );
    expect(sent()[1]?.data).toMatchObject({ phase: 'recovered', reason: how, incident: sent()[0]?.data.id });
    if (how === 'deleted') return;
    await json(`/alerts/${id}`, { method: 'PATCH', json: { enabled: true } });
    await json(`/alerts/${id}`, { method: 'PATCH', json: { enabled: false } });
    await announce();
    const { notices } = await json<Notices>(`/alerts/${id}/history`);
    expect(notices.map(({ phase }) => phase)).toEqual(['recovered', 'firing']);
  },
);

it('an alert on anomalies of a rule tells what its preview says', async () => {
  const rule = { metric: 'revenue', window: '1h', method: 'zscore', sensitivity: 0.99, since: since(48) };
  const { id: rule_id } = await json<{ id: string }>('/anomalies/register', { json: rule });
  const condition = { anomaly: { metric: 'revenue', direction: 'high' } };
  const { id } = await json<{ id: string }>('/alerts', {
    json: { name: 'much', condition, group_by: [], since: since(48) },
  });
  const amountOf = (hour: number, at: number): number =>
    hour === 60 ? 90 : hour === 90 ? 9_000 : 1_000 + ((hour * 7 + at) % 13) * 10;
  const events = Array.from({ length: 96 * 4 }, (_, at) => {
    const time = new Date(FIRST_MS + at * 900_000).toISOString();
    return orderEvent(`o-${at}`, { time, amount: amountOf(Math.floor(at / 4), at % 4) });
  });
  expect((await test.send('/ingest', { key, json: events })).status).toBe(202);
  const live = await vi.waitFor(async () => {
    await test.apply();
    await announce();
    const { notices } = await json<Notices>(`/alerts/${id}/history`);
    expect(notices).toHaveLength(2);
    return [...notices].reverse();
  }, PATIENTLY);
  expect(live.map(({ phase, time }) => [phase, time])).toEqual([
    ['firing', since(91).replace('.000Z', 'Z')],
    ['recovered', since(95).replace('.000Z', 'Z')],
  ]);
  const preview = await json<Notices>('/alerts/preview', { json: { alert_id: id, days: 4 } });
  expect(preview.notices.map(({ id: one }) => one)).toEqual(live.map(({ id: one }) => one));
  expect(rule_id).toMatch(/^anomaly_rule_/);
});

it('keys of channels are stored encrypted, and never shown again', async () => {
  const channels = [
    { type: 'slack', url: 'https://hooks.example.com/services/T0/B0/secret' },
    { type: 'pagerduty', routing_key: 'K'.repeat(32) },
  ];
  const hidden = [
    { type: 'slack', url: '***' },
    { type: 'pagerduty', routing_key: '***' },
  ];
  const made = await json<{ id: string; channels: object[] }>('/alerts', { json: { ...ALERT, channels } });
  expect(made.channels).toEqual(hidden);
  const patch = { method: 'PATCH', json: { cooldown_seconds: 60 } };
  expect((await json<typeof made>(`/alerts/${made.id}`, patch)).channels).toEqual(hidden);
  const listed = await json<{ alerts: (typeof made)[] }>('/alerts');
  expect(listed.alerts[0]?.channels).toEqual(hidden);
  const stored = JSON.stringify(await test.definitions.get(`def.alert.default.${made.id}`));
  expect(stored).toContain('sealed:v1.');
  expect(stored).not.toMatch(/secret|KKKK/);
  // What is shown is no key, and what was encrypted for another tenant neither.
  for (const other of [hidden, [{ type: 'slack', url: 'sealed:v1.AAAA' }]]) {
    const refused = await test.send(`/alerts/${made.id}`, {
      key,
      method: 'PATCH',
      json: { channels: other },
    });
    expect(refused.status).toBe(422);
  }
  expect((await test.send(`/alerts/${made.id}/test`, { key, method: 'POST' })).status).toBe(202);
  await vi.waitFor(() => {
    const urls = test.http.posted.map(({ url }) => url);
    expect(urls).toContain('https://hooks.example.com/services/T0/B0/secret');
    expect(test.http.posted.some(({ body }) => body.includes('K'.repeat(32)))).toBe(true);
  }, PATIENTLY);
});

it('an alert that cannot be is refused', async () => {
  for (const [path, body] of Object.entries({
    'condition.threshold.metric': { ...ALERT, condition: { threshold: { ...THRESHOLD, metric: 'nothing' } } },
    'condition.threshold.threshold': { ...ALERT, condition: { threshold: { metric: 'orders_count' } } },
    'channels.0.webhook_id': { ...ALERT, channels: [{ type: 'webhook', webhook_id: 'none' }] },
    for_windows: { ...ALERT, for_windows: 0 },
  })) {
    const response = await test.send('/alerts', { key, json: body });
    const problem = (await response.clone().json()) as { errors: readonly { path: string }[] };
    expect([path, response.status, problem.errors[0]?.path]).toEqual([path, 422, path]);
  }
  const mail = { ...ALERT, channels: [{ type: 'email', to: ['a@example.com'] }] };
  const refused = await test.send('/alerts', { key, json: mail });
  expect([refused.status, await codeOf(refused)]).toEqual([422, 'channel_not_configured']);
  const analyst = await test.key('analyst');
  expect((await test.send('/alerts', { key: analyst, json: ALERT })).status).toBe(403);
});
