import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { codeOf, orderEvent, PATIENTLY, startTestApi, type TestApi } from '../../fixture-api.ts';

let test: TestApi;
let key: string;

beforeEach(async () => {
  test = await startTestApi();
  key = await test.key('admin');
});
afterEach(() => test.close());

const HOUR_MS = 3_600_000;
const FIRST_MS = Date.UTC(2025, 7, 27);
const RULE = { metric: 'revenue', window: '1h', method: 'zscore', sensitivity: 0.99 };

/** Orders of three hours each day and night, one an hour of a little more than ten pounds; another amount in some. */
async function shop(from: number, to: number, other: Readonly<Record<number, number>> = {}): Promise<void> {
  const events = Array.from({ length: (to - from) * 4 }, (_, at) => {
    const hour = from + Math.floor(at / 4);
    const time_ms = FIRST_MS + hour * HOUR_MS + (at % 4) * 900_000;
    const amount = other[hour] ?? 1_000 + ((hour * 7 + at) % 13) * 10;
    return orderEvent(`o-${hour}-${at % 4}`, { time: new Date(time_ms).toISOString(), amount });
  });
  const sent = await test.send('/ingest', { key, json: events });
  expect(sent.status).toBe(202);
  await test.apply();
}

async function json<T>(path: string, init: Parameters<TestApi['send']>[1] = {}): Promise<T> {
  const response = await test.send(path, { key, ...init });
  expect([path, response.status]).toEqual([path, expect.toSatisfy((status: number) => status < 300)]);
  return (await response.json()) as T;
}

interface RuleView {
  readonly id: string;
  readonly name: string;
  readonly since: string;
  readonly state: { readonly status: string };
}
interface Anomaly {
  readonly id: string;
  readonly start: string;
  readonly state: string;
  readonly status: string;
  readonly direction: string;
  readonly metric: string;
  readonly severity: string;
  readonly detected_at: string;
  readonly expected: number;
  readonly value: number;
  readonly text: string;
}
interface Found {
  readonly anomalies: readonly Anomaly[];
  readonly next_cursor: string | null;
}

const since = (hour: number): string => new Date(FIRST_MS + hour * HOUR_MS).toISOString();

async function watched(rule: object): Promise<RuleView> {
  const made = await json<RuleView>('/anomalies/register', { json: rule });
  return await vi.waitFor(async () => {
    await test.apply();
    const now = await json<RuleView>(`/anomalies/${made.id}`);
    expect(now.state.status).toBe('watching');
    return now;
  }, PATIENTLY);
}

describe('rules on anomalies', () => {
  it('are made, read, changed and deleted at both paths', async () => {
    await shop(0, 4);
    const made = await watched(RULE);
    expect(made).toMatchObject({
      ...RULE,
      name: 'revenue, 1h',
      since: '2025-09-01T12:00:00.000Z',
      timezone: 'UTC',
    });
    const second = await json<RuleView>('/anomalies/rules', { json: RULE });
    expect(second.name).toBe('revenue, 1h (2)');
    const { rules } = await json<{ rules: readonly RuleView[] }>('/anomalies/rules');
    expect(rules.map(({ id }) => id).sort()).toEqual([made.id, second.id].sort());
    const patched = await json<{ sensitivity: number; since: string }>(`/anomalies/${made.id}`, {
      ...{ method: 'PATCH', json: { sensitivity: 0.98 } },
    });
    expect(patched).toMatchObject({ sensitivity: 0.98, since: made.since });
    for (const { id } of rules)
      expect((await test.send(`/anomalies/${id}`, { key, method: 'DELETE' })).status).toBe(204);
    expect((await test.send(`/anomalies/rules/${made.id}`, { key })).status).toBe(404);
  });

  it('are refused where they cannot be', async () => {
    for (const [member, value] of Object.entries({
      metric: 'nothing',
      filters: { sku: 'a' },
      timezone: 'Mars/Base',
      group_by: ['nothing'],
      window: '1w',
      sensitivity: 1,
    })) {
      const response = await test.send('/anomalies/register', { key, json: { ...RULE, [member]: value } });
      expect([member, response.status, await codeOf(response)]).toEqual([member, 422, 'validation_failed']);
    }
    const distinct = await test.send('/anomalies/register', {
      key,
      json: { ...RULE, metric: 'customers_active' },
    });
    expect(distinct.status).toBe(422);
    const viewer = await test.key('viewer');
    expect((await test.send('/anomalies/register', { key: viewer, json: RULE })).status).toBe(403);
  });
});

/** The business API says the same of them in its own form: currencies in lower case, deviations as fractions. */
async function expectInBusiness({ anomalies }: Found): Promise<void> {
  const { anomalies: said } = await json<{ anomalies: readonly { readonly description: string }[] }>(
    '/api/analytics/anomalies?severity=low',
  );
  const wanted = anomalies.map(({ metric, severity, detected_at, expected, value, text }) => ({
    ...{ metric, severity, detectedAt: detected_at, expected, actual: value, currency: 'gbp' },
    ...{ deviation: (value - expected) / expected, description: text },
  }));
  // Both were found at one time.
  const byText = <T extends { readonly description: string }>(all: readonly T[]): readonly T[] =>
    all.toSorted((a, b) => (a.description < b.description ? -1 : 1));
  expect(byText(said)).toEqual(byText(wanted));
  expect(said.length).toBeGreaterThan(1);
}

