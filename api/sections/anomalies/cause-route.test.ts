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
const timeOf = (hour: number): string => new Date(FIRST_MS + hour * HOUR_MS).toISOString();
const CHANNELS = ['web', 'app', 'shop'];
const PAYMENTS = ['card', 'invoice', 'wallet'];
const ORDERS = 4;
const ORDERS_HIT = 24;
const HIT = 90;

function ordersOf(hour: number, channel: string, payment: string): number {
  if (channel !== 'app' || payment !== 'wallet') return ORDERS;
  return hour === HIT ? 0 : ORDERS_HIT;
}

/** Orders of each channel and way to pay, most of one of them; in one hour none of that. */
function shop(): object[] {
  const events: object[] = [];
  for (let hour = 0; hour < 96; hour++)
    for (const [at, channel] of CHANNELS.entries())
      for (const [pay, payment_method] of PAYMENTS.entries()) {
        const orders = ordersOf(hour, channel, payment_method);
        for (let order = 0; order < orders; order++) {
          const time = new Date(
            FIRST_MS + (hour + (order + (at * 3 + pay) / 9) / orders) * HOUR_MS,
          ).toISOString();
          const amount = 1_000 + ((hour * 7 + order + at * 3) % 13) * 10;
          events.push(
            orderEvent(`o-${hour}-${at}-${pay}-${order}`, { time, amount, channel, payment_method }),
          );
        }
      }
  return events;
}

async function json<T>(path: string, init: Parameters<TestApi['send']>[1] = {}): Promise<T> {
  const response = await test.send(path, { key, ...init });
  if (response.status >= 300) throw new Error(`${path}: ${await response.text()}`);
  return (await response.json()) as T;
}

interface Causes {
  readonly actual: number;
  readonly expected: number;
  readonly compared_with: readonly string[];
  readonly causes: readonly {
    readonly where: object;
    readonly actual: number;
    readonly expected: number;
    readonly share: number;
  }[];
  readonly unexplained: number;
  readonly explain: { readonly events: { readonly body: object } };
}

/** The likely cause follows the anomaly in the stream, under its id and revision. */
async function isTold(id: string, share: number): Promise<void> {
  const { anomalies } = test.ports;
  const messages: Record<string, unknown>[] = [];
  for (let at = 0; at < ((await anomalies?.last()) ?? 0); at++) {
    const message = await anomalies?.next('default', at, new AbortController().signal);
    messages.push(JSON.parse(Buffer.from(message?.data ?? []).toString()) as Record<string, unknown>);
  }
  const detected = messages.find((message) => message.id === id && message.type === 'anomaly.detected');
  const data = Buffer.from(JSON.stringify(detected));
  await test.anomalies.append({ subject: 'anomalies.default.revenue.high', id: 'm-1', data });
  const found = await anomalies?.next('default', messages.length, AbortSignal.timeout(60_000));
  const explained = JSON.parse(Buffer.from(found?.data ?? []).toString()) as Record<string, unknown>;
  expect(explained).toMatchObject({
    ...{ ...detected, type: 'anomaly.explained' },
    likely_cause: { where: { channel: 'app', payment_method: 'wallet' }, share },
  });
  const { text } = explained.likely_cause as { text: string };
  expect(text).toBe(`channel app, payment_method wallet (${Math.round(share * 100)} % of the change)`);
}

describe('what an anomaly comes from', () => {
  it('is named with its share, and its numbers are those of the KPIs', async () => {
    const events = shop();
    for (let from = 0; from < events.length; from += 1_000)
      expect((await test.send('/ingest', { key, json: events.slice(from, from + 1_000) })).status).toBe(202);
    await test.apply();
    const rule = await json<{ id: string }>('/anomalies/register', {
      json: {
        ...{ metric: 'revenue', window: '1h', method: 'zscore', sensitivity: 0.99, since: timeOf(48) },
      },
    });
    const id = await vi.waitFor(
      async () => {
        await test.apply();
        const { anomalies } = await json<{ anomalies: { id: string; start: string }[] }>('/anomalies');
        expect(anomalies[0]?.start).toBe(timeOf(HIT).replace('.000Z', 'Z'));
        return anomalies[0]?.id as string;
      },
      { ...PATIENTLY, interval: 500 },
    );
    const found = await json<Causes>('/anomalies/root-cause?explain=true', { json: { anomaly_id: id } });
    expect(found.compared_with).toHaveLength(3);
    expect(found.causes).toMatchObject([{ where: { channel: 'app', payment_method: 'wallet' }, actual: 0 }]);
    const [cause] = found.causes;
    expect(cause?.share).toBeCloseTo((cause?.expected as number) / (found.expected - found.actual), 9);
    expect(found.unexplained).toBeCloseTo(1 - (cause?.share as number), 9);
    expect(Math.abs(found.unexplained)).toBeLessThan(0.3);
    await isTold(id, cause?.share as number);
    const query = { metrics: ['revenue', 'orders_count'], start: timeOf(HIT), end: timeOf(HIT + 1) };
    const kpis = await json<{ groups: { totals: Record<string, number> }[] }>('/kpis/query', { json: query });
    expect(kpis.groups[0]?.totals.revenue).toBe(found.actual);
    const behind = await json<{ events: unknown[] }>('/events/search', { json: found.explain.events.body });
    expect(behind.events).toHaveLength((CHANNELS.length * PAYMENTS.length - 1) * ORDERS);
    const one = { anomaly_id: id, dimensions: ['channel'] };
    const narrow = await json<Causes>('/anomalies/root-cause', { json: one });
    expect(narrow.causes).toMatchObject([{ where: { channel: 'app' } }]);
    expect((await test.send(`/anomalies/${rule.id}`, { key, method: 'DELETE' })).status).toBe(204);
    const gone = await test.send('/anomalies/root-cause', { key, json: one });
    expect([gone.status, await codeOf(gone)]).toEqual([404, 'not_found']);
  });

  it('is refused for an anomaly that is not there, and for dimensions that are none', async () => {
    await test.apply();
    const none = await test.send('/anomalies/root-cause', { key, json: { anomaly_id: 'anomaly_1' } });
    expect([none.status, await codeOf(none)]).toEqual([404, 'not_found']);
    const json = { anomaly_id: 'anomaly_1', dimensions: ['nothing'] };
    const bad = await test.send('/anomalies/root-cause', { key, json });
    expect([bad.status, await codeOf(bad)]).toEqual([422, 'validation_failed']);
  });

  it('never adds money of several currencies', async () => {
    const events = [0, 1, 2, 3].flatMap((day) =>
      ['GBP', 'EUR'].map((currency) =>
        orderEvent(`m-${day}-${currency}`, { time: timeOf(day * 24 + 1), amount: 1_000, currency }),
      ),
    );
    expect((await test.send('/ingest', { key, json: events })).status).toBe(202);
    await test.apply();
    const asked = { rule: { metric: 'revenue', window: '1d' }, start: timeOf(3 * 24) };
    const both = await test.send('/anomalies/root-cause', { key, json: asked });
    expect([both.status, await codeOf(both)]).toEqual([422, 'currency_required']);
    const one = await json<Causes>('/anomalies/root-cause', { json: { ...asked, currency: 'GBP' } });
    expect(one).toMatchObject({ actual: 1_000, expected: 1_000, causes: [] });
  });
});
