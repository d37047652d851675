import { expect } from 'vitest';
import { by, type Comparison, FIRST_DAY, type Json, LAST_DAY, NOW, START_MS, text } from './fixture-world.ts';

/** Numbers of the orders API against SQL: money as decimal texts, rates as fractions. For tests. */

const SPAN = `from=${FIRST_DAY}&to=${LAST_DAY}`;
const DAY_MS = 86_400_000;
const path = (what: string): string => `/api/v1/orders/analytics/${what}?${SPAN}`;
const DUE = 'amount - discount + shipping + tax';
const PAYMENT = `CASE WHEN refunded > 0 THEN CASE WHEN refunded >= CASE WHEN paid > 0 THEN paid ELSE ${DUE} END THEN 'refunded' ELSE 'partially_refunded' END
  WHEN paid >= ${DUE} THEN 'paid' WHEN paid > 0 THEN 'partially_paid'
  WHEN order_id IN (SELECT order_id FROM e WHERE type = 'payment.failed') THEN 'failed' ELSE 'pending' END`;
const GROSS = 'count(*) AS orders, sum(amount) AS gross';

const counted = (rows: readonly Json[], name: string) => {
  const all = rows.reduce((sum, { orders }) => sum + Number(orders), 0);
  return by(
    rows.map(({ k, orders, gross }) => ({
      [name]: k,
      orders,
      revenue: text(Number(gross)),
      share: Number(orders) / all,
    })),
    name,
  );
};

/** A page of orders and the lines of a file say the same of each. */
const ORDER = `order_id AS id, status, ${PAYMENT} AS payment_status, ${DUE} AS total, amount, discount, shipping, tax, paid, refunded, customer_id, t`;

