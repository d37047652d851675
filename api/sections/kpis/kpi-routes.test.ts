import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { codeOf, orderEvent, startTestApi, TEST_NOW_MS, type TestApi } from '../../fixture-api.ts';

let test: TestApi;
let key: string;

beforeEach(async () => {
  test = await startTestApi();
  key = await test.key('admin');
});
afterEach(() => test.close());

const QUERY = {
  metrics: ['orders_count', 'revenue_gross'],
  start: '2025-09-01T00:00:00Z',
  end: '2025-09-01T23:59:59Z',
  granularity: '1d',
  group_by: ['country'],
};

interface KpiAnswer {
  query_id: string;
  groups: {
    key: Record<string, string>;
    buckets: Record<string, unknown>[];
    totals: Record<string, number>;
  }[];
  calculated_at: string;
  meta: Record<string, unknown> & { position: Record<string, Record<string, number>> };
}

async function ingest(...events: unknown[]): Promise<Record<string, Record<string, number>>> {
  const response = await test.send('/ingest', { key, json: events });
  return ((await response.json()) as { position: Record<string, Record<string, number>> }).position;
}

async function query(json: object): Promise<KpiAnswer> {
  const response = await test.send('/kpis/query', { key, json });
  expect(response.status).toBe(200);
  return (await response.json()) as KpiAnswer;
}

