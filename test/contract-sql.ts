import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api';
import type { Event } from './contract-service.ts';
import { CUSTOM, VALUES } from './contract-traffic.ts';

/**
 * Section 3 of the contract as SQL over the events as they were sent: newest versions member by member, what events
 * have from their order, which of them are firsts, the split over items. It shares nothing with the product.
 */

const DIMENSIONS = ['sku', 'category', ...Object.keys(VALUES)];
const ITEM = ['sku', 'category'];
/** What an order says of itself, and an event may have from it. */
const INHERITED = DIMENSIONS.filter((name) => name !== 'source');
const AMOUNTS = ['amount', 'discount', 'shipping', 'tax'];
const VERSIONS = `type IN ('order.created', 'order.updated')`;
const DEPENDENT = `type IN ('payment.succeeded', 'payment.failed', 'refund.issued', 'order.shipped', 'order.delivered',
  'order.cancelled', 'order.rto', 'return.requested', 'return.received', 'chargeback.received')`;

const quote = (text: string): string => `'${text.replaceAll("'", "''")}'`;
const list = (names: readonly string[], of: (name: string) => string): string => names.map(of).join(', ');

const member = (name: string): string =>
  name === CUSTOM
    ? `coalesce(nullif(j->>'$.${name}', ''), nullif(j->>'$.data.${name}', '')) AS ${name}`
    : `nullif(j->>'$.${name}', '') AS ${name}`;

const EVENTS = `
  CREATE OR REPLACE TABLE e AS
  WITH named AS (
    SELECT seq, j->>'$.event_id' AS id, lower(translate(j->>'$.type', '_-', '..')) AS name,
      epoch_ms((j->>'$.time')::TIMESTAMPTZ) AS t, upper(nullif(j->>'$.currency', '')) AS currency,
      ${list(['order_id', 'customer_id', 'session_id', 'ticket_id', ...DIMENSIONS], member)},
      ${list(AMOUNTS, (name) => `(j->>'$.${name}')::HUGEINT AS ${name}`)},
      nullif(from_json(j->'$.items',
        '[{"sku": "VARCHAR", "category": "VARCHAR", "quantity": "HUGEINT", "unit_price": "HUGEINT"}]'), []) AS items
    FROM raw WHERE seq <= $upTo
    QUALIFY row_number() OVER (PARTITION BY j->>'$.event_id' ORDER BY seq) = 1
  )
  SELECT *, CASE name WHEN 'order.placed' THEN 'order.created' WHEN 'order.completed' THEN 'order.created'
      WHEN 'order.canceled' THEN 'order.cancelled' ELSE name END AS type,
    coalesce('id ' || order_id, 'lone ' || id) AS okey
  FROM named`;

const newest = (name: string): string =>
  `last(${name} ORDER BY t, id) FILTER (WHERE ${name} IS NOT NULL) AS ${name}`;

/** An order as its newest version says it, with the time of its first creation. */
const ORDERS = `
  CREATE OR REPLACE TABLE o AS
  SELECT okey, ${list(['currency', 'customer_id', 'session_id', ...INHERITED, ...AMOUNTS, 'items'], newest)},
    min(t) FILTER (WHERE type = 'order.created') AS created_t
  FROM e WHERE ${VERSIONS} AND (order_id IS NOT NULL OR type = 'order.created') GROUP BY okey`;

export const MEASURES = [
  ...['orders', 'orders_paid', 'orders_shipped', 'orders_delivered', 'orders_cancelled', 'orders_rto'],
  ...['orders_refunded', 'returns', 'visits', 'sessions', 'sessions_with_cart', 'sessions_with_order'],
  ...['customers_new', 'units', 'ship_ms', 'ship_count', 'response_ms', 'response_count'],
  ...['gross', 'discount', 'shipping', 'tax', 'paid', 'refund', 'cancelled'],
] as const;
export type SqlMeasure = (typeof MEASURES)[number];
const SPLIT = ['discount', 'shipping', 'tax', 'paid', 'refund'];

const first = (of: string): string => `row_number() OVER (PARTITION BY ${of} ORDER BY t, id) = 1`;
const one = (when: string): string => `CASE WHEN ${when} THEN 1 ELSE 0 END`;
/** The columns of a fact, those that are not given being nothing. */
const measures = (given: Readonly<Record<string, string>>): string =>
  list(
    MEASURES,
    (name) =>
      `${given[name] ?? (['gross', 'cancelled', ...SPLIT].includes(name) ? 'NULL' : '0')}::HUGEINT AS ${name}`,
  );
const firstOf = (type: string): string => one(`type = '${type}' AND is_first`);

/** The category that the order's first line of a sku gives. */
const categoryOf = (sku: string): string =>
  `list_filter(o.items, lambda y: y.sku = ${sku} AND y.sku <> '' AND y.category <> '')[1].category`;