export const ORDERS_NUMBERS: readonly Comparison[] = [
  [
    'GET /api/v1/orders/analytics/dashboard',
    async ({ sql, get }) => {
      const sums = await sql.numbers<'orders' | 'gross' | 'discount' | 'customers'>(
        `SELECT ${GROSS}, sum(discount) AS discount, count(DISTINCT customer_id) AS customers FROM o WHERE ${NOW}`,
      );
      const groups = (what: string) =>
        sql.rows(`SELECT ${what} AS k, ${GROSS} FROM s WHERE ${NOW} GROUP BY 1`);
      const { data } = (await get(path('dashboard'))) as { data: Json };
      expect(data).toMatchObject({
        ...{ total_orders: sums.orders, total_revenue: text(sums.gross), unique_customers: sums.customers },
        ...{ average_order_value: text((sums.gross - sums.discount) / sums.orders), currency: 'GBP' },
      });
      const [statuses, payments] = [await groups('status'), await groups(PAYMENT)];
      expect(by(data.by_status as readonly Json[], 'status')).toEqual(counted(statuses, 'status'));
      expect(by(data.by_payment_status as readonly Json[], 'payment_status')).toEqual(
        counted(payments, 'payment_status'),
      );
      expect([statuses.length, payments.length]).toEqual([expect.closeTo(5, -1), expect.closeTo(4, -1)]);
    },
  ],
  [
    'GET /api/v1/orders/analytics/revenue',
    async ({ sql, get }) => {
      const days = await sql.rows(`SELECT t // ${DAY_MS} AS day, ${GROSS} FROM o WHERE ${NOW} GROUP BY 1`);
      const ofDay = new Map(days.map((row) => [row.day, row]));
      const { data } = (await get(path('revenue'))) as { data: Json };
      expect(data.series).toEqual(
        Array.from({ length: 14 }, (_, at) => {
          const { orders = 0, gross = 0 } = ofDay.get(START_MS / DAY_MS + at) ?? {};
          const date = new Date(START_MS + at * DAY_MS).toISOString().slice(0, 10);
          return { date, orders, revenue: text(Number(gross)) };
        }),
      );
    },
  ],
  [
    'GET /api/v1/orders/analytics/fulfillment',
    async ({ sql, get }) => {
      const counts = await sql.numbers<'total_orders' | 'shipped' | 'delivered' | 'cancelled' | 'rto'>(`
        SELECT count(*) AS total_orders, count(*) FILTER (WHERE order_id IN (SELECT order_id FROM e WHERE type = 'order.shipped')) AS shipped,
          ${['delivered', 'cancelled', 'rto'].map((one) => `count(*) FILTER (WHERE status = '${one}') AS ${one}`).join()}
        FROM s WHERE ${NOW}`);
      const { total_orders, delivered, cancelled, rto } = counts;
      expect((await get(path('fulfillment'))).data).toEqual({
        ...{ ...counts, delivery_rate: delivered / total_orders },
        ...{ cancellation_rate: cancelled / total_orders, rto_rate: rto / total_orders },
      });
      expect([delivered, cancelled, rto]).not.toContain(0);
    },
  ],
  [
    'GET /api/v1/orders/analytics/sources',
    async ({ sql, get }) => {
      const rows = await sql.rows(
        `SELECT source, ${GROSS} FROM o WHERE ${NOW} GROUP BY 1 ORDER BY gross DESC`,
      );
      const { data } = (await get(path('sources'))) as { data: Json };
      expect(data.sources).toEqual(
        rows.map(({ gross, ...row }) => ({ ...row, revenue: text(Number(gross)) })),
      );
    },
  ],
  [
    'GET /api/v1/orders/analytics/products',
    async ({ sql, get }) => {
      const rows = await sql.rows(`
        SELECT sku, sum(quantity) AS quantity, count(DISTINCT order_id) AS orders, sum(value) AS gross
        FROM l WHERE ${NOW} GROUP BY 1 ORDER BY gross DESC`);
      const { data } = (await get(`${path('products')}&limit=4`)) as { data: Json };
      expect(data.products).toEqual(
        rows.slice(0, 4).map(({ gross, ...row }) => ({ ...row, revenue: text(Number(gross)) })),
      );
      const all = (await get(`${path('products')}&limit=1000&sort_by=quantity`)).data as Json;
      expect((all.products as readonly Json[]).map(({ quantity }) => quantity)).toEqual(
        rows.map(({ quantity }) => Number(quantity)).sort((a, b) => b - a),
      );
    },
  ],
  [
    'GET /api/v1/orders/analytics/cod-vs-prepaid',
    async ({ sql, get }) => {
      const rows = await sql.rows(`
        SELECT CASE payment_method WHEN 'cod' THEN 'cod' ELSE 'prepaid' END AS kind, ${GROSS},
          count(*) FILTER (WHERE status = 'delivered') AS delivered, count(*) FILTER (WHERE status = 'rto') AS rto
        FROM s WHERE ${NOW} GROUP BY 1`);
      const all = rows.reduce((sum, { orders }) => sum + Number(orders), 0);
      const nothing = { orders: 0, revenue: '0.00', share: 0, delivery_rate: null, rto_rate: null };
      expect((await get(path('cod-vs-prepaid'))).data).toEqual({
        ...{ currency: 'GBP', unknown: nothing },
        ...Object.fromEntries(
          rows.map(({ kind, orders, gross, delivered, rto }) => [
            kind,
            {
              ...{ orders, revenue: text(Number(gross)), share: Number(orders) / all },
              ...{
                delivery_rate: Number(delivered) / Number(orders),
                rto_rate: Number(rto) / Number(orders),
              },
            },
          ]),
        ),
      });
    },
  ],
  [
    'POST /api/v1/orders/bulk/export',
    async ({ sql, send }) => {
      const rows = await sql.rows(`SELECT ${ORDER} FROM s WHERE ${NOW} AND status = 'delivered'`);
      const columns = ['id', 'total', 'subtotal', 'discount', 'tax', 'paid', 'refunded', 'payment_status'];
      const json = { filters: { status: 'delivered', date_from: FIRST_DAY, date_to: LAST_DAY }, columns };
      const response = await send('/api/v1/orders/bulk/export', { json });
      const [head, ...lines] = (await response.text()).trim().split('\r\n');
      expect([response.status, head]).toEqual([200, columns.join()]);
      const expected = rows.map((row) => {
        const money = [row.total, row.amount, row.discount, row.tax, row.paid, row.refunded];
        return [row.id, ...money.map((minor) => text(Number(minor))), row.payment_status].join();
      });
      expect(lines.toSorted()).toEqual(expected.toSorted());
      expect(lines.length).toBeGreaterThan(50);
    },
  ],
  [
    'GET /api/v1/orders',
    async ({ sql, get }) => {
      const rows = await sql.rows(`SELECT ${ORDER} FROM s WHERE ${NOW} ORDER BY t DESC`);
      const { data, total } = (await get(
        `/api/v1/orders?date_from=${FIRST_DAY}&date_to=${LAST_DAY}&limit=100`,
      )) as {
        data: readonly Json[];
        total: number;
      };
      expect([total, data.length]).toEqual([rows.length, 100]);
      expect(data).toMatchObject(
        rows.slice(0, 100).map((row) => ({
          ...{ id: row.id, status: row.status, payment_status: row.payment_status, currency: 'GBP' },
          ...{
            total: text(Number(row.total)),
            subtotal: text(Number(row.amount)),
            tax: text(Number(row.tax)),
          },
          ...{ discount: text(Number(row.discount)), shipping: text(Number(row.shipping)) },
          ...{
            paid: text(Number(row.paid)),
            refunded: text(Number(row.refunded)),
            customer: { id: row.customer_id },
          },
        })),
      );
    },
  ],
];
