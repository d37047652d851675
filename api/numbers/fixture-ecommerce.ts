import { expect } from 'vitest';
import {
  BEFORE,
  by,
  type Comparison,
  END_MS,
  FIRST_DAY,
  type Json,
  LAST_DAY,
  NOW,
  pounds,
  RANGE,
  type ShopWorld,
  START_MS,
  UNTIL,
} from './fixture-world.ts';

/** Numbers of the e-commerce API against SQL: pounds, and rates as fractions. For tests. */

const CUSTOM = `time_range=custom&start_date=${FIRST_DAY}&end_date=${LAST_DAY}`;
const NOW_MS = Date.UTC(2025, 8, 1, 12);
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

const SUMS = 'count(*) AS orders, sum(amount) AS gross, sum(discount) AS discount';
type Sums = Readonly<Record<'orders' | 'gross' | 'discount', number>>;

const sales = ({ gross, orders }: Sums, discount: number, units: number) => ({
  ...{ revenue: pounds(gross), orders, items_sold: units },
  average_order_value: orders === 0 ? null : pounds((gross - discount) / orders),
});

async function salesOf({ sql }: ShopWorld, when: string) {
  const sums = await sql.numbers<keyof Sums>(`SELECT ${SUMS} FROM o WHERE ${when}`);
  const { units } = await sql.numbers<'units'>(`SELECT sum(quantity) AS units FROM l WHERE ${when}`);
  const aov = (sums.gross - sums.discount) / sums.orders;
  return { said: sales(sums, sums.discount, units), sums, units, aov };
}

const growth = (now: number, before: number): number => (now - before) / before;

/** Of orders by a dimension of theirs. */
async function splitOf(
  { sql }: ShopWorld,
  dimension: string,
  rows: readonly Json[],
  named = dimension,
): Promise<void> {
  const whole = (await sql.numbers<'gross'>(`SELECT sum(amount) AS gross FROM o WHERE ${NOW}`)).gross;
  const units = `SELECT o.${dimension} AS k, sum(l.quantity) AS units FROM l JOIN o USING (order_id) WHERE o.${NOW.replaceAll(' t ', ' o.t ')} GROUP BY 1`;
  const found = await sql.rows(
    `SELECT * FROM (SELECT ${dimension} AS k, ${SUMS} FROM o WHERE ${NOW} GROUP BY 1) JOIN (${units}) USING (k) ORDER BY gross DESC`,
  );
  expect(rows).toEqual(
    found.map((row) => {
      const sums = row as unknown as Sums;
      return { [named]: row.k, ...sales(sums, sums.discount, Number(row.units)), share: sums.gross / whole };
    }),
  );
}

const LINES = 'sum(value) AS gross, sum(quantity) AS units, count(DISTINCT order_id) AS orders';

async function products({ sql }: ShopWorld, order: string, limit: number) {
  const whole = (await sql.numbers<'gross'>(`SELECT sum(value) AS gross FROM l WHERE ${NOW}`)).gross;
  const found = await sql.rows(
    `SELECT sku, ${LINES} FROM l WHERE ${NOW} GROUP BY 1 ORDER BY ${order} DESC LIMIT ${limit}`,
  );
  return found.map(({ sku, gross, units, orders }) => ({
    ...{ product_id: sku, revenue: pounds(Number(gross)), quantity: units, orders },
    share: Number(gross) / whole,
  }));
}

