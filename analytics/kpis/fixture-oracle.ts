import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api';
import type { Filter } from '../filters/index.ts';
import { MARK, type Mark, ROW_DIMENSIONS } from '../rows/index.ts';
import { CUSTOM, marksOf, type TestRow } from './fixture-rows.ts';
import type { KpiQuery } from './schema.ts';

/** What DuckDB finds of one combination of group values, currency, bucket and UTC day. */
export interface OracleCell {
  readonly key: readonly string[];
  readonly unit: string;
  readonly bucket_ms: number;
  readonly day: number;
  readonly sums: Readonly<Record<string, bigint>>;
}

/** Net counts of amounts or customers of such a combination. */
export interface OracleCount extends Omit<OracleCell, 'sums'> {
  readonly value: string;
  readonly net: number;
}

const DIMENSIONS = [...ROW_DIMENSIONS, ...CUSTOM];
const NUMBERS = ['amount', 'discount', 'shipping', 'tax', 'value'] as const;
const ITEM = ['sku', 'category'];

const has = (mark: Mark): string => `(marks & ${MARK[mark]}) <> 0`;
const count = (mark: Mark): readonly [string, string] => [has(mark), '1'];

/** By measure: which rows count, and what. */
const MEASURES: Readonly<Record<string, readonly [string, string]>> = {
  orders: count('orders'),
  orders_paid: count('orders_paid'),
  orders_shipped: count('orders_shipped'),
  orders_delivered: count('orders_delivered'),
  orders_cancelled: count('orders_cancelled'),
  orders_rto: count('orders_rto'),
  orders_refunded: count('orders_refunded'),
  returns: count('returns'),
  visits: count('visits'),
  sessions: count('sessions'),
  sessions_with_cart: count('sessions_with_cart'),
  sessions_with_order: count('sessions_with_order'),
  customers_new: count('customers_new'),
  units: [has('orders'), 'units'],
  ship_ms: [has('shipped_in'), 'value'],
  ship_count: count('shipped_in'),
  response_ms: [has('responded'), 'value'],
  response_count: count('responded'),
  revenue_gross: [has('orders'), 'gross'],
  revenue_paid: [has('payment'), 'amount'],
  refund: [has('refund'), 'amount'],
  discount: [has('orders'), 'discount'],
  shipping: [has('orders'), 'shipping'],
  tax: [has('orders'), 'tax'],
  revenue_cancelled: [has('cancelled'), 'cancelled'],
};

const quote = (text: string): string => `'${text.replaceAll("'", "''")}'`;

/** The net rows in DuckDB, and what its SQL says of a query. */
export class Oracle {
  readonly #connection: DuckDBConnection;

  private constructor(connection: DuckDBConnection) {
    this.#connection = connection;
  }

  static async of(rows: readonly TestRow[]): Promise<Oracle> {
    const connection = await (await DuckDBInstance.create(':memory:', { threads: '1' })).connect();
    await connection.run(`CREATE TABLE r (idx INTEGER, t BIGINT, seq BIGINT, sgn INTEGER, type VARCHAR,
      marks INTEGER, currency VARCHAR, ${DIMENSIONS.map((name) => `${name} VARCHAR`).join(', ')}, cust VARCHAR,
      ${NUMBERS.map((name) => `${name} HUGEINT`).join(', ')})`);
    await connection.run(
      'CREATE TABLE items (idx INTEGER, pos INTEGER, sku VARCHAR, category VARCHAR, q HUGEINT, val HUGEINT)',
    );
    const values = rows.map((row, idx) => `(${rowValues(row, idx).join(',')})`);
    for (let at = 0; at < values.length; at += 500) {
      await connection.run(`INSERT INTO r VALUES ${values.slice(at, at + 500).join(',')}`);
    }
    const items = rows.flatMap(({ items: all = [] }, idx) =>
      all.map(
        ({ sku, category, quantity, unit_price }, pos) =>
          `(${idx},${pos},${quote(sku)},${quote(category)},${quantity},${quantity}::HUGEINT * ${unit_price})`,
      ),
    );
    for (let at = 0; at < items.length; at += 500) {
      await connection.run(`INSERT INTO items VALUES ${items.slice(at, at + 500).join(',')}`);
    }
    await connection.run(LINES);
    return new Oracle(connection);
  }