const inheritedOf: Readonly<Record<string, string>> = {
  category: `coalesce(e.category, CASE WHEN e.items IS NULL THEN ${categoryOf('e.sku')} END, o.category)`,
};

const FACTS = `
  CREATE OR REPLACE TABLE f AS
  SELECT e.id, e.t, e.type, e.okey, o.currency, o.customer_id AS customer, o.session_id AS session, e.source,
    ${list(INHERITED, (name) => `o.${name}`)}, o.items,
    ${measures({
      orders: '1',
      customers_new: one(
        'o.customer_id IS NOT NULL AND row_number() OVER (PARTITION BY o.customer_id ORDER BY e.t, e.id) = 1',
      ),
      sessions_with_order: one(
        'o.session_id IS NOT NULL AND row_number() OVER (PARTITION BY o.session_id ORDER BY e.t, e.id) = 1',
      ),
      units: 'coalesce(list_sum(list_transform(o.items, lambda x: x.quantity)), 0)',
      gross: 'o.amount',
      ...Object.fromEntries(['discount', 'shipping', 'tax'].map((name) => [name, `o.${name}`])),
    })}
  FROM (SELECT * FROM e WHERE type = 'order.created' QUALIFY ${first('okey')}) e JOIN o USING (okey)
  UNION ALL BY NAME
  SELECT e.id, e.t, e.type, e.okey, coalesce(e.currency, o.currency) AS currency,
    coalesce(e.customer_id, o.customer_id) AS customer, e.session_id AS session, e.source,
    ${list(INHERITED, (name) => `${inheritedOf[name] ?? `coalesce(e.${name}, o.${name})`} AS ${name}`)},
    CASE WHEN e.items IS NOT NULL THEN list_transform(e.items, lambda x: struct_pack(sku := x.sku,
        category := coalesce(nullif(x.category, ''), ${categoryOf('x.sku')}),
        quantity := x.quantity, unit_price := x.unit_price))
      WHEN e.sku IS NULL AND e.category IS NULL THEN o.items END AS items,
    ${measures({
      orders_paid: firstOf('payment.succeeded'),
      orders_shipped: firstOf('order.shipped'),
      orders_delivered: firstOf('order.delivered'),
      orders_cancelled: firstOf('order.cancelled'),
      orders_rto: firstOf('order.rto'),
      orders_refunded: firstOf('refund.issued'),
      returns: one(`type = 'return.received'`),
      ship_ms: `CASE WHEN type = 'order.shipped' AND is_first AND o.created_t IS NOT NULL THEN e.t - o.created_t ELSE 0 END`,
      ship_count: one(`type = 'order.shipped' AND is_first AND o.created_t IS NOT NULL`),
      paid: `CASE WHEN type = 'payment.succeeded' THEN e.amount END`,
      refund: `CASE WHEN type = 'refund.issued' THEN e.amount END`,
      cancelled: `CASE WHEN type = 'order.cancelled' AND is_first THEN
        CASE WHEN e.order_id IS NULL THEN e.amount WHEN o.created_t IS NOT NULL THEN o.amount END END`,
    })}
  FROM (SELECT *, ${first('okey, type')} AS is_first FROM e WHERE ${DEPENDENT}) e LEFT JOIN o USING (okey)
  UNION ALL BY NAME
  SELECT id, t, type, okey, currency, customer_id AS customer, session_id AS session, ${list(DIMENSIONS, String)}, items,
    ${measures({
      visits: one(`type = 'visit'`),
      sessions: one(`type = 'visit' AND session_id IS NOT NULL AND is_first`),
      sessions_with_cart: one(`type = 'add.to.cart' AND session_id IS NOT NULL AND is_first`),
    })}
  FROM (SELECT *, ${first('session_id, type')} AS is_first FROM e WHERE type IN ('visit', 'add.to.cart'))
  UNION ALL BY NAME
  SELECT r.id, r.t, r.type, r.okey, r.currency, r.customer_id AS customer, r.session_id AS session,
    ${list(DIMENSIONS, (name) => `r.${name}`)}, r.items, ${measures({ response_ms: 'r.t - opened.t', response_count: '1' })}
  FROM (SELECT * FROM e WHERE type = 'ticket.first.response' QUALIFY ${first('ticket_id')}) r
    JOIN (SELECT ticket_id, min(t) AS t FROM e WHERE type = 'ticket.opened' GROUP BY 1) opened USING (ticket_id)`;