describe('what rules find', () => {
  it('is listed by pages and filters, marked by users, and forgotten where it was a false alarm', async () => {
    await shop(0, 96, { 60: 90, 90: 9_000 });
    const rule = await watched({ ...RULE, since: since(48) });
    const all = await json<Found>('/anomalies/history');
    expect(all.anomalies.map(({ start, direction }) => [start, direction])).toEqual([
      [since(90).replace('.000Z', 'Z'), 'high'],
      [since(60).replace('.000Z', 'Z'), 'low'],
    ]);
    await expectInBusiness(all);
    const first = await json<Found>('/anomalies?limit=1');
    expect(first.anomalies).toEqual(all.anomalies.slice(0, 1));
    const second = await json<Found>(`/anomalies?limit=1&cursor=${first.next_cursor}`);
    expect(second).toEqual({ anomalies: all.anomalies.slice(1), next_cursor: null });
    expect((await test.send(`/anomalies?cursor=${first.next_cursor}&metric=x`, { key })).status).toBe(422);
    const [spike, drop] = all.anomalies as [Anomaly, Anomaly];
    const patch = (id: string, body: object) =>
      json<Anomaly>(`/anomalies/${id}`, { method: 'PATCH', json: body });
    expect(await patch(drop.id, { status: 'acknowledged', note: 'seen' })).toMatchObject({
      status: 'acknowledged',
      note: 'seen',
    });
    expect(await patch(drop.id, { status: 'resolved' })).toMatchObject({ status: 'resolved', note: 'seen' });
    expect(await patch(spike.id, { status: 'false_alarm' })).toMatchObject({ status: 'false_alarm' });
    await vi.waitFor(async () => {
      await test.apply();
      expect((await json<Anomaly>(`/anomalies/${spike.id}`)).state).toBe('retracted');
    }, PATIENTLY);
    expect((await json<Found>('/anomalies?status=resolved')).anomalies.map(({ id }) => id)).toEqual([
      drop.id,
    ]);
    expect((await json<Found>(`/anomalies?rule_id=${rule.id}&state=ended`)).anomalies).toHaveLength(1);
    const other = await test.key('admin', { tenant: 'other' });
    expect((await test.send(`/anomalies/${drop.id}`, { key: other })).status).toBe(404);
    expect(
      (await test.send(`/anomalies/${drop.id}`, { key, method: 'PATCH', json: { status: 'x' } })).status,
    ).toBe(422);
  });

  it('is what a scan and a preview say, and what the stream sends, again from where a client was', async () => {
    await shop(0, 96, { 60: 90, 90: 9_000 });
    await watched({ ...RULE, since: since(48) });
    const live = (await json<Found>('/anomalies')).anomalies.map(({ id }) => id.split('_')[1]).sort();
    const rule = { ...RULE };
    const scan = await json<Found & { windows: readonly unknown[] }>('/anomalies/scan', {
      json: { rule, start: since(48), end: since(96), scores: true },
    });
    expect(scan.anomalies.map(({ id }) => id.split('_')[1]).sort()).toEqual(live);
    expect(scan.windows).toHaveLength(47);
    const job = await json<{ job_id: string }>('/anomalies/scan?async=true', {
      json: { rule, start: since(48), end: since(96), scores: true },
    });
    await vi.waitFor(async () => {
      expect((await json<{ status: string }>(`/jobs/${job.job_id}`)).status).toBe('succeeded');
    }, PATIENTLY);
    const stored = await json<Found>(`/jobs/${job.job_id}/result`);
    expect(stored.anomalies).toEqual(scan.anomalies);
    const preview = await json<Found>('/anomalies/preview', { json: { rule, days: 4 } });
    expect(preview.anomalies.map(({ id }) => id.split('_')[1]).sort()).toEqual(live);
    const neither = await test.send('/anomalies/scan', { key, json: { start: since(0), end: since(1) } });
    expect(neither.status).toBe(422);
    const all = await eventsOf(2, { 'last-event-id': '0' });
    expect(all.map(({ type }) => type)).toEqual(['anomaly.detected', 'anomaly.detected']);
    expect(await eventsOf(1, { 'last-event-id': String(all[0]?.id) })).toEqual(all.slice(1));
    expect(await eventsOf(1, { 'last-event-id': '0' }, '?severity=high&metric=revenue')).toHaveLength(1);
  });
});

/** The first events of the stream of anomalies. */
async function eventsOf(count: number, headers: Record<string, string>, query = '') {
  const response = await test.send(`/anomalies/stream${query}`, { key, headers });
  expect(response.headers.get('content-type')).toContain('text/event-stream');
  const reader = response.body?.getReader();
  let text = '';
  while ((text.match(/^data: /gm) ?? []).length < count) {
    const { value, done } = (await reader?.read()) ?? { done: true, value: undefined };
    if (done) throw new Error(`the stream ended after ${text}`);
    text += new TextDecoder().decode(value);
  }
  await reader?.cancel();
  const ids = [...text.matchAll(/^id: (\d+)$/gm)].map(([, id]) => Number(id));
  return [...text.matchAll(/^data: (.*)$/gm)]
    .slice(0, count)
    .map(([, data], at) => ({ ...(JSON.parse(data ?? '') as { type: string }), id: ids[at] }));
}