  async sums(query: KpiQuery, upTo: number | undefined): Promise<OracleCell[]> {
    const sums = Object.entries(MEASURES).map(
      ([name, [where, what]]) =>
        `coalesce(sum(CASE WHEN ${where} THEN sgn * coalesce(${what}, 0) END), 0)::HUGEINT::VARCHAR AS m_${name}`,
    );
    const observed = Object.entries(MEASURES).map(
      ([name, [where, what]]) =>
        `coalesce(sum(CASE WHEN ${where} AND (${what}) IS NOT NULL THEN sgn END), 0)::HUGEINT::VARCHAR AS n_${name}`,
    );
    const found = await this.#select(query, upTo, [...sums, ...observed].join(', '), '');
    return found.map((row) => ({
      ...cellOf(row, query),
      sums: Object.fromEntries(
        Object.entries(row).flatMap(([name, value]) =>
          name.startsWith('m_') || name.startsWith('n_') ? [[name, BigInt(String(value))]] : [],
        ),
      ),
    }));
  }

  async amounts(query: KpiQuery, upTo: number | undefined, measure: string): Promise<OracleCount[]> {
    const [where, what] = MEASURES[measure] ?? ['false', '0'];
    return this.#counts(query, upTo, what, `${where} AND (${what}) IS NOT NULL`);
  }

  async customers(query: KpiQuery, upTo: number | undefined): Promise<OracleCount[]> {
    return this.#counts(query, upTo, 'cust', `${has('orders')} AND cust <> ''`);
  }

  async #counts(
    query: KpiQuery,
    upTo: number | undefined,
    what: string,
    where: string,
  ): Promise<OracleCount[]> {
    const found = await this.#select(query, upTo, `(${what})::VARCHAR AS v, sum(sgn)::INTEGER AS net`, where);
    return found.map((row) => ({ ...cellOf(row, query), value: String(row.v), net: Number(row.net) }));
  }

  async #select(query: KpiQuery, upTo: number | undefined, what: string, where: string) {
    const { group_by: groupBy, filters, start, end, granularity = 'total', timezone = 'UTC' } = query;
    const asked = [...groupBy, ...Object.keys(filters)];
    const tests = Object.entries(filters).flatMap(([name, filter]) =>
      filter === undefined ? [] : [[name, testOf(name, filter)] as const],
    );
    const rowTests = tests.filter(([name]) => !ITEM.includes(name)).map(([, test]) => test);
    const itemTests = tests.filter(([name]) => ITEM.includes(name)).map(([, test]) => test);
    const facts = asked.some((name) => ITEM.includes(name)) ? byItems(groupBy, itemTests) : WHOLE;
    const conditions = [
      `t >= ${Date.parse(start)} AND t < ${Date.parse(end)}`,
      ...(upTo === undefined ? [] : [`seq <= ${upTo}`]),
      ...rowTests,
      ...(where === '' ? [] : [where]),
    ];
    const keys = groupBy.map((name, at) => `${name} AS k${at}`);
    const by = [
      ...keys,
      'currency AS unit',
      `${bucketOf(granularity, timezone)} AS bucket`,
      't // 86400000 AS day',
    ];
    const sql = `SELECT ${by.join(', ')}, ${what} FROM (${facts}) WHERE ${conditions.join(' AND ')} GROUP BY ALL`;
    const reader = await this.#connection.runAndReadAll(sql);
    return reader.getRowObjects() as Record<string, unknown>[];
  }
}

function cellOf(row: Record<string, unknown>, { group_by: groupBy }: KpiQuery) {
  return {
    key: groupBy.map((_, at) => String(row[`k${at}`])),
    unit: String(row.unit),
    bucket_ms: Number(row.bucket),
    day: Number(row.day),
  };
}

function rowValues(row: TestRow, idx: number): (string | number)[] {
  const numbers = NUMBERS.map((name) => (row[name] === undefined ? 'NULL' : row[name]));
  const texts = DIMENSIONS.map((name) => quote(row.dimensions?.[name] ?? ''));
  return [
    ...[idx, row.time_ms, row.sequence, row.retraction === true ? -1 : 1, quote(row.type ?? 'order.created')],
    ...[marksOf(row), quote(row.currency ?? ''), ...texts],
    ...[row.customer === undefined || row.customer === 0 ? "''" : quote(String(row.customer)), ...numbers],
  ];
}

