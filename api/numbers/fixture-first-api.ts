import { expect } from 'vitest';
import { compareDaily, DAILY, daily } from './fixture-outputs.ts';
import {
  BEFORE,
  by,
  type Comparison,
  END_MS,
  type Json,
  NOW,
  RANGE,
  type ShopWorld,
  START_MS,
  UNTIL,
} from './fixture-world.ts';

/** Numbers of the first API against SQL: minor units, rates as fractions, funnels in percent. For tests. */

const BASE = '/v1/order-analytics';
const DAY_MS = 86_400_000;
const WEEK_MS = 7 * DAY_MS;
const STEPS = ['visit', 'add_to_cart', 'checkout_initiated', 'order.created'].map((event) => ({ event }));
const FUNNEL = { steps: STEPS, entity: 'session_id', window: '1d' };
const FUNNEL_COUNTS = `
  SELECT count(*) AS visits, count(*) FILTER (WHERE session_id IN (SELECT session_id FROM e WHERE type = 'add_to_cart')) AS carts,
    count(*) FILTER (WHERE session_id IN (SELECT session_id FROM e WHERE type = 'checkout_initiated')) AS checkouts,
    count(*) FILTER (WHERE session_id IN (SELECT session_id FROM o)) AS orders
  FROM e WHERE type = 'visit' AND ${NOW}`;

const KPIS = `
  SELECT (SELECT count(*) FROM o WHERE WHEN) AS orders_count, (SELECT sum(amount) FROM o WHERE WHEN) AS revenue_gross,
    (SELECT sum(discount) FROM o WHERE WHEN) AS discount_total, (SELECT sum(quantity) FROM l WHERE WHEN) AS units_sold,
    (SELECT count(DISTINCT customer_id) FROM o WHERE WHEN) AS customers_active,
    (SELECT count(*) FROM o WHERE is_first AND WHEN) AS customers_new,
    (SELECT count(*) FROM e WHERE type = 'visit' AND WHEN) AS sessions,
    (SELECT count(*) FROM e WHERE type = 'return.received' AND WHEN) AS returns_count,
    (SELECT coalesce(sum(amount), 0) FROM e WHERE type = 'refund.issued' AND WHEN) AS refund_amount,
    (SELECT coalesce(sum(amount), 0) FROM e WHERE type = 'payment.succeeded' AND WHEN) AS revenue_paid`;
type Kpi =
  | 'orders_count'
  | 'revenue_gross'
  | 'discount_total'
  | 'units_sold'
  | 'customers_active'
  | 'customers_new'
  | 'sessions'
  | 'returns_count'
  | 'refund_amount'
  | 'revenue_paid';

async function kpisOf({ sql }: ShopWorld, when: string) {
  const found = await sql.numbers<Kpi>(KPIS.replaceAll('WHEN', when));
  const { revenue_gross, discount_total, refund_amount, orders_count, sessions } = found;
  return {
    ...found,
    revenue_net: revenue_gross - discount_total - refund_amount,
    aov: (revenue_gross - discount_total) / orders_count,
    conversion_rate: orders_count / sessions,
    refund_rate: refund_amount / revenue_gross,
  };
}
const METRICS = [
  ...[
    'orders_count',
    'revenue_gross',
    'discount_total',
    'units_sold',
    'customers_active',
    'customers_new',
    'sessions',
  ],
  ...[
    'returns_count',
    'refund_amount',
    'revenue_paid',
    'revenue_net',
    'aov',
    'conversion_rate',
    'refund_rate',
  ],
];

const totalsOf = (answer: Json): Json => ((answer.groups as readonly Json[])[0]?.totals ?? {}) as Json;

async function compareFunnel({ sql }: ShopWorld, answer: Json): Promise<void> {
  const { visits, carts, checkouts, orders } = await sql.numbers<'visits' | 'carts' | 'checkouts' | 'orders'>(
    FUNNEL_COUNTS,
  );
  const counts = (answer.steps as readonly Json[]).map(({ count }) => count);
  expect([answer.entered, counts]).toEqual([visits, [visits, carts, checkouts, orders]]);
}

