import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { codeOf, orderEvent, startTestApi, type TestApi } from '../../fixture-api.ts';

let test: TestApi;
let key: string;

beforeEach(async () => {
  test = await startTestApi();
  key = await test.key('admin');
});
afterEach(() => test.close());

const RANGE = { start: '2025-08-01T00:00:00Z', end: '2025-08-31T23:59:59Z' };

interface Answer {
  readonly query_id: string;
  readonly restatements: readonly {
    readonly time: string;
    readonly causes: readonly { readonly event_id: string; readonly delta: object }[];
  }[];
  readonly next_cursor: string | null;
}

async function send(...events: unknown[]): Promise<void> {
  const response = await test.send('/ingest', { key, json: events });
  expect(await response.json()).toMatchObject({ rejected: [] });
  await test.apply();
}

const pathOf = (members: Readonly<Record<string, string>>): string =>
  `/restatements?${new URLSearchParams({ ...RANGE, metrics: 'orders_count,revenue_net', ...members })}`;

async function ask(members: Readonly<Record<string, string>>, of = key): Promise<Answer> {
  const response = await test.send(pathOf(members), { key: of });
  expect(response.status).toBe(200);
  return (await response.json()) as Answer;
}

/** A report over two days, as a client asks for it. */
async function report() {
  const json = { metrics: ['orders_count', 'revenue_net'], ...RANGE, granularity: '1d' };
  const response = await test.send('/kpis/query', { key, json });
  const { query_id, meta } = (await response.json()) as {
    readonly query_id: string;
    readonly meta: { readonly complete_until: string };
  };
  return { since: query_id, complete_until: meta.complete_until };
}

const order = (n: number, day: number, amount: number) =>
  orderEvent(`e${n}`, {
    ...{ order_id: `o${n}`, time: `2025-08-${String(day).padStart(2, '0')}T10:00:00Z` },
    ...{ amount, currency: 'GBP' },
  });

describe('GET /restatements', () => {
  it('names what changed since a report, by which events, page by page of one state', async () => {
    await send(order(1, 3, 1_000), order(2, 4, 2_000), order(3, 30, 3_000));
    const since = await report();
    expect(await ask(since)).toMatchObject({ restatements_total: 0, restatements: [], next_cursor: null });
    const refund = { event_id: 'r2', type: 'refund.issued', time: '2025-08-04T12:00:00Z', order_id: 'o2' };
    await send(order(4, 3, 500), { ...refund, amount: 300, currency: 'GBP' });
    await send({ event_id: 't', type: 'event.retracted', time: '2025-08-31T08:00:00Z', retracts: ['e1'] });
    const first = await ask({ ...since, limit: '1' });
    expect(first).toMatchObject({
      ...{ restatements_total: 2, open_total: 0 },
      restatements: [
        {
          ...{ time: '2025-08-03T00:00:00Z', currency: 'GBP', causes_total: 2 },
          before: { orders_count: 1, revenue_net: 1_000 },
          after: { orders_count: 1, revenue_net: 500 },
          delta: { orders_count: 0, revenue_net: -500 },
          causes: [
            { event_id: 'e4', order_id: 'o4', type: 'order.created', delta: { revenue_net: 500 } },
            { event_id: 't', order_id: null, type: 'event.retracted', delta: { revenue_net: -1_000 } },
          ],
        },
      ],
    });
    await send(order(5, 4, 70));
    const second = await ask({ ...since, limit: '1', cursor: first.next_cursor ?? '' });
    expect(second).toMatchObject({
      next_cursor: null,
      restatements: [{ time: '2025-08-04T00:00:00Z', delta: { revenue_net: -300 } }],
    });
    expect(await ask({ since: second.query_id, complete_until: since.complete_until })).toMatchObject({
      restatements: [{ causes: [{ event_id: 'e5' }] }],
    });
  });

  it('masks ids of events for whom they are masked', async () => {
    await send(order(1, 3, 1_000), order(3, 30, 3_000));
    const since = await report();
    await send(order(4, 3, 500));
    const json = { pii_fields: ['order_id', 'amount'] };
    expect((await test.send('/settings', { method: 'PATCH', key, json })).status).toBe(200);
    const viewer = await test.key('viewer');
    const [bucket] = (await ask(since, viewer)).restatements;
    // What one event changed of money is its amount.
    expect(bucket?.causes).toMatchObject([{ event_id: 'e4', order_id: '***' }]);
    expect(bucket?.causes[0]?.delta).toEqual({ orders_count: 1 });
  });

  it('refuses what is wrong by name', async () => {
    await send(order(1, 3, 1_000));
    const { since } = await report();
    const refused = async (members: Readonly<Record<string, string>>) =>
      codeOf(await test.send(pathOf({ since, ...members }), { key }));
    expect(await refused({ metrics: 'aov' })).toBe('validation_failed');
    expect(await refused({ since: 'yesterday' })).toBe('validation_failed');
    expect(await refused({ since: 'q_nothing' })).toBe('unknown_query_id');
    expect(await refused({ since: '99' })).toBe('position_ahead');
    expect(await refused({ limit: '100', causes: '100' })).toBe('validation_failed');
    expect(await refused({ cursor: 'x' })).toBe('invalid_cursor');
    expect(await refused({ end: '2025-07-01T00:00:00Z' })).toBe('invalid_range');
  });
});