/** Each line's parts of the row's amounts: Hamilton's method. */
const PARTS = ['amount', 'discount', 'shipping', 'tax'];
const LINES = `CREATE TABLE lines AS
  WITH w AS (
    SELECT items.*, abs(val) AS weight, sum(abs(val)) OVER (PARTITION BY items.idx)::HUGEINT AS total,
      ${PARTS.map((name) => `r.${name} AS ${name}`).join(', ')}
    FROM items JOIN r USING (idx)
  ), b AS (
    SELECT *, ${PARTS.map(
      (name) => `CASE WHEN total > 0 THEN (abs(${name}) * weight) // total END AS b_${name},
      CASE WHEN total > 0 THEN (abs(${name}) * weight) % total END AS x_${name}`,
    ).join(', ')} FROM w
  ), o AS (
    SELECT *, ${PARTS.map(
      (name) => `abs(${name}) - sum(b_${name}) OVER (PARTITION BY idx) AS l_${name},
      row_number() OVER (PARTITION BY idx ORDER BY x_${name} DESC, pos) AS o_${name}`,
    ).join(', ')} FROM b
  )
  SELECT idx, pos, sku, category, q, val, ${PARTS.map(
    (
      name,
    ) => `CASE WHEN total > 0 THEN sign(${name}) * (b_${name} + CASE WHEN o_${name} <= l_${name} THEN 1 ELSE 0 END)
      WHEN pos = 0 THEN ${name} WHEN ${name} IS NOT NULL THEN 0 END::HUGEINT AS p_${name}`,
  ).join(', ')} FROM o`;

const WHOLE = `SELECT r.*, amount AS gross, value AS cancelled,
  coalesce((SELECT sum(q) FROM items WHERE items.idx = r.idx), 0) AS units FROM r`;

function byItems(groupBy: readonly string[], tests: readonly string[]): string {
  const where = tests.length === 0 ? 'true' : tests.join(' AND ');
  const names = ITEM.map((name) => (groupBy.includes(name) ? name : `'' AS ${name}`)).join(', ');
  return `SELECT r.*, amount AS gross, value AS cancelled, 0::HUGEINT AS units FROM r
      WHERE idx NOT IN (SELECT idx FROM items) AND ${where}
    UNION ALL BY NAME
    SELECT r.* REPLACE (g.sku AS sku, g.category AS category, ${PARTS.map((name) => `g.${name} AS ${name}`).join(', ')}),
      gross, gross AS cancelled, units
    FROM r JOIN (
      SELECT idx, ${names}, sum(val)::HUGEINT AS gross, sum(q)::HUGEINT AS units,
        ${PARTS.map((name) => `sum(p_${name})::HUGEINT AS ${name}`).join(', ')}
      FROM lines WHERE ${where} GROUP BY ALL
    ) g USING (idx)`;
}

function testOf(name: string, filter: Filter): string {
  const isNot = typeof filter === 'object' && filter !== null && !Array.isArray(filter);
  const given = isNot ? filter.not : filter;
  const normal = (text: string): string =>
    name === 'type' ? text.toLowerCase().replaceAll('_', '.').replaceAll('-', '.') : text;
  const values = (Array.isArray(given) ? given : [given]).map((value) => quote(normal(value ?? '')));
  const column = name === 'type' ? "lower(translate(type, '_-', '..'))" : name;
  return `${column} ${isNot ? 'NOT ' : ''}IN (${values.join(', ')})`;
}

const STEPS: Readonly<Record<string, number>> = {
  '1m': 60_000,
  '5m': 300_000,
  '15m': 900_000,
  '1h': 3_600_000,
};
const PERIODS: Readonly<Record<string, string>> = {
  '1d': 'day',
  '1w': 'week',
  '1M': 'month',
  '1Q': 'quarter',
  '1Y': 'year',
};

/** The start of the bucket of a time, ms, by ICU's time zones. */
function bucketOf(granularity: string, timezone: string): string {
  const zone = quote(timezone);
  const local = `((make_timestamp(t * 1000) AT TIME ZONE 'UTC') AT TIME ZONE ${zone})`;
  const step = STEPS[granularity];
  if (step !== undefined) {
    return `(epoch_ms(${local}) // ${step} * ${step} - (epoch_ms(${local}) - t))`;
  }
  const period = PERIODS[granularity];
  return period === undefined ? '0' : `epoch_ms(date_trunc('${period}', ${local}) AT TIME ZONE ${zone})`;
}
