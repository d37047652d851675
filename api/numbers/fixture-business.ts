import { expect } from 'vitest';
import { forecastSeries } from '../../analytics/index.ts';
import { stockOf } from './fixture-ecommerce.ts';
import {
  BEFORE,
  by,
  type Comparison,
  END_MS,
  FIRST_DAY,
  type Json,
  LAST_DAY,
  NOW,
  RANGE,
  START_MS,
  UNTIL,
} from './fixture-world.ts';

/** Numbers of the business API against SQL: pence, and rates as fractions. For tests. */

const SPAN = `from=${FIRST_DAY}&to=${LAST_DAY}`;
const DAY_MS = 86_400_000;
const LINES = 'sum(value) AS revenue, sum(quantity) AS units, count(DISTINCT order_id) AS orders';
/** Subscriptions that ran at a moment, as their newest event before it says. */
const running = (at_ms: number): string => `
  SELECT subscription_id, last(plan_amount ORDER BY t) FILTER (WHERE plan_amount IS NOT NULL) AS plan,
    last(interval ORDER BY t) FILTER (WHERE interval IS NOT NULL) AS every
  FROM e WHERE type LIKE 'subscription.%' AND t < ${at_ms} GROUP BY 1 HAVING last(type ORDER BY t) <> 'subscription.cancelled'`;

const WEEKS = `
  SELECT w.week, coalesce(revenue, 0) AS revenue, coalesce(orders, 0) AS orders, coalesce(refunds, 0) AS refunds
  FROM (VALUES (0), (1)) w(week)
  LEFT JOIN (SELECT (t - ${START_MS}) // ${7 * DAY_MS} AS week, sum(amount) AS revenue, count(*) AS orders
    FROM o WHERE ${NOW} GROUP BY 1) USING (week)
  LEFT JOIN (SELECT (t - ${START_MS}) // ${7 * DAY_MS} AS week, sum(amount) AS refunds
    FROM x WHERE type = 'refund.issued' AND ${NOW} GROUP BY 1) USING (week) ORDER BY 1`;

const nearest = (column: string, q: number): string =>
  `(list_sort(list(${column})))[ceil(${q} * count(${column}))::INTEGER]`;