/** Customers by the week of their first order, and how many ordered again so many weeks later. */
async function compareRetention({ sql }: ShopWorld, answer: Json): Promise<void> {
  const rows = await sql.rows(`
    WITH c AS (SELECT customer_id, floor((min(t) - ${START_MS}) / ${WEEK_MS}) AS cohort FROM o GROUP BY 1)
    SELECT cohort, floor((t - ${START_MS}) / ${WEEK_MS}) - cohort AS period, count(DISTINCT customer_id) AS customers
    FROM o JOIN c USING (customer_id) WHERE cohort IN (0, 1) AND ${UNTIL} GROUP BY ALL`);
  const cells = (answer.cohorts as readonly Json[]).flatMap((cohort, at) =>
    (cohort.periods as readonly Json[]).map(({ period, returned }) => [at, period, returned]),
  );
  const said = cells.filter(([at, period]) => Number(at) + Number(period) <= 1);
  expect(said).toEqual(
    [...rows].map(({ cohort, period, customers }) => [cohort, period, customers]).toSorted(),
  );
}

/**
 * Orders of the range by a dimension of the last touch of their customer: a visit or click with their name since their order before
 * and at most 30 days ago. Net of all refunds of the orders.
 */
const lastTouches = (dimension: string): string => `
  WITH p AS (SELECT *, coalesce(lag(t) OVER (PARTITION BY customer_id ORDER BY t, id), 0) AS before FROM o),
    q AS (SELECT p.order_id, p.amount - p.discount - coalesce((SELECT sum(amount) FROM x
        WHERE type = 'refund.issued' AND x.order_id = p.order_id), 0) AS net, count(v.id) > 0 AS touches, last(v.${dimension} ORDER BY v.t) AS ${dimension}
      FROM p LEFT JOIN (SELECT * FROM e WHERE type IN ('visit', 'campaign.clicked')) v
        ON v.customer_id = p.customer_id AND v.t <= p.t AND v.t > p.before AND v.t >= p.t - ${30 * DAY_MS}
      WHERE p.t >= ${START_MS} AND p.t < ${END_MS} GROUP BY ALL)
  SELECT touches, ${dimension}, count(*) AS conversions, sum(net) AS revenue FROM q GROUP BY ALL`;