export const ECOMMERCE_NUMBERS: readonly Comparison[] = [
  [
    'GET /analytics/sales',
    async (shop) => {
      const [now, before] = [await salesOf(shop, NOW), await salesOf(shop, BEFORE)];
      expect(await shop.get(`/analytics/sales?${CUSTOM}`)).toMatchObject({
        ...{ currency: 'GBP', ...now.said },
        growth: {
          revenue: growth(now.sums.gross, before.sums.gross),
          orders: growth(now.sums.orders, before.sums.orders),
          average_order_value: expect.closeTo(growth(now.aov, before.aov), 12),
          items_sold: growth(now.units, before.units),
        },
        previous: before.said,
      });
    },
  ],
  [
    'GET /analytics/customers',
    async (shop) => {
      const counts = await shop.sql.numbers<'now' | 'fresh' | 'before' | 'kept' | 'ever'>(`
        SELECT (SELECT count(DISTINCT customer_id) FROM o WHERE ${NOW}) AS now,
          (SELECT count(*) FROM o WHERE is_first AND ${NOW}) AS fresh,
          (SELECT count(DISTINCT customer_id) FROM o WHERE ${BEFORE}) AS before,
          (SELECT count(DISTINCT customer_id) FROM o WHERE ${BEFORE}
            AND customer_id IN (SELECT customer_id FROM o WHERE ${NOW})) AS kept,
          (SELECT count(DISTINCT customer_id) FROM o WHERE ${UNTIL}) AS ever`);
      const { net } = await shop.sql.numbers<'net'>(`
        SELECT (SELECT sum(amount - discount) FROM o WHERE ${UNTIL})
          - (SELECT coalesce(sum(amount), 0) FROM x WHERE type = 'refund.issued' AND ${UNTIL}) AS net`);
      expect(await shop.get(`/analytics/customers?${CUSTOM}`)).toMatchObject({
        ...{ total_customers: counts.now, new_customers: counts.fresh },
        returning_customers: counts.now - counts.fresh,
        ...{ retention_rate: counts.kept / counts.before, churned_customers: counts.before - counts.kept },
        ...{ average_lifetime_value: pounds(net / counts.ever), currency: 'GBP' },
      });
    },
  ],
  [
    'GET /analytics/conversion',
    async (shop) => {
      const { visits, carts, checkouts, orders } = await shop.sql.numbers<
        'visits' | 'carts' | 'checkouts' | 'orders'
      >(`
        SELECT count(*) AS visits, count(*) FILTER (WHERE session_id IN (SELECT session_id FROM e WHERE type = 'add_to_cart')) AS carts,
          count(*) FILTER (WHERE session_id IN (SELECT session_id FROM e WHERE type = 'checkout_initiated')) AS checkouts,
          count(*) FILTER (WHERE session_id IN (SELECT session_id FROM o)) AS orders
        FROM e WHERE type = 'visit' AND ${NOW}`);
      // The last session before midnight may order behind it.
      const rates = await shop.sql.numbers<'orders' | 'ordering' | 'carts'>(`
        SELECT count(*) FILTER (WHERE type = 'order.created') AS orders,
          count(DISTINCT session_id) FILTER (WHERE type = 'order.created') AS ordering,
          count(DISTINCT session_id) FILTER (WHERE type = 'add_to_cart') AS carts FROM e WHERE ${NOW}`);
      expect(await shop.get(`/analytics/conversion?${CUSTOM}`)).toMatchObject({
        sessions: visits,
        funnel: [
          { stage: 'sessions', count: visits, rate: 1 },
          { stage: 'carts', count: carts, rate: carts / visits },
          { stage: 'checkouts', count: checkouts, rate: checkouts / visits },
          { stage: 'orders', count: orders, rate: orders / visits },
        ],
        conversion_rate: rates.orders / visits,
        cart_abandonment_rate: expect.closeTo(1 - rates.ordering / rates.carts, 12),
        checkout_abandonment_rate: 1 - orders / checkouts,
      });
      expect(orders).toBeLessThan(checkouts);
    },
  ],
  [
    'GET /analytics/realtime',
    async (shop) => {
      const since = (start_ms: number) =>
        shop.sql.numbers<'orders' | 'gross'>(
          `SELECT count(*) AS orders, coalesce(sum(amount), 0) AS gross FROM o WHERE t >= ${start_ms} AND t <= ${NOW_MS}`,
        );
      const [hour, today] = [await since(NOW_MS - HOUR_MS), await since(END_MS)];
      const { sessions } = await shop.sql.numbers<'sessions'>(
        `SELECT count(DISTINCT session_id) AS sessions FROM e WHERE t >= ${NOW_MS - 5 * 60_000}`,
      );
      const recent = await shop.sql.rows('SELECT t FROM e ORDER BY t DESC LIMIT 20');
      const said = await shop.get('/analytics/realtime');
      expect(said).toMatchObject({
        ...{ active_sessions: sessions, currency: 'GBP' },
        last_hour: { orders: hour.orders, revenue: pounds(hour.gross) },
        today: { orders: today.orders, revenue: pounds(today.gross) },
      });
      const activity = said.recent_activity as readonly { time: string }[];
      expect(activity.map(({ time }) => Date.parse(time))).toEqual(recent.map(({ t }) => t));
      expect([sessions, hour.orders]).not.toContain(0);
    },
  ],
  [
    'GET /analytics/products/top',
    async (shop) => {
      for (const [sort, column] of [
        ['revenue', 'gross'],
        ['quantity', 'units'],
        ['orders', 'orders'],
      ] as const) {
        const said = await shop.get(`/analytics/products/top?${CUSTOM}&limit=1000&sort_by=${sort}`);
        const listed = said.products as readonly Json[];
        const all = await products(shop, column, 1_000);
        expect(by(listed, 'product_id')).toEqual(by(all, 'product_id'));
        const member = { gross: 'revenue', units: 'quantity', orders: 'orders' }[column];
        const values = listed.map((one) => Number(one[member]));
        expect(values).toEqual([...values].sort((a, b) => b - a));
      }
      const { products: top } = await shop.get(`/analytics/products/top?${CUSTOM}&limit=3`);
      expect(top).toEqual(await products(shop, 'gross', 3));
    },
  ],
  [
    'GET /analytics/products/{product_id}',
    async (shop) => {
      const sku = 'tea-assam';
      const own = (await products(shop, 'gross', 1_000)).find(({ product_id }) => product_id === sku);
      const { returned } = await shop.sql.numbers<'returned'>(`
        SELECT coalesce(sum(i.quantity), 0) AS returned
        FROM (SELECT t, unnest(items) AS i FROM x WHERE type = 'return.received') WHERE i.sku = '${sku}' AND ${NOW}`);
      const days = await shop.sql.rows(`
        SELECT t // ${DAY_MS} AS day, ${LINES} FROM l WHERE sku = '${sku}' AND ${NOW} GROUP BY 1`);
      const ofDay = new Map(days.map((row) => [row.day, row]));
      const said = await shop.get(`/analytics/products/${sku}?${CUSTOM}`);
      const { share, ...numbers } = own ?? { share: null };
      expect(said).toMatchObject({
        ...{ ...numbers, share_of_revenue: share, units_returned: returned },
        return_rate: returned / Number(own?.quantity),
      });
      expect(returned).toBeGreaterThan(0);
      expect(said.daily_trend).toEqual(
        Array.from({ length: 14 }, (_, at) => {
          const { gross = 0, units = 0, orders = 0 } = ofDay.get(START_MS / DAY_MS + at) ?? {};
          const date = new Date(START_MS + at * DAY_MS).toISOString().replace('.000', '');
          return { date, revenue: pounds(Number(gross)), quantity: units, orders };
        }),
      );
    },
  ],
  [
    'GET /analytics/categories',
    async (shop) => {
      const { gross: whole } = await shop.sql.numbers<'gross'>(
        `SELECT sum(amount) AS gross FROM o WHERE ${NOW}`,
      );
      const rows = await shop.sql.rows(
        `SELECT category, ${LINES} FROM l WHERE ${NOW} GROUP BY 1 ORDER BY gross DESC`,
      );
      const { categories } = await shop.get(`/analytics/categories?${CUSTOM}`);
      expect(categories).toMatchObject(
        rows.map(({ category, gross, units, orders }) => ({
          ...{ category, revenue: pounds(Number(gross)), items_sold: units, orders },
          share: Number(gross) / whole,
        })),
      );
    },
  ],
  [
    'GET /analytics/revenue/trend',
    async (shop) => {
      for (const [granularity, step_ms] of [
        ['hour', HOUR_MS],
        ['day', DAY_MS],
        ['week', 7 * DAY_MS],
      ] as const) {
        // Weeks begin on Monday, as the range does.
        const rows = await shop.sql.rows(
          `SELECT (t - ${START_MS}) // ${step_ms} AS bucket, ${SUMS} FROM o WHERE ${NOW} GROUP BY 1`,
        );
        const ofBucket = new Map(rows.map((row) => [row.bucket, row as unknown as Sums]));
        const said = await shop.get(`/analytics/revenue/trend?${CUSTOM}&granularity=${granularity}`);
        expect(said.trend).toEqual(
          Array.from({ length: (END_MS - START_MS) / step_ms }, (_, at) => {
            const sums = ofBucket.get(at) ?? { orders: 0, gross: 0, discount: 0 };
            const { items_sold: _sold, ...numbers } = sales(sums, sums.discount, 0);
            return { date: new Date(START_MS + at * step_ms).toISOString().replace('.000', ''), ...numbers };
          }),
        );
      }
    },
  ],
  [
    'GET /analytics/revenue/by-channel',
    async (shop) => {
      const said = await shop.get(`/analytics/revenue/by-channel?${CUSTOM}`);
      await splitOf(shop, 'channel', said.channels as readonly Json[]);
      // In euros at the rate of each day.
      const rows = await shop.sql.rows(`
        SELECT channel, sum(amount * r.rate) AS euros FROM o JOIN (SELECT t // ${DAY_MS} AS day, rate FROM e WHERE type = 'fx.rate') r
          ON o.t // ${DAY_MS} = r.day WHERE ${NOW} GROUP BY 1 ORDER BY euros DESC`);
      const { channels, currency } = await shop.get(`/analytics/revenue/by-channel?${CUSTOM}&currency=EUR`);
      expect([currency, channels]).toMatchObject([
        'EUR',
        rows.map(({ channel, euros }) => ({ channel, revenue: pounds(Math.round(Number(euros))) })),
      ]);
    },
  ],
  [
    'GET /analytics/customers/segments',
    async (shop) => {
      const { customers, orders } = await shop.sql.numbers<'customers' | 'orders'>(
        `SELECT count(DISTINCT customer_id) AS customers, count(*) AS orders FROM o WHERE ${NOW}`,
      );
      const first = (await shop.post('/customers/rfm', { ...RANGE, limit: 0 })).segments as readonly Json[];
      const { total_customers, segments } = await shop.get(`/analytics/customers/segments?${CUSTOM}`);
      expect([total_customers, segments]).toEqual([
        customers,
        first.map(({ monetary, ...one }) => ({ ...one, revenue: pounds(Number(monetary)) })),
      ]);
      const sum = (name: string): number =>
        (segments as readonly Json[]).reduce((all, one) => all + Number(one[name]), 0);
      expect([sum('customers'), sum('orders'), sum('share')]).toEqual([
        customers,
        orders,
        expect.closeTo(1, 9),
      ]);
    },
  ],
  [
    'GET /analytics/geographic',
    async (shop) => {
      const { countries, regions } = await shop.get(`/analytics/geographic?${CUSTOM}`);
      await splitOf(shop, 'country', countries as readonly Json[]);
      await splitOf(shop, 'region', regions as readonly Json[]);
    },
  ],
  [
    'GET /analytics/inventory/alerts',
    async (shop) => {
      const { products: known, alerts } = await shop.get('/analytics/inventory/alerts');
      const { levels, expected } = await stockOf(shop, NOW_MS);
      expect([known, by(alerts as readonly Json[], 'product_id')]).toMatchObject([
        levels,
        by(expected, 'product_id'),
      ]);
      expect(alerts).toHaveLength(expected.length);
    },
  ],
];

