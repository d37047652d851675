import { expect, vi } from 'vitest';
import { PATIENTLY } from '../fixture-api.ts';
import { type Comparison, FIRST_DAY, type Json, LAST_DAY, NOW, pounds, START_MS } from './fixture-world.ts';

/** Numbers of the voucher API against SQL: pounds, and rates as fractions. For tests. */

const CODE = 'WELCOME10';
const OURS = `voucher_code = '${CODE}' AND ${NOW}`;
const DAY_MS = 86_400_000;
const path = (what: string): string =>
  `/analytics/vouchers/${CODE}/${what}?start_date=${FIRST_DAY}&end_date=${LAST_DAY}`;
const SUMS = 'count(*) AS uses, sum(discount) AS discount, sum(amount) AS gross';
/** Refunds of the span of orders with the voucher. */
const REFUNDS = `coalesce((SELECT sum(amount) FROM x WHERE type = 'refund.issued' AND ${OURS}), 0)`;

export const VOUCHER_NUMBERS: readonly Comparison[] = [
  [
    'GET /analytics/vouchers/{voucher_id}/performance',
    async ({ sql, get }) => {
      const { uses, discount, gross, validated, impact } = await sql.numbers<
        'uses' | 'discount' | 'gross' | 'validated' | 'impact'
      >(`
        SELECT ${SUMS}, (SELECT count(*) FROM e WHERE type = 'voucher.validated' AND ${OURS}) AS validated,
          sum(amount - discount) FILTER (WHERE is_first) - coalesce((SELECT sum(x.amount) FROM x
            WHERE x.type = 'refund.issued' AND x.is_first AND x.voucher_code = '${CODE}'
              AND x.created >= ${START_MS} AND x.created < ${START_MS + 14 * DAY_MS}), 0) AS impact
        FROM o WHERE ${OURS}`);
      expect((await get(path('performance'))).performance).toEqual({
        ...{ total_uses: uses, total_discount: pounds(discount), conversion_rate: uses / validated },
        ...{
          avg_order_value: pounds((gross - discount) / uses),
          revenue_impact: pounds(impact),
          currency: 'GBP',
        },
      });
    },
  ],
  [
    'GET /analytics/vouchers/{voucher_id}/trends',
    async ({ sql, get }) => {
      const days = await sql.rows(`
        SELECT t // ${DAY_MS} AS day, count(*) AS orders, count(*) FILTER (WHERE voucher_code = '${CODE}') AS uses,
          coalesce(sum(discount) FILTER (WHERE voucher_code = '${CODE}'), 0) AS discount
        FROM o WHERE ${NOW} GROUP BY 1`);
      const ofDay = new Map(days.map((row) => [row.day, row]));
      const { trends } = await get(`${path('trends')}&interval=day`);
      expect(trends).toEqual(
        Array.from({ length: 14 }, (_, at) => {
          const { orders = 0, uses = 0, discount = 0 } = ofDay.get(START_MS / DAY_MS + at) ?? {};
          const date = new Date(START_MS + at * DAY_MS).toISOString().slice(0, 10);
          return { date, uses, discount: pounds(Number(discount)), orders };
        }),
      );
    },
  ],
  [
    'GET /analytics/vouchers/{voucher_id}/customers',
    async ({ sql, get }) => {
      const { total, fresh, net } = await sql.numbers<'total' | 'fresh' | 'net'>(`
        SELECT count(DISTINCT customer_id) AS total, count(*) FILTER (WHERE is_first) AS fresh,
          sum(amount - discount) - ${REFUNDS} AS net FROM o WHERE ${OURS}`);
      const segments = await sql.rows(`
        SELECT customer_segment AS segment, count(DISTINCT customer_id) AS count, (sum(amount) - sum(discount)) / count(*) AS value
        FROM o WHERE ${OURS} GROUP BY 1 ORDER BY 2 DESC`);
      const { customer_insights } = await get(path('customers'));
      expect(customer_insights).toEqual({
        ...{ total_customers: total, new_customers: fresh, returning_customers: total - fresh },
        ...{ avg_customer_value: pounds(net / total), currency: 'GBP' },
        top_customer_segments: segments.map(({ segment, count, value }) => ({
          ...{ segment, count, avg_order_value: pounds(Number(value)) },
        })),
      });
    },
  ],
  [
    'POST /analytics/export',
    async ({ sql, post, get, send }) => {
      const { export_id } = await post(
        '/analytics/export',
        {
          ...{ voucher_ids: [CODE, 'VIP20'], metrics: ['uses', 'discount', 'revenue'], format: 'csv' },
          time_period: { start: FIRST_DAY, end: LAST_DAY },
        },
        202,
      );
      const link = await vi.waitFor(async () => {
        const found = await get(`/analytics/export/${String(export_id)}`);
        expect(found.status).toBe('completed');
        return String(found.download_url);
      }, PATIENTLY);
      const url = new URL(link);
      const [head = '', ...lines] = (await (await send(url.pathname + url.search)).text())
        .trim()
        .split('\r\n');
      const names = head.split(',');
      const rows = lines.map((line) =>
        Object.fromEntries(line.split(',').map((cell, at) => [names[at], cell])),
      ) as Json[];
      const days = await sql.rows(`
        SELECT voucher_code AS code, t // ${DAY_MS} AS day, count(*) AS uses, sum(discount) AS discount
        FROM o WHERE voucher_code IN ('${CODE}', 'VIP20') AND ${NOW} GROUP BY ALL`);
      const said = rows
        .filter(({ orders_count }) => orders_count !== '0')
        .map((row) =>
          [
            row.voucher_code,
            Date.parse(String(row.time)) / DAY_MS,
            row.orders_count,
            row.discount_total,
          ].join(),
        );
      expect(said.toSorted()).toEqual(
        days
          .map(({ code, day, uses, discount }) =>
            [code, day, uses, (Number(discount) / 100).toFixed(2)].join(),
          )
          .toSorted(),
      );
    },
  ],
];