export const FIRST_NUMBERS: readonly Comparison[] = [
  [
    `POST ${BASE}/kpis/query`,
    async (shop) => {
      const answer = await shop.post('/kpis/query', { ...RANGE, metrics: METRICS });
      expect(totalsOf(answer)).toEqual(await kpisOf(shop, NOW));
      const rows = await shop.sql.rows(
        `SELECT country, count(*) AS orders_count, sum(amount) AS revenue FROM o WHERE ${NOW} GROUP BY 1`,
      );
      const { groups } = await shop.post('/kpis/query', {
        ...RANGE,
        metrics: ['orders_count', 'revenue'],
        group_by: ['country'],
      });
      const said = (groups as readonly { key: Json; totals: Json }[]).map(({ key, totals }) => ({
        ...key,
        ...totals,
      }));
      expect(by(said, 'country')).toEqual(by(rows, 'country'));
    },
  ],
  [
    `GET ${BASE}/kpis/summary`,
    async (shop) => {
      const { kpis, currencies } = await shop.get(`/kpis/summary?${new URLSearchParams(RANGE)}`);
      const [now, before] = [await kpisOf(shop, NOW), await kpisOf(shop, BEFORE)];
      const [money] = currencies as readonly { currency: string; kpis: Json }[];
      const said = { ...(kpis as Json), ...money?.kpis } as Readonly<Record<string, Json>>;
      for (const metric of Object.keys(now).filter((name) => name in said) as (keyof typeof now)[]) {
        expect([metric, said[metric]]).toMatchObject([
          metric,
          {
            current: now[metric],
            previous: before[metric],
            delta: expect.closeTo(now[metric] - before[metric], 9),
          },
        ]);
      }
      expect(Object.keys(now).filter((name) => name in said).length).toBeGreaterThan(8);
    },
  ],
  [
    `POST ${BASE}/kpis/batch`,
    async (shop) => {
      const queries = [
        { id: 'now', metrics: METRICS, ...RANGE },
        { id: 'daily', ...DAILY.query, ...RANGE },
      ];
      const { results } = await shop.post('/kpis/batch', { queries });
      const [now = {}, days = {}] = results as readonly Json[];
      expect(totalsOf(now)).toEqual(await kpisOf(shop, NOW));
      await compareDaily(shop, days);
    },
  ],
  [
    `POST ${BASE}/funnels/adhoc`,
    async (shop) => compareFunnel(shop, await shop.post('/funnels/adhoc', { ...RANGE, ...FUNNEL })),
  ],
  [
    `POST ${BASE}/funnels/{id}/query`,
    async (shop) => {
      const { id } = await shop.post('/funnels/define', { name: 'numbers', ...FUNNEL }, 201);
      await compareFunnel(shop, await shop.post(`/funnels/${String(id)}/query`, RANGE));
    },
  ],
  [
    `POST ${BASE}/cohorts/adhoc-retention`,
    async (shop) => {
      const criteria = { type: 'acquisition', bucket: 'week' };
      await compareRetention(
        shop,
        await shop.post('/cohorts/adhoc-retention', { ...RANGE, criteria, periods: 2 }),
      );
    },
  ],
  [
    `POST ${BASE}/cohorts/{id}/retention`,
    async (shop) => {
      const criteria = { type: 'acquisition', bucket: 'week' };
      const { id } = await shop.post('/cohorts/define', { name: 'numbers', criteria }, 201);
      await compareRetention(
        shop,
        await shop.post(`/cohorts/${String(id)}/retention`, { ...RANGE, periods: 2 }),
      );
    },
  ],
  [
    `POST ${BASE}/customers/rfm`,
    async ({ sql, post }) => {
      const rows = await sql.rows(`
        SELECT customer_id, (${END_MS} - max(t)) // ${DAY_MS} AS recency_days, count(*) AS frequency,
          sum(amount - discount) - coalesce((SELECT sum(amount) FROM x WHERE type = 'refund.issued'
            AND x.customer_id = o.customer_id AND x.${NOW.replace('AND t', 'AND x.t')}), 0) AS monetary
        FROM o WHERE ${NOW} GROUP BY 1`);
      const { customers, customers_total } = await post('/customers/rfm', { ...RANGE, limit: 1_000 });
      expect(customers_total).toBe(rows.length);
      expect(by(customers as readonly Json[], 'customer_id')).toMatchObject(by(rows, 'customer_id'));
    },
  ],
  [
    `POST ${BASE}/customers/ltv`,
    async ({ sql, post }) => {
      const rows = await sql.rows(`
        WITH c AS (SELECT customer_id, floor((min(t) - ${START_MS}) / ${WEEK_MS}) AS cohort FROM o GROUP BY 1),
          m AS (SELECT customer_id, t, amount - discount AS net FROM o
            UNION ALL SELECT customer_id, t, -amount FROM x WHERE type = 'refund.issued')
        SELECT cohort, (SELECT count(*) FROM c c2 WHERE c2.cohort = c.cohort) AS size, sum(net) AS cumulative
        FROM c JOIN m USING (customer_id) WHERE cohort IN (0, 1) AND ${UNTIL} GROUP BY 1 ORDER BY 1`);
      const body = { ...RANGE, model: 'historical', bucket: 'week', alignment: 'calendar', periods: 2 };
      const { cohorts } = await post('/customers/ltv', body);
      const said = (cohorts as readonly { size: number; ages: readonly Json[] }[]).map(
        ({ size, ages }, cohort) => ({
          ...{ cohort, size, cumulative: ages[1 - cohort]?.cumulative },
        }),
      );
      expect(said).toEqual(rows);
    },
  ],
  [
    `POST ${BASE}/customers/segment`,
    async ({ sql, post }) => {
      const rows = await sql.rows(`
        SELECT customer_id FROM o GROUP BY 1 HAVING sum(amount - discount)
          - coalesce((SELECT sum(amount) FROM x WHERE type = 'refund.issued' AND x.customer_id = o.customer_id), 0) > 15000`);
      const rule = { measure: 'spend_net', gt: 15_000 };
      const { customers, customers_total } = await post('/customers/segment', { rule, limit: 1_000 });
      const ids = (customers as readonly Json[]).map(({ customer_id }) => String(customer_id));
      expect([customers_total, ids.toSorted()]).toEqual([
        rows.length,
        rows.map(({ customer_id }) => String(customer_id)).toSorted(),
      ]);
      expect(rows.length).toBeGreaterThan(5);
    },
  ],
  ...(['query', 'compare'] as const).map(
    (what): Comparison => [
      `POST ${BASE}/attribution/${what}`,
      async ({ sql, post }) => {
        const rows = await sql.rows(lastTouches('channel'));
        const method =
          what === 'query' ? { method: 'last_touch' } : { methods: ['last_touch', 'first_touch'] };
        const said = await post(`/attribution/${what}`, { ...RANGE, ...method, group_by: ['channel'] });
        const results = said.results as readonly (Json & {
          key: Json;
          methods?: Readonly<Record<string, Json>>;
        })[];
        const found = results.map(({ key, methods, ...one }) => ({ ...one, ...methods?.last_touch, ...key }));
        const [touched, none] = [rows.filter(({ touches }) => touches), rows.find(({ touches }) => !touches)];
        const credit = ({ channel, conversions, revenue }: Json) => ({ channel, conversions, revenue });
        expect(by(found, 'channel')).toMatchObject(by(touched.map(credit), 'channel'));
        expect(said.unattributed).toMatchObject({ conversions: none?.conversions, revenue: none?.revenue });
        const sum = (name: string): number => rows.reduce((all, row) => all + Number(row[name]), 0);
        expect(said.totals).toMatchObject({ conversions: sum('conversions'), revenue: sum('revenue') });
      },
    ],
  ),
  ...(['roi', 'multi-touch'] as const).map(
    (what): Comparison => [
      `POST ${BASE}/marketing/${what}`,
      async ({ sql, post }) => {
        const rows = await sql.rows(`
          SELECT s.campaign, spend, coalesce(revenue, 0) AS revenue
          FROM (SELECT campaign, sum(amount) AS spend FROM e WHERE type = 'campaign.spend' AND ${NOW} GROUP BY 1) s
          LEFT JOIN (${lastTouches('campaign')}) USING (campaign)`);
        const body = { ...RANGE, method: 'last_touch', group_by: ['campaign'] };
        const { results } = await post(`/marketing/${what}`, body);
        const found = (results as readonly (Json & { key: Json })[]).map(({ key, ...one }) => ({
          ...one,
          ...key,
        }));
        const said = by(found, 'campaign');
        for (const { campaign, spend, revenue } of rows) {
          const [cost, brought] = [Number(spend), Number(revenue)];
          expect(said[String(campaign)]).toMatchObject({
            ...{ spend: cost, revenue: brought, roas: expect.closeTo(brought / cost, 5) },
            roi: expect.closeTo((brought - cost) / cost, 5),
          });
        }
        expect(rows.length).toBeGreaterThan(1);
      },
    ],
  ),
  [
    `POST ${BASE}/returns/summary`,
    async ({ sql, post }) => {
      const totals = await sql.row(`
        SELECT (SELECT count(*) FROM o WHERE ${NOW}) AS orders, (SELECT sum(quantity) FROM l WHERE ${NOW}) AS units_sold,
          count(*) AS returns, sum(list_sum(list_transform(items, lambda i: i.quantity))) AS units_returned,
          count(DISTINCT order_id) AS orders_returned FROM x WHERE type = 'return.received' AND ${NOW}`);
      const reasons = await sql.rows(
        `SELECT reason, count(*) AS returns FROM x WHERE type = 'return.received' AND ${NOW} GROUP BY 1`,
      );
      const said = await post('/returns/summary', RANGE);
      expect(said.totals).toMatchObject(totals);
      expect(by(said.reasons as readonly Json[], 'reason')).toMatchObject(by(reasons, 'reason'));
      expect(reasons.length).toBeGreaterThan(1);
    },
  ],
  [
    `POST ${BASE}/refunds/impact`,
    async ({ sql, post }) => {
      const of = (when: string) =>
        sql.numbers<'orders' | 'gross' | 'discount' | 'refunds' | 'refund_events'>(`
          SELECT (SELECT count(*) FROM o WHERE ${when}) AS orders, (SELECT sum(amount) FROM o WHERE ${when}) AS gross,
            (SELECT sum(discount) FROM o WHERE ${when}) AS discount, count(*) AS refund_events, sum(amount) AS refunds
          FROM x WHERE type = 'refund.issued' AND ${when}`);
      const [now, before] = [await of(NOW), await of(BEFORE)];
      const whole = (sums: typeof now) => ({
        ...sums,
        net: sums.gross - sums.discount - sums.refunds,
        refund_rate: sums.refunds / sums.gross,
      });
      const said = await post('/refunds/impact', {
        ...RANGE,
        drivers: ['channel'],
        compare: 'previous_period',
      });
      expect(said).toMatchObject({ totals: whole(now), compared: { previous: whole(before) } });
      const rows = await sql.rows(
        `SELECT channel AS value, sum(amount) AS refunds FROM x WHERE type = 'refund.issued' AND ${NOW} GROUP BY 1`,
      );
      const { values } = (said.drivers as { channel: { values: readonly Json[] } }).channel;
      expect(
        by(
          values.filter(({ refunds }) => refunds !== 0),
          'value',
        ),
      ).toMatchObject(by(rows, 'value'));
    },
  ],
  [
    `POST ${BASE}/fraud/trends`,
    async ({ sql, post }) => {
      const weeks = await sql.rows(`
        SELECT (t - ${START_MS}) // ${WEEK_MS} AS week, count(*) FILTER (WHERE type = 'fraud.flagged') AS fraud_flags,
          count(*) FILTER (WHERE type = 'chargeback.received') AS chargebacks,
          coalesce(sum(amount) FILTER (WHERE type = 'chargeback.received'), 0) AS chargeback_amount
        FROM e WHERE ${NOW} GROUP BY 1 ORDER BY 1`);
      const { groups } = await post('/fraud/trends', { ...RANGE, granularity: '1w' });
      const { buckets } = (groups as readonly { buckets: readonly Json[] }[])[0] ?? { buckets: [] };
      expect(buckets).toMatchObject(weeks.map(({ week: _, ...row }) => row));
      expect(weeks.reduce((sum, { fraud_flags }) => sum + Number(fraud_flags), 0)).toBeGreaterThan(0);
    },
  ],
  [
    `POST ${BASE}/anomalies/scan`,
    async ({ sql, post }) => {
      const rule = { metric: 'revenue', window: '1d', method: 'zscore', sensitivity: 0.9 };
      const { windows } = await post('/anomalies/scan', { rule, ...RANGE, scores: true });
      expect(
        (windows as readonly Json[]).map(({ start, value }) => [Date.parse(String(start)) / DAY_MS, value]),
      ).toEqual((await daily(sql)).map(({ day, gross }) => [day, gross]));
    },
  ],
];