export interface Alert {
  readonly product_id: unknown;
  readonly alert: string;
  readonly quantity: number;
  readonly reorder_point: unknown;
  readonly units_sold_28d: number;
  readonly days_of_cover: number | null;
}

/** What there was of products at a moment: how many are known, their units, and which need somebody. */
export async function stockOf(
  { sql }: ShopWorld,
  at_ms: number,
): Promise<{ readonly levels: number; readonly units: number; readonly expected: readonly Alert[] }> {
  const minute = 60_000;
  const [from, to] = [
    Math.floor((at_ms - 28 * DAY_MS) / minute) * minute,
    Math.ceil((at_ms + 1) / minute) * minute,
  ];
  const rows = await sql.rows(`
    SELECT sku, quantity, reorder_point, coalesce(sold, 0) AS sold FROM (
      SELECT sku, last(quantity ORDER BY t) AS quantity, last(reorder_point ORDER BY t) AS reorder_point
      FROM e WHERE type = 'inventory.level' AND t <= ${at_ms} GROUP BY 1)
    LEFT JOIN (SELECT sku, sum(quantity) AS sold FROM l WHERE t >= ${from} AND t < ${to} GROUP BY 1) USING (sku)`);
  const all = rows.map(({ sku, quantity, reorder_point, sold }) => {
    const [there, units] = [Number(quantity), Number(sold)];
    const cover = units === 0 ? null : there / (units / 28);
    const alert =
      there <= 0
        ? 'out_of_stock'
        : there <= Number(reorder_point)
          ? 'low_stock'
          : cover === null || cover > 180
            ? 'overstocked'
            : '';
    return {
      product_id: sku,
      alert,
      quantity: there,
      reorder_point,
      units_sold_28d: units,
      days_of_cover: cover,
    };
  });
  return {
    levels: all.length,
    units: all.reduce((sum, { quantity }) => sum + quantity, 0),
    expected: all.filter(({ alert }) => alert !== ''),
  };
}