describe('POST /kpis/query', () => {
  it('answers groups, buckets and all of meta, from one commit', async () => {
    await ingest(orderEvent('e1'), orderEvent('e2', { country: 'DE', amount: 250 }), orderEvent('e1'));
    await test.apply();
    test.clock.advance(140);
    const answer = await query(QUERY);
    expect(answer).toEqual({
      query_id: expect.stringMatching(/^q_/),
      groups: [
        {
          key: { country: 'DE' },
          buckets: [{ time: '2025-09-01T00:00:00Z', incomplete: true, orders_count: 1, revenue_gross: 250 }],
          totals: { orders_count: 1, revenue_gross: 250 },
        },
        {
          key: { country: 'GB' },
          buckets: [
            { time: '2025-09-01T00:00:00Z', incomplete: true, orders_count: 1, revenue_gross: 1_000 },
          ],
          totals: { orders_count: 1, revenue_gross: 1_000 },
        },
      ],
      groups_total: 2,
      truncated: false,
      currency: 'GBP',
      calculated_at: '2025-09-01T12:00:00.140Z',
      meta: {
        generation: 1,
        position: { EVENTS: { '0': 2 } },
        watermark: '2025-09-01T09:59:30Z',
        complete_until: '2025-09-01T09:59:30Z',
        staleness_ms: 0,
        lag_messages: 0,
        late_events: 0,
        source: 'rollup:country@1d',
        approximate: [],
        resolved_range: { start: '2025-09-01T00:00:00Z', end: '2025-09-02T00:00:00Z' },
        timezone: 'UTC',
        granularity: '1d',
        warnings: [],
      },
    });
  });

  it('puts the day before beside a day, and the groups beyond the limit together', async () => {
    await ingest(
      orderEvent('e1'),
      orderEvent('e2', { country: 'DE', amount: 250 }),
      orderEvent('e3', { country: 'FR', amount: 50 }),
      orderEvent('e4', { amount: 500, time: '2025-08-31T10:00:00Z' }),
    );
    await test.apply();
    const more = { compare: 'previous_period', order_by: { metric: 'revenue_gross' }, limit: 1, other: true };
    const answer = await query({ ...QUERY, ...more });
    expect(answer).toMatchObject({
      ...{ groups_total: 3, truncated: true },
      groups: [
        {
          key: { country: 'GB' },
          buckets: [
            {
              ...{ time: '2025-09-01T00:00:00Z', revenue_gross: 1_000 },
              previous: { time: '2025-08-31T00:00:00Z', orders_count: 1, revenue_gross: 500 },
              delta: { orders_count: 0, revenue_gross: 500 },
              delta_pct: { orders_count: 0, revenue_gross: 100 },
            },
          ],
          previous_totals: { orders_count: 1, revenue_gross: 500 },
        },
        {
          ...{ key: { country: '__other__' }, others: 2, totals: { orders_count: 2, revenue_gross: 300 } },
          ...{ delta: { revenue_gross: 300 }, delta_pct: { revenue_gross: null } },
        },
      ],
    });
    const response = await test.send('/kpis/query', {
      key,
      json: { ...QUERY, order_by: { metric: 'aov' } },
    });
    expect(await codeOf(response)).toBe('validation_failed');
  });

  it('keeps tenants apart', async () => {
    await ingest(orderEvent('e1'));
    await test.apply();
    const other = await test.key('viewer', { tenant: 'other' });
    const response = await test.send('/kpis/query', { key: other, json: QUERY });
    expect(await response.json()).toMatchObject({ groups: [], meta: { position: { EVENTS: { '0': 1 } } } });
  });

  it('counts late events', async () => {
    await ingest(orderEvent('e1', { time: '2025-09-01T11:00:00Z' }));
    await test.apply();
    await ingest(orderEvent('e2', { time: '2025-09-01T01:00:00Z' }));
    await test.apply();
    expect((await query(QUERY)).meta).toMatchObject({ late_events: 1 });
  });

  it('keeps sums beyond 2^53 exact', async () => {
    const amount = Number.MAX_SAFE_INTEGER;
    await ingest(orderEvent('e1', { amount }), orderEvent('e2', { amount }), orderEvent('e3', { amount }));
    await test.apply();
    const text = await (await test.send('/kpis/query', { key, json: QUERY })).text();
    expect(text).toContain(`"revenue_gross":${3n * BigInt(amount)}`);
  });

  it('answers a plan for dry_run, in the body and as a parameter', async () => {
    await ingest(orderEvent('e1'));
    await test.apply();
    const inBody = await test.send('/kpis/query', { key, json: { ...QUERY, dry_run: true } });
    expect(await inBody.json()).toMatchObject({ dry_run: true, plan: { cube: 'country', buckets: 1 } });
    const asParameter = await test.send('/kpis/query?dry_run=true', { key, json: QUERY });
    expect(await asParameter.json()).toMatchObject({ dry_run: true, meta: { source: 'rollup:country@1d' } });
  });

  it.each([
    ['no metrics', { ...QUERY, metrics: [] }, 'validation_failed'],
    ['an unknown member', { ...QUERY, gruop_by: [] }, 'validation_failed'],
    ['an unknown metric', { ...QUERY, metrics: ['x'] }, 'validation_failed'],
    ['a bad time', { ...QUERY, start: 'yesterday' }, 'invalid_range'],
    ['a bad zone', { ...QUERY, timezone: 'Mars/Olympus' }, 'unknown_timezone'],
    ['an aggregation that is none', { ...QUERY, aggregation: 'p90' }, 'aggregation_not_supported'],
    ['a range within a minute', { ...QUERY, start: '2025-09-01T00:00:30Z' }, 'range_not_aligned'],
    ['too much', { ...QUERY, start: '2000-01-01T00:00:00Z', granularity: '1m' }, 'too_many_points'],
    ['another stream', { ...QUERY, min_position: { ORDERS: { 0: 1 } } }, 'position_unknown'],
    ['no object', [], 'validation_failed'],
    ['null', null, 'validation_failed'],
  ])('refuses %s with 422 and says where', async (_, json, code) => {
    const response = await test.send('/kpis/query', { key, json });
    expect(response.status).toBe(422);
    const problem = (await response.json()) as { code: string; detail: string };
    expect(problem.code).toBe(code);
    expect(problem.detail).not.toBe('');
  });

  it.each([
    [{ gruop_by: [] }, 'Unrecognized key: "gruop_by"; there are: metrics, start, end, granularity'],
    [{ filters: { nation: 'GB' } }, 'filters: Unrecognized key: "nation"; there are: channel, country'],
    [{ filters: { country: { nor: 'GB' } } }, 'filters.country: must be a text'],
    [{ as_of: 'q_1' }, 'as_of: must be a position such as'],
  ])('says of %o what there is instead', async (members, detail) => {
    const response = await test.send('/kpis/query', { key, json: { ...QUERY, ...members } });
    expect(((await response.json()) as { detail: string }).detail).toContain(detail);
  });

  it('answers by a scan what no cube has, and any granularity of any time', async () => {
    await ingest(orderEvent('e1', { warehouse: 'w' }), orderEvent('e2', { time: '2020-01-01T10:30:00Z' }));
    await test.apply();
    const scanned = await query({ ...QUERY, group_by: ['country', 'warehouse', 'campaign'] });
    expect(scanned.meta).toMatchObject({ source: 'scan' });
    expect(scanned.groups.map(({ key, totals }) => [key, totals])).toEqual([
      [
        { country: 'GB', warehouse: 'w', campaign: null },
        { orders_count: 1, revenue_gross: 1_000 },
      ],
    ]);
    const old = { start: '2020-01-01T10:00:00Z', end: '2020-01-01T11:00:00Z', granularity: '1m' };
    const minutes = await query({ ...QUERY, ...old });
    const counts = minutes.groups[0]?.buckets.map(({ orders_count }) => orders_count);
    expect(counts).toEqual(Array.from({ length: 60 }, (_, minute) => (minute === 30 ? 1 : 0)));
  });

  it('refuses a conversion without a rate, and rows that are no longer kept', async () => {
    await ingest(orderEvent('e1'));
    await test.apply();
    const refused = async (of: TestApi, key: string, json: object) =>
      codeOf(await of.send('/kpis/query', { key, json }));
    expect(await refused(test, key, { ...QUERY, currency: 'USD' })).toBe('fx_rate_missing');
    const forgetting = await startTestApi({ RETENTION_DAYS: '1' });
    const other = await forgetting.key('admin');
    const old = orderEvent('old', { time: '2025-08-20T10:00:00Z' });
    for (const events of [[old, orderEvent('e1')], [orderEvent('e2')]]) {
      await forgetting.send('/ingest', { key: other, json: events });
      await forgetting.apply();
    }
    const scan = { ...QUERY, start: '2025-08-20T00:00:00Z', filters: { status: null } };
    expect(await refused(forgetting, other, scan)).toBe('behind_retention');
    await forgetting.close();
  });

  it('answers 503 before the state can be read', async () => {
    test.stateReady = false;
    const response = await test.send('/kpis/query', { key, json: QUERY });
    expect([response.status, await codeOf(response)]).toEqual([503, 'state_not_ready']);
  });

  it('answers zeros before the first event', async () => {
    const { groups, meta } = await query({ ...QUERY, group_by: [] });
    expect(groups[0]?.totals).toEqual({ orders_count: 0, revenue_gross: 0 });
    expect(meta).toMatchObject({ watermark: null, complete_until: null, position: { EVENTS: { '0': 0 } } });
  });
});

