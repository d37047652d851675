import { expect, vi } from 'vitest';
import { PATIENTLY } from '../fixture-api.ts';
import { by, type Comparison, type Json, NOW, RANGE, type ShopWorld } from './fixture-world.ts';

/** Numbers of what the first API gives out: widgets, dashboards, files, events. For tests. */

const BASE = '/v1/order-analytics';
const DAY_MS = 86_400_000;

async function fileOf({ send, get }: ShopWorld, job: Json): Promise<string> {
  const url = await vi.waitFor(async () => {
    const found = await get(`/exports/${String(job.job_id)}`);
    expect(found.status).toBe('succeeded');
    return String(found.download_url);
  }, PATIENTLY);
  return (await send(url)).text();
}

export const daily = (sql: ShopWorld['sql']) =>
  sql.rows(
    `SELECT t // ${DAY_MS} AS day, count(*) AS orders, sum(amount) AS gross FROM o WHERE ${NOW} GROUP BY 1 ORDER BY 1`,
  );
export const DAILY = {
  type: 'kpis',
  query: { metrics: ['orders_count', 'revenue_gross'], granularity: '1d' },
};

export async function compareDaily({ sql }: ShopWorld, answer: Json): Promise<void> {
  const { buckets } = (answer.groups as readonly { buckets: readonly Json[] }[])[0] ?? { buckets: [] };
  expect(
    buckets.map(({ time, orders_count, revenue_gross }) => [
      Date.parse(String(time)) / DAY_MS,
      orders_count,
      revenue_gross,
    ]),
  ).toEqual((await daily(sql)).map(({ day, orders, gross }) => [day, orders, gross]));
}

export const OUTPUT_NUMBERS: readonly Comparison[] = [
  [
    `POST ${BASE}/widgets/preview`,
    async (shop) => {
      const { answer, view } = await shop.post('/widgets/preview', {
        type: 'timeseries',
        query: { ...DAILY, query: { ...DAILY.query, ...RANGE } },
      });
      await compareDaily(shop, answer as Json);
      const points = (
        view as { series: readonly { metric: string; points: readonly (readonly unknown[])[] }[] }
      ).series.find(({ metric }) => metric === 'revenue_gross')?.points;
      expect(points?.map(([, value]) => value)).toEqual((await daily(shop.sql)).map(({ gross }) => gross));
    },
  ],
  [
    `POST ${BASE}/queries/{id}/run`,
    async (shop) => {
      const { id } = await shop.post(
        '/queries',
        { name: 'numbers', ...DAILY, query: { ...DAILY.query, ...RANGE } },
        201,
      );
      await compareDaily(shop, await shop.post(`/queries/${String(id)}/run`, {}));
    },
  ],
  [
    `GET ${BASE}/dashboards/{id}`,
    async (shop) => {
      const widgets = [{ type: 'timeseries', query: { ...DAILY, query: { ...DAILY.query, ...RANGE } } }];
      const { id } = await shop.post('/dashboards', { name: 'numbers', widgets }, 201);
      const { data } = await shop.get(`/dashboards/${String(id)}?data=true`);
      const [widget] = (data as { widgets?: readonly Json[] }).widgets ?? (data as readonly Json[]);
      await compareDaily(shop, (widget as { answer: Json }).answer);
    },
  ],
  [
    `POST ${BASE}/exports`,
    async (shop) => {
      const job = await shop.post('/exports', { query: { ...DAILY.query, ...RANGE }, format: 'csv' }, 202);
      const [head = '', ...lines] = (await fileOf(shop, job)).trim().split('\r\n');
      const at = (name: string): number => head.split(',').indexOf(name);
      const said = lines
        .map((line) => line.split(','))
        .map((cells) => [cells[at('orders_count')], cells[at('revenue_gross')]]);
      expect(said).toEqual(
        (await daily(shop.sql)).map(({ orders, gross }) => [
          String(orders),
          (Number(gross) / 100).toFixed(2),
        ]),
      );
    },
  ],
  [
    `GET ${BASE}/exports/{jobId}`,
    async (shop) => {
      const query = { query: { field: 'type', eq: 'order.created' }, from: RANGE.start, to: RANGE.end };
      const job = await shop.post('/exports', { query, format: 'ndjson' }, 202);
      const lines = (await fileOf(shop, job))
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as Json);
      const rows = await shop.sql.rows(`SELECT id, amount FROM o WHERE ${NOW}`);
      const ofId = new Map(
        lines.map((line) => [line.event_id, line.amount ?? (line.amounts as Json | undefined)?.amount]),
      );
      expect([lines.length, ofId.size]).toEqual([rows.length, rows.length]);
      expect((await shop.get(`/exports/${String(job.job_id)}`)).result).toMatchObject({ rows: rows.length });
    },
  ],
  [
    `GET ${BASE}/events`,
    async ({ sql, get }) => {
      const rows = await sql.rows(
        `SELECT id, amount FROM e WHERE type = 'refund.issued' AND ${NOW} ORDER BY t DESC, id`,
      );
      const query = new URLSearchParams({
        type: 'refund.issued',
        from: RANGE.start,
        to: RANGE.end,
        limit: '1000',
      });
      const { events } = await get(`/events?${query}`);
      const said = (events as readonly { event_id: string; amounts: Json }[]).map(
        ({ event_id, amounts }) => ({ id: event_id, amount: amounts.amount }),
      );
      expect(by(said, 'id')).toEqual(by(rows, 'id'));
    },
  ],
  [
    `GET ${BASE}/events/{eventId}`,
    async ({ sql, get }) => {
      const { id, t, amount, discount, shipping, tax } = await sql.row(
        `SELECT * FROM o WHERE ${NOW} LIMIT 1`,
      );
      const said = await get(`/events/${encodeURIComponent(String(id))}`);
      expect(said).toMatchObject({ event_id: id, amounts: { amount, discount, shipping, tax } });
      expect(Date.parse(String(said.time))).toBe(t);
    },
  ],
  [
    `POST ${BASE}/events/search`,
    async ({ sql, post }) => {
      const rows = await sql.rows(`SELECT DISTINCT order_id FROM l WHERE sku = 'pot-iron' AND ${NOW}`);
      const query = {
        and: [
          { field: 'type', eq: 'order.created' },
          { field: 'items[].sku', eq: 'pot-iron' },
        ],
      };
      const { events } = await post('/events/search', {
        query,
        from: RANGE.start,
        to: RANGE.end,
        limit: 1_000,
      });
      const ids = (events as readonly Json[]).map(({ order_id }) => String(order_id));
      expect(ids.toSorted()).toEqual(rows.map(({ order_id }) => String(order_id)).toSorted());
      expect(ids.length).toBeGreaterThan(3);
    },
  ],
  [
    `GET ${BASE}/diagnostics`,
    async (shop) => {
      const { ingest } = await shop.get('/diagnostics');
      expect(ingest).toMatchObject([{ position: shop.events, lag_messages: 0 }]);
    },
  ],
];