/** Each line's part of its fact's amounts, by Hamilton's method. */
const LINES = `
  CREATE OR REPLACE TABLE l AS
  WITH line AS (
    SELECT id, x.sku AS sku, x.category AS category, x.quantity AS quantity, x.quantity * x.unit_price AS value, pos
    FROM (SELECT id, unnest(items) AS x, generate_subscripts(items, 1) AS pos FROM f WHERE items IS NOT NULL)
  ), weighed AS (
    SELECT line.*, abs(value) AS w, (sum(abs(value)) OVER (PARTITION BY line.id))::HUGEINT AS total,
      ${list(SPLIT, (name) => `f.${name} AS ${name}`)}
    FROM line JOIN f USING (id)
  ), cut AS (
    SELECT *, ${list(SPLIT, (name) => `CASE WHEN total > 0 THEN abs(${name}) * w // total END AS q_${name}, CASE WHEN total > 0 THEN abs(${name}) * w % total END AS r_${name}`)}
    FROM weighed
  ), ranked AS (
    SELECT *, ${list(SPLIT, (name) => `abs(${name}) - sum(q_${name}) OVER (PARTITION BY id) AS left_${name}, row_number() OVER (PARTITION BY id ORDER BY r_${name} DESC, pos) AS rank_${name}`)}
    FROM cut
  )
  SELECT id, pos, nullif(sku, '') AS sku, nullif(category, '') AS category, quantity, value,
    ${list(
      SPLIT,
      (
        name,
      ) => `(CASE WHEN ${name} IS NULL THEN NULL WHEN total = 0 THEN CASE WHEN pos = 1 THEN ${name} ELSE 0 END
        ELSE sign(${name}) * (q_${name} + CASE WHEN rank_${name} <= left_${name} THEN 1 ELSE 0 END) END)::HUGEINT AS ${name}`,
    )}
  FROM ranked`;

export interface SqlQuery {
  readonly group_by: readonly string[];
  readonly filters: Readonly<Record<string, unknown>>;
  readonly start: string;
  readonly end: string;
  readonly timezone: string;
  readonly granularity?: string;
}

/** Sums of one combination of group values, currency, bucket and UTC day. */
export interface SqlCell {
  readonly key: readonly (string | null)[];
  readonly currency: string | null;
  readonly bucket_ms: number;
  readonly day: number;
  readonly sums: Readonly<Record<SqlMeasure, bigint>>;
  readonly customers: readonly string[];
}

/** What one event counts for. */
export interface SqlFact {
  readonly id: string;
  readonly okey: string;
  readonly country: string | null;
  readonly currency: string | null;
  readonly sums: Readonly<Record<SqlMeasure, bigint>>;
}

export class ContractSql {
  readonly #connection: DuckDBConnection;

  private constructor(connection: DuckDBConnection) {
    this.#connection = connection;
  }

  static async open(): Promise<ContractSql> {
    const connection = await (await DuckDBInstance.create(':memory:', { threads: '1' })).connect();
    await connection.run('CREATE TABLE raw (seq INTEGER, j JSON)');
    return new ContractSql(connection);
  }

  close(): void {
    this.#connection.closeSync();
  }

  async add(events: readonly (readonly [sequence: number, event: Event])[]): Promise<void> {
    for (let at = 0; at < events.length; at += 500) {
      const rows = events
        .slice(at, at + 500)
        .map(([sequence, event]) => `(${sequence}, ${quote(JSON.stringify(event))})`);
      await this.#connection.run(`INSERT INTO raw VALUES ${rows.join()}`);
    }
  }

  /** What is to be said of the events up to a sequence. */
  async settle(upTo = 2 ** 31 - 1): Promise<void> {
    for (const sql of [EVENTS.replace('$upTo', String(upTo)), ORDERS, FACTS, LINES])
      await this.#connection.run(sql);
  }

  async #rows(sql: string): Promise<Record<string, unknown>[]> {
    return (await this.#connection.runAndReadAll(sql)).getRowObjectsJS() as Record<string, unknown>[];
  }

  async cells(query: SqlQuery): Promise<readonly SqlCell[]> {
    const rows = await this.#rows(`
      SELECT ${[
        ...query.group_by.map((name, at) => `${name} AS k${at}`),
        `currency AS unit, ${bucketOf(query)} AS bucket, t // 86400000 AS day`,
        ...MEASURES.map((name) => `coalesce(sum(${name}), 0)::HUGEINT::VARCHAR AS ${name}`),
      ].join()},
        to_json(list(DISTINCT customer) FILTER (WHERE orders > 0 AND customer IS NOT NULL))::VARCHAR AS customers
      FROM (${factsOf(query)}) GROUP BY ALL`);
    return rows.map((row) => ({
      key: query.group_by.map((_, at) => row[`k${at}`] as string | null),
      currency: row.unit as string | null,
      bucket_ms: Number(row.bucket),
      day: Number(row.day),
      sums: sumsOf(row),
      customers: (JSON.parse(String(row.customers ?? '[]')) as string[]) ?? [],
    }));
  }

  /** The single amounts behind a measure, of one currency, by group: sorted. */
  async amounts(query: SqlQuery, measure: SqlMeasure): Promise<ReadonlyMap<string, readonly bigint[]>> {
    const keys = query.group_by.map((name, at) => `${name} AS k${at},`).join('');
    const rows = await this.#rows(`
      SELECT ${keys} to_json(list(${measure}::VARCHAR ORDER BY ${measure}))::VARCHAR AS amounts
      FROM (${factsOf(query)}) WHERE ${measure} IS NOT NULL GROUP BY ALL`);
    return new Map(
      rows.map((row) => [
        JSON.stringify(query.group_by.map((_, at) => row[`k${at}`])),
        ((JSON.parse(String(row.amounts)) as string[] | null) ?? []).map(BigInt),
      ]),
    );
  }

  async facts(): Promise<readonly SqlFact[]> {
    const rows = await this.#rows(
      `SELECT id, okey, country, currency, ${list(MEASURES, (name) => `coalesce(${name}, 0)::VARCHAR AS ${name}`)} FROM f`,
    );
    return rows.map((row) => ({ ...(row as unknown as Omit<SqlFact, 'sums'>), sums: sumsOf(row) }));
  }
}

function sumsOf(row: Readonly<Record<string, unknown>>): Readonly<Record<SqlMeasure, bigint>> {
  return Object.fromEntries(MEASURES.map((name) => [name, BigInt(String(row[name]))])) as Record<
    SqlMeasure,
    bigint
  >;
}

/** The facts that pass, split by their lines where items are asked for. */
function factsOf({ group_by, filters, start, end }: SqlQuery): string {
  const range = `t >= ${Date.parse(start)} AND t < ${Date.parse(end)}`;
  const asked = [...group_by, ...Object.keys(filters)];
  const tests = (item: boolean): string =>
    Object.entries(filters)
      .filter(([name]) => ITEM.includes(name) === item)
      .map(([name, filter]) => testOf(name, filter))
      .concat('true')
      .join(' AND ');
  const passing = `SELECT * FROM f WHERE ${range} AND ${tests(false)}`;
  if (!asked.some((name) => ITEM.includes(name))) return passing;
  const grouped = list(ITEM, (name) => (group_by.includes(name) ? name : `NULL AS ${name}`));
  return `
    WITH passing AS (${passing})
    SELECT * EXCLUDE items FROM passing WHERE items IS NULL AND ${tests(true)}
    UNION ALL BY NAME
    SELECT p.* EXCLUDE items REPLACE (g.sku AS sku, g.category AS category,
      CASE WHEN orders > 0 THEN g.value END AS gross,
      CASE WHEN orders > 0 THEN g.quantity ELSE 0 END AS units,
      CASE WHEN orders_cancelled > 0 AND (okey LIKE 'lone %' OR okey IN (SELECT okey FROM o WHERE created_t IS NOT NULL))
        THEN g.value END AS cancelled,
      ${list(SPLIT, (name) => `g.${name} AS ${name}`)})
    FROM passing p JOIN (
      SELECT id, ${grouped}, sum(quantity)::HUGEINT AS quantity, sum(value)::HUGEINT AS value,
        ${list(SPLIT, (name) => `sum(${name})::HUGEINT AS ${name}`)}
      FROM l WHERE ${tests(true)} GROUP BY ALL
    ) g USING (id)`;
}

function testOf(name: string, filter: unknown): string {
  const isNot = typeof filter === 'object' && filter !== null && 'not' in filter;
  const given = isNot ? filter.not : filter;
  const values = (Array.isArray(given) ? given : [given]) as (string | null)[];
  const texts = values.filter((value) => value !== null);
  const either = [
    ...(texts.length < values.length ? [`${name} IS NULL`] : []),
    ...(texts.length > 0 ? [`coalesce(${name} IN (${list(texts, quote)}), false)`] : []),
  ].join(' OR ');
  return isNot ? `NOT (${either})` : `(${either})`;
}

const PERIODS: Readonly<Record<string, string>> = {
  ...{ '1h': 'hour', '1d': 'day', '1w': 'week', '1M': 'month', '1Q': 'quarter' },
};

function bucketOf({ granularity, timezone }: SqlQuery): string {
  if (granularity === undefined) return '0';
  const zone = quote(timezone);
  const local = `((make_timestamp(t * 1000) AT TIME ZONE 'UTC') AT TIME ZONE ${zone})`;
  if (granularity === '1h') return `t - (epoch_ms(${local}) % 3600000)`;
  return `epoch_ms(date_trunc('${PERIODS[granularity]}', ${local}) AT TIME ZONE ${zone})`;
}
