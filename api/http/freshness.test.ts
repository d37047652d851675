import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { codeOf, orderEvent, startTestApi, type TestApi } from '../fixture-api.ts';

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

describe('freshness', () => {
  it('tells how far behind an answer is, by when it was last complete', async () => {
    await ingest(orderEvent('e1'));
    await test.apply();
    await query(QUERY);
    test.clock.advance(3_000);
    await ingest(orderEvent('e2'), orderEvent('e3'));
    expect((await query(QUERY)).meta).toMatchObject({ lag_messages: 2, staleness_ms: 3_000 });
    await test.apply();
    expect((await query(QUERY)).meta).toMatchObject({ lag_messages: 0, staleness_ms: 0 });
  });

  it('refuses what is older than max_staleness allows, at once', async () => {
    await ingest(orderEvent('e1'));
    await test.apply();
    await query({ ...QUERY, max_staleness: '0ms' });
    test.clock.advance(6_000);
    await ingest(orderEvent('e2'));
    await query({ ...QUERY, max_staleness: '1m' });
    const response = await test.send('/kpis/query', { key, json: { ...QUERY, max_staleness: '5s' } });
    expect([response.status, await codeOf(response)]).toEqual([503, 'freshness_unmet']);
    expect(response.headers.get('retry-after')).toBe('1');
    const summary = await test.send('/kpis/summary?max_staleness=5s', { key });
    expect(summary.status).toBe(503);
  });

  it('waits with force_fresh until what was in the stream is applied', async () => {
    await ingest(orderEvent('e1'));
    setTimeout(() => void test.apply(), 60);
    const { groups, meta } = await query({ ...QUERY, force_fresh: true });
    expect(groups[0]?.totals).toMatchObject({ orders_count: 1 });
    expect(meta).toMatchObject({ lag_messages: 0 });
  });

  it('reads its own writes with min_position', async () => {
    const min_position = await ingest(orderEvent('e1'));
    setTimeout(() => void test.apply(), 60);
    expect((await query({ ...QUERY, min_position })).groups[0]?.totals).toMatchObject({ orders_count: 1 });
    const text = encodeURIComponent(JSON.stringify(min_position));
    expect((await test.send(`/kpis/summary?min_position=${text}`, { key })).status).toBe(200);
    expect((await test.send('/kpis/summary?min_position=1', { key })).status).toBe(200);
    const unknown = await test.send('/kpis/summary?min_position=2', { key });
    expect([unknown.status, await codeOf(unknown)]).toEqual([422, 'position_unknown']);
  });

  it('gives up waiting after 10 s', async () => {
    const min_position = await ingest(orderEvent('e1'));
    const heads = vi.spyOn(test.stream, 'head');
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'performance'] });
    try {
      const waiting = Promise.all([
        test.send('/kpis/query', { key, json: { ...QUERY, force_fresh: true } }),
        test.send('/kpis/query', { key, json: { ...QUERY, min_position } }),
        test.send('/kpis/query', { key, json: { ...QUERY, min_position, force_fresh: true } }),
      ]);
      const settled = vi.fn();
      void waiting.then(settled);
      const turn = () => new Promise((resolve) => setTimeout(resolve, 50));
      // Each asks for the head once, and waits from then on.
      while (heads.mock.calls.length < 3) await turn();
      await turn();
      vi.advanceTimersByTime(9_900);
      await turn();
      expect(settled).not.toHaveBeenCalled();
      vi.advanceTimersByTime(200);
      const [fresh, position, both] = await waiting;
      expect([fresh.status, await codeOf(fresh)]).toEqual([503, 'freshness_unmet']);
      expect([position.status, await codeOf(position)]).toEqual([503, 'position_unmet']);
      expect([both.status, await codeOf(both)]).toEqual([503, 'position_unmet']);
    } finally {
      vi.useRealTimers();
    }
  });

  it('answers 503 for force_fresh while NATS is away', async () => {
    test.stream.away = true;
    const response = await test.send('/kpis/query', { key, json: { ...QUERY, force_fresh: true } });
    expect([response.status, await codeOf(response)]).toEqual([503, 'stream_unavailable']);
  });
});