describe('GET /kpis/summary', () => {
  it('compares with the period before', async () => {
    await ingest(orderEvent('e1'), orderEvent('e2', { time: '2025-08-31T10:00:00Z', amount: 500 }));
    await test.apply();
    const today = (await (await test.send('/kpis/summary', { key })).json()) as {
      query_id: string;
      kpis: Record<string, unknown>;
      currencies: unknown[];
    };
    const as_of = { query_id: today.query_id };
    const pinned = await test.send('/kpis/query', { key, json: { ...QUERY, as_of } });
    expect([pinned.status, await pinned.clone().text()]).toEqual([200, expect.any(String)]);
    expect(today).toMatchObject({
      range: { start: '2025-09-01T00:00:00Z', end: '2025-09-01T12:01:00Z' },
      kpis: { orders_count: { current: 1, previous: 1, delta: 0 } },
      currencies: [
        { currency: 'GBP', kpis: { revenue_gross: { current: 1_000, previous: 500, delta_pct: 100 } } },
      ],
      meta: { granularity: 'total', timezone: 'UTC' },
    });
    const range = 'start=2025-09-01T00:00:00%2B02:00&end=2025-09-02T00:00:00%2B02:00&timezone=Europe/Berlin';
    expect(await (await test.send(`/kpis/summary?${range}`, { key })).json()).toMatchObject({
      meta: { timezone: 'Europe/Berlin' },
    });
  });

  it.each([
    ['an unknown parameter', '?begin=x', 'validation_failed'],
    ['a repeated parameter', '?timezone=UTC&timezone=UTC', 'validation_failed'],
    ['half a range', '?start=2025-09-01T00:00:00Z', 'invalid_range'],
    ['a bad position', '?min_position=x', 'validation_failed'],
  ])('refuses %s', async (_, search, code) => {
    const response = await test.send(`/kpis/summary${search}`, { key });
    expect([response.status, await codeOf(response)]).toEqual([422, code]);
  });
});

describe('POST /kpis/batch', () => {
  it('answers each query, and says of each what is wrong with it', async () => {
    await ingest(orderEvent('e1'));
    await test.apply();
    const json = {
      queries: [
        { id: 'a', ...QUERY },
        { id: 'b', ...QUERY, timezone: 'Mars/Olympus' },
        { id: 'c', metrics: ['x'] },
      ],
    };
    const response = await test.send('/kpis/batch', { key, json });
    expect(response.status).toBe(200);
    expect(await response.json()).toMatchObject({
      results: [
        { id: 'a', groups: [{ totals: { orders_count: 1 } }], meta: { position: { EVENTS: { '0': 1 } } } },
        { id: 'b', problem: { status: 422, code: 'unknown_timezone' } },
        {
          id: 'c',
          problem: { status: 422, errors: [{ path: 'start' }, { path: 'end' }] },
        },
      ],
      calculated_at: new Date(TEST_NOW_MS).toISOString(),
    });
  });

  it.each([
    ['no query', { queries: [] }],
    [
      'an id twice',
      {
        queries: [
          { id: 'a', ...QUERY },
          { id: 'a', ...QUERY },
        ],
      },
    ],
    ['freshness of one query', { queries: [{ id: 'a', ...QUERY, force_fresh: true }] }],
  ])('refuses %s', async (_, json) => {
    const response = await test.send('/kpis/batch', { key, json });
    expect([response.status, await codeOf(response)]).toEqual([422, 'validation_failed']);
  });
});