export const BUSINESS_NUMBERS: readonly Comparison[] = [
  [
    'GET /api/analytics/revenue',
    async ({ sql, get }) => {
      const sums = await sql.numbers<'gross' | 'orders' | 'discount' | 'before'>(`
        SELECT sum(amount) AS gross, count(*) AS orders, sum(discount) AS discount,
          (SELECT sum(amount) FROM o WHERE ${BEFORE}) AS before FROM o WHERE ${NOW}`);
      const { mrr } = await sql.numbers<'mrr'>(
        `SELECT round(sum(CASE every WHEN 'year' THEN plan / 12 ELSE plan END)) AS mrr FROM (${running(END_MS)})`,
      );
      const weeks = await sql.rows(WEEKS);
      const products = await sql.rows(
        `SELECT sku AS productName, sum(value) AS revenue, sum(quantity) AS units FROM l WHERE ${NOW} GROUP BY 1 ORDER BY revenue DESC LIMIT 10`,
      );
      expect(await get(`/api/analytics/revenue?${SPAN}&groupBy=week`)).toMatchObject({
        summary: {
          ...{ totalRevenue: sums.gross, revenueGrowth: (sums.gross - sums.before) / sums.before },
          ...{ mrr, arr: 12 * mrr, currency: 'gbp' },
          avgOrderValue: Math.round((sums.gross - sums.discount) / sums.orders),
        },
        timeSeries: weeks.map(({ week, ...numbers }) => ({
          period: new Date(START_MS + Number(week) * 7 * DAY_MS).toISOString().slice(0, 10),
          ...numbers,
        })),
        byProduct: products,
      });
    },
  ],
  [
    'GET /api/analytics/sales',
    async ({ sql, get }) => {
      const leads = `
        SELECT lead_id, min(t) AS created, last(value ORDER BY t) AS value, list(DISTINCT stage) AS stages,
          min(t) FILTER (WHERE stage = 'won') AS won
        FROM e WHERE type = 'lead.stage_changed' GROUP BY 1 HAVING min(t) >= ${START_MS} AND min(t) < ${END_MS}`;
      const stages = ['leads', 'qualified', 'proposal', 'negotiation', 'won', 'lost'];
      const funnel = await Promise.all(
        stages.map(async (stage) => {
          const when = stage === 'leads' ? 'true' : `list_contains(stages, '${stage}')`;
          const found = await sql.row(
            `SELECT count(*) AS count, coalesce(sum(value), 0) AS value FROM (${leads}) WHERE ${when}`,
          );
          return { stage, ...(found as { count: number; value: number }) };
        }),
      );
      const won = await sql.numbers<'count' | 'value' | 'days' | 'leads'>(`
        SELECT count(won) AS count, sum(value) FILTER (WHERE won IS NOT NULL) AS value, avg((won - created) / ${DAY_MS}) AS days,
          count(*) AS leads FROM (${leads})`);
      const said = await get(`/api/analytics/sales?${SPAN}`);
      expect(said).toMatchObject({
        ...{
          winRate: won.count / won.leads,
          avgDealSize: Math.round(won.value / won.count),
          currency: 'gbp',
        },
        avgCycledays: expect.closeTo(won.days, 9),
      });
      expect(said.funnel).toEqual(funnel.filter(({ stage, count }) => count > 0 || stage !== 'lost'));
      expect(won.count).toBeGreaterThan(0);
    },
  ],
  [
    'GET /api/analytics/products',
    async ({ sql, get }) => {
      const { whole } = await sql.numbers<'whole'>(`SELECT sum(value) AS whole FROM l WHERE ${NOW}`);
      const rows = await sql.rows(
        `SELECT sku AS productName, ${LINES} FROM l WHERE ${NOW} GROUP BY 1 ORDER BY revenue DESC`,
      );
      expect((await get(`/api/analytics/products?${SPAN}`)).products).toEqual(
        rows.map((row) => ({ ...row, share: Number(row.revenue) / whole })),
      );
    },
  ],
  [
    'GET /api/analytics/customers',
    async ({ sql, get }) => {
      const { fresh, spend, net, ever, begun, lost } = await sql.numbers<
        'fresh' | 'spend' | 'net' | 'ever' | 'begun' | 'lost'
      >(`
        SELECT (SELECT count(*) FROM o WHERE is_first AND ${NOW}) AS fresh,
          (SELECT sum(amount) FROM e WHERE type = 'campaign.spend' AND ${NOW}) AS spend,
          (SELECT sum(amount - discount) FROM o WHERE ${UNTIL})
            - (SELECT sum(amount) FROM x WHERE type = 'refund.issued' AND ${UNTIL}) AS net,
          (SELECT count(DISTINCT customer_id) FROM o WHERE ${UNTIL}) AS ever,
          (SELECT count(*) FROM (${running(START_MS)})) AS begun,
          (SELECT count(*) FROM (${running(START_MS)}) WHERE subscription_id NOT IN
            (SELECT subscription_id FROM (${running(END_MS)}))) AS lost`);
      const channels = await sql.rows(
        `SELECT channel, count(*) AS customers FROM o WHERE is_first AND ${NOW} GROUP BY 1`,
      );
      const [ltv, cac] = [Math.round(net / ever), Math.round(spend / fresh)];
      const said = await get(`/api/analytics/customers?${SPAN}`);
      expect(said).toMatchObject({
        ...{
          newCustomers: fresh,
          churnedCustomers: lost,
          netGrowth: fresh - lost,
          churnedBy: 'subscriptions',
        },
        ...{ avgLtv: ltv, cac, ltvCacRatio: ltv / cac, retentionRate: 1 - lost / begun, currency: 'gbp' },
      });
      expect(by(said.byAcquisitionChannel as readonly Json[], 'channel')).toEqual(
        by(
          channels.map((row) => ({ ...row, percent: Number(row.customers) / fresh })),
          'channel',
        ),
      );
      expect(lost).toBeGreaterThan(0);
    },
  ],
  [
    'GET /api/analytics/inventory',
    async (shop) => {
      const { levels, units, expected } = await stockOf(shop, END_MS - 1);
      const of = (alert: string): number => expected.filter((one) => one.alert === alert).length;
      const said = await shop.get(`/api/analytics/inventory?${SPAN}`);
      expect(said.summary).toEqual({
        ...{ totalSkus: levels, totalUnits: units, healthy: levels - expected.length },
        ...{ outOfStock: of('out_of_stock'), lowStock: of('low_stock'), overstocked: of('overstocked') },
      });
      expect(by(said.alerts as readonly Json[], 'sku')).toMatchObject(
        by(
          expected.map(({ product_id, alert, quantity, units_sold_28d, days_of_cover }) => ({
            ...{ sku: product_id, status: alert, quantity },
            ...{ unitsSold28d: units_sold_28d, daysOfCover: days_of_cover },
          })),
          'sku',
        ),
      );
    },
  ],
  [
    'GET /api/analytics/hr',
    async ({ sql, get }) => {
      const stays = `
        SELECT employee_id, min(t) FILTER (WHERE type = 'employee.joined') AS joined,
          coalesce(min(t) FILTER (WHERE type = 'employee.left'), 1e15) AS gone, any_value(department) AS department
        FROM e WHERE type IN ('employee.joined', 'employee.left') GROUP BY 1`;
      const employed = (at_ms: number): string => `joined <= ${at_ms} AND gone > ${at_ms}`;
      const { before, after, joins, leaves } = await sql.numbers<'before' | 'after' | 'joins' | 'leaves'>(`
        SELECT count(*) FILTER (WHERE ${employed(START_MS - 1)}) AS before, count(*) FILTER (WHERE ${employed(END_MS - 1)}) AS after,
          count(*) FILTER (WHERE joined >= ${START_MS} AND joined < ${END_MS}) AS joins,
          count(*) FILTER (WHERE gone >= ${START_MS} AND gone < ${END_MS}) AS leaves FROM (${stays})`);
      const { present, expected } = await sql.numbers<'present' | 'expected'>(`
        WITH days AS (SELECT DISTINCT t // ${DAY_MS} AS day FROM e WHERE type = 'employee.attended' AND ${NOW})
        SELECT (SELECT count(DISTINCT (employee_id, t // ${DAY_MS})) FROM e WHERE type = 'employee.attended' AND ${NOW}) AS present,
          (SELECT count(*) FROM days, (${stays}) WHERE day >= joined // ${DAY_MS} AND day <= gone // ${DAY_MS}) AS expected`);
      const departments = await sql.rows(`
        SELECT department, count(*) AS headcount FROM (${stays}) WHERE ${employed(END_MS - 1)} GROUP BY 1 ORDER BY 2 DESC, 1`);
      expect(await get(`/api/analytics/hr?${SPAN}`)).toMatchObject({
        ...{
          headcount: after,
          joins,
          leaves,
          netChange: joins - leaves,
          turnoverRate: leaves / ((before + after) / 2),
        },
        ...{ attendanceRate: present / expected, byDepartment: departments },
      });
      expect(leaves).toBeGreaterThan(0);
    },
  ],
  [
    'GET /api/analytics/support',
    async ({ sql, get }) => {
      const tickets = `
        SELECT ticket_id, min(t) FILTER (WHERE type = 'ticket.opened') AS opened, any_value(sla_minutes) AS sla,
          min(t) FILTER (WHERE type = 'ticket.first_response') AS answered, min(t) FILTER (WHERE type = 'ticket.resolved') AS resolved
        FROM e WHERE type LIKE 'ticket.%' GROUP BY 1`;
      const ours = `
        SELECT *, (coalesce(answered, resolved) - opened) / 60000 AS first, (resolved - opened) / 60000 AS whole
        FROM (${tickets}) WHERE opened >= ${START_MS} AND opened < ${END_MS}`;
      const said = await get(`/api/analytics/support?${SPAN}`);
      const counts = await sql.row(`
        SELECT (SELECT count(*) FROM (${ours})) AS opened,
          count(*) FILTER (WHERE resolved >= ${START_MS} AND resolved < ${END_MS}) AS resolved,
          count(*) FILTER (WHERE opened < ${END_MS} AND (resolved IS NULL OR resolved >= ${END_MS})) AS backlog FROM (${tickets})`);
      const { kept, judged, ...times } = await sql.numbers<string>(`
        SELECT ${nearest('first', 0.5)} AS first50, ${nearest('first', 0.9)} AS first90,
          ${nearest('whole', 0.5)} AS whole50, ${nearest('whole', 0.9)} AS whole90,
          count(*) FILTER (WHERE first <= sla) AS kept,
          count(*) FILTER (WHERE first IS NOT NULL OR opened + sla * 60000 <= ${Date.UTC(2025, 8, 1, 12)}) AS judged FROM (${ours})`);
      expect(said).toMatchObject({
        ...counts,
        firstResponseMinutes: { p50: times.first50, p90: times.first90 },
        resolutionMinutes: { p50: times.whole50, p90: times.whole90 },
        slaShare: Number(kept) / Number(judged),
      });
      expect(kept).toBeLessThan(Number(judged));
    },
  ],
  [
    'GET /api/analytics/marketing',
    async ({ sql, get, post }) => {
      const rows = await sql.rows(`
        SELECT campaign, coalesce(sum(amount) FILTER (WHERE type = 'campaign.spend'), 0) AS spend,
          count(*) FILTER (WHERE type = 'campaign.sent') AS sent, count(*) FILTER (WHERE type = 'campaign.opened') AS opened,
          count(*) FILTER (WHERE type = 'campaign.clicked') AS clicked
        FROM e WHERE type LIKE 'campaign.%' AND ${NOW} GROUP BY 1`);
      const roi = await post('/marketing/roi', { ...RANGE, group_by: ['campaign'] });
      const credited = by(
        (roi.results as readonly Json[]).map((one) => ({ ...one, ...(one.key as Json) })),
        'campaign',
      );
      const said = await get(`/api/analytics/marketing?${SPAN}`);
      expect(by(said.campaigns as readonly Json[], 'campaign')).toEqual(
        by(
          rows.map((row) => {
            const [sent, opened, clicked] = [row.sent, row.opened, row.clicked].map(Number) as [
              number,
              number,
              number,
            ];
            const { revenue = 0, roas = null } = credited[String(row.campaign)] ?? {};
            return {
              ...row,
              openRate: sent === 0 ? null : opened / sent,
              clickRate: sent === 0 ? null : clicked / sent,
              ...{ attributedRevenue: revenue, roas },
            };
          }),
          'campaign',
        ),
      );
      const sum = (name: string): number => rows.reduce((all, row) => all + Number(row[name]), 0);
      // What touches without a campaign have brought is no campaign's.
      const attributed = rows.reduce(
        (all, { campaign }) => all + Number(credited[String(campaign)]?.revenue ?? 0),
        0,
      );
      expect(Number(credited['']?.revenue)).toBeGreaterThan(0);
      expect(said.summary).toEqual({
        ...{ spend: sum('spend'), sent: sum('sent'), opened: sum('opened'), clicked: sum('clicked') },
        ...{ openRate: sum('opened') / sum('sent'), clickRate: sum('clicked') / sum('sent') },
        ...{ attributedRevenue: attributed, roas: attributed / sum('spend') },
      });
    },
  ],
  [
    'GET /api/analytics/forecast',
    async ({ sql, get }) => {
      // Whole days up to the last one, by SQL; the same method.
      const days = await sql.rows(
        `SELECT t // ${DAY_MS} AS day, sum(amount) AS revenue FROM o WHERE ${UNTIL} GROUP BY 1 ORDER BY 1`,
      );
      const [first, last] = [Number(days[0]?.day), Number(days.at(-1)?.day)];
      const ofDay = new Map(days.map(({ day, revenue }) => [day, Number(revenue)]));
      const values = Array.from({ length: last - first + 1 }, (_, at) => ofDay.get(first + at) ?? 0);
      const method = 'linear_regression_with_seasonality';
      const { points, back_test } = forecastSeries({ values, period: 7 }, { method, horizon: 5 });
      expect(await get('/api/analytics/forecast?periods=5&granularity=day')).toMatchObject({
        ...{ model: method, currency: 'gbp', confidence: Math.max(0, 1 - (back_test?.smape ?? 0) / 100) },
        forecast: points.map(({ mean, lower_95, upper_95 }, at) => ({
          period: `2025-09-0${at + 1}`,
          ...{
            predicted: Math.round(mean),
            confidenceLow: Math.round(lower_95),
            confidenceHigh: Math.round(upper_95),
          },
        })),
      });
    },
  ],
  [
    'GET /api/analytics/dashboards',
    async ({ get }) => {
      const { dashboards } = await get('/dashboards');
      const names = (list: unknown) => (list as readonly Json[]).map(({ name }) => name).sort();
      expect(names((await get('/api/analytics/dashboards')).dashboards)).toEqual(names(dashboards));
    },
  ],
  [
    'POST /api/analytics/reports/export',
    async ({ sql, send }) => {
      const json = { reportType: 'revenue', from: FIRST_DAY, to: LAST_DAY, format: 'csv', groupBy: 'week' };
      const response = await send('/api/analytics/reports/export', { json });
      const weeks = await sql.rows(WEEKS);
      expect((await response.text()).trim().split('\r\n')).toEqual([
        'period,revenue,orders,refunds',
        ...weeks.map(({ week, revenue, orders, refunds }) =>
          [
            new Date(START_MS + Number(week) * 7 * DAY_MS).toISOString().slice(0, 10),
            ...[revenue, orders, refunds],
          ].join(),
        ),
      ]);
    },
  ],
];
