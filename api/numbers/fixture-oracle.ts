import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api';
import type { ShopEvent } from '../../examples/shop/event.ts';

/** SQL over the events of the example's shop as they were sent: it shares nothing with the product. For tests. */

export type Row = Readonly<Record<string, unknown>>;

const quote = (text: string): string => `'${text.replaceAll("'", "''")}'`;
const MEMBERS = [
  ...['order_id', 'customer_id', 'session_id', 'channel', 'campaign', 'source', 'country', 'region', 'sku'],
  ...['category', 'voucher_code', 'payment_method', 'customer_segment', 'currency', 'reason', 'warehouse'],
];
const NUMBERS = ['amount', 'discount', 'shipping', 'tax', 'quantity', 'reorder_point', 'rate'];
/** Members of `data`. */
const DATA = [
  'ticket_id',
  'employee_id',
  'department',
  'lead_id',
  'stage',
  'subscription_id',
  'interval',
  'ip',
];
const DATA_NUMBERS = ['plan_amount', 'value', 'sla_minutes'];

/** What the shop's events are; its orders have one version each. */
const TABLES = [
  `CREATE TABLE e AS SELECT seq, j->>'$.event_id' AS id, j->>'$.type' AS type,
     epoch_ms((j->>'$.time')::TIMESTAMPTZ) AS t, ${MEMBERS.map((name) => `j->>'$.${name}' AS ${name}`).join()},
     ${NUMBERS.map((name) => `(j->>'$.${name}')::DOUBLE AS ${name}`).join()},
     ${DATA.map((name) => `j->>'$.data.${name}' AS ${name}`).join()},
     ${DATA_NUMBERS.map((name) => `(j->>'$.data.${name}')::DOUBLE AS ${name}`).join()},
     from_json(j->'$.items', '[{"sku":"VARCHAR","category":"VARCHAR","quantity":"DOUBLE","unit_price":"DOUBLE"}]') AS items
   FROM raw`,
  `CREATE TABLE o AS SELECT *, t AS created,
     row_number() OVER (PARTITION BY customer_id ORDER BY t, id) = 1 AS is_first FROM e WHERE type = 'order.created'`,
  // Events of an order have what the order says.
  `CREATE TABLE x AS SELECT e.id, e.type, e.t, e.order_id, e.amount, e.items, e.reason, o.customer_id, o.channel, o.source,
     o.country, o.voucher_code, o.payment_method, o.is_first, o.created, o.amount AS gross
   FROM e JOIN o USING (order_id) WHERE e.type <> 'order.created'`,
  `CREATE TABLE l AS SELECT order_id, t, customer_id, x.sku AS sku, x.category AS category, x.quantity AS quantity,
     x.quantity * x.unit_price AS value FROM (SELECT *, unnest(items) AS x FROM o)`,
  // What an order is by now: the newest event that gives it a status.
  `CREATE TABLE s AS SELECT o.*, coalesce(last_status.status, 'pending') AS status,
     coalesce((SELECT sum(amount) FROM x WHERE x.order_id = o.order_id AND type = 'payment.succeeded'), 0) AS paid,
     coalesce((SELECT sum(amount) FROM x WHERE x.order_id = o.order_id AND type = 'refund.issued'), 0) AS refunded
   FROM o LEFT JOIN (
     SELECT order_id, last(status ORDER BY t) AS status FROM (
       SELECT order_id, t, CASE type WHEN 'order.status_changed' THEN 'processing' WHEN 'order.confirmed' THEN 'confirmed'
         WHEN 'order.shipped' THEN 'shipped' WHEN 'order.delivered' THEN 'delivered' WHEN 'order.cancelled' THEN 'cancelled'
         WHEN 'order.rto' THEN 'rto' END AS status FROM e) WHERE status IS NOT NULL GROUP BY 1) last_status USING (order_id)`,
];

export class Oracle {
  readonly #connection: DuckDBConnection;

  private constructor(connection: DuckDBConnection) {
    this.#connection = connection;
  }

  static async of(events: readonly ShopEvent[]): Promise<Oracle> {
    const connection = await (await DuckDBInstance.create(':memory:', { threads: '1' })).connect();
    await connection.run('CREATE TABLE raw (seq INTEGER, j JSON)');
    for (let at = 0; at < events.length; at += 1_000) {
      const rows = events
        .slice(at, at + 1_000)
        .map((event, i) => `(${at + i}, ${quote(JSON.stringify(event))})`);
      await connection.run(`INSERT INTO raw VALUES ${rows.join()}`);
    }
    for (const sql of TABLES) await connection.run(sql);
    return new Oracle(connection);
  }

  close(): void {
    this.#connection.closeSync();
  }

  /** Counts and sums as numbers: all are far below 2^53. */
  async rows(sql: string): Promise<readonly Row[]> {
    const found = (await this.#connection.runAndReadAll(sql)).getRowObjectsJS() as Row[];
    return found.map((row) =>
      Object.fromEntries(
        Object.entries(row).map(([name, value]) => [name, typeof value === 'bigint' ? Number(value) : value]),
      ),
    );
  }

  async row(sql: string): Promise<Row> {
    const [row = {}] = await this.rows(sql);
    return row;
  }

  /** A row of numbers. */
  async numbers<N extends string>(sql: string): Promise<Readonly<Record<N, number>>> {
    return (await this.row(sql)) as Readonly<Record<N, number>>;
  }
}
