import { DuckDBInstance } from '@duckdb/node-api';
import { LINES } from './online-retail-sql.ts';

/** A customer with the scores of each method; of `ntile` the least and the greatest that its ties allow. */
export interface SqlCustomer {
  readonly customer: string;
  readonly orders: number;
  readonly net: number;
  readonly last: string;
  readonly quintile: string;
  readonly fixed: string;
  readonly ntile_least: string;
  readonly ntile_most: string;
}

export interface SqlCustomers {
  readonly customers: readonly SqlCustomer[];
  /** `cohort month/months later` → customers. */
  readonly retention: ReadonlyMap<string, number>;
  /** `cohort month/months of age` → net revenue of the cohort in that month of its age, pence. */
  readonly value: ReadonlyMap<string, number>;
  /** The same by country of the first order and ages of 30 days: `cohort month/country/age`. */
  readonly rolling: ReadonlyMap<string, number>;
  /** `cohort month/country` → customers. */
  readonly sizes: ReadonlyMap<string, number>;
}

/** What `thresholds` of the query are. */
export const THRESHOLDS = {
  recency_days: [10, 30, 90, 180],
  frequency: [2, 3, 5, 10],
  monetary: [20_000, 50_000, 150_000, 500_000],
} as const;

/** Scores 1 to 5 of a value: 1 and one more for each limit that it reaches. */
const reached = (value: string, limits: readonly number[]): string =>
  `1 + ${limits.map((limit) => `(${value} >= ${limit})::int`).join(' + ')}`;
const passed = (value: string, limits: readonly number[]): string =>
  `5 - ${limits.map((limit) => `(${value} > ${limit})::int`).join(' - ')}`;

/** The tile of a place (from 0) among n in five groups, the larger ones first. */
const tile = (place: string): string =>
  `case when ${place} < (n % 5) * (n // 5 + 1) then 1 + ${place} // (n // 5 + 1)
    else 1 + n % 5 + (${place} - (n % 5) * (n // 5 + 1)) // (n // 5) end`;

const MEASURES = ['last', 'orders', 'net'] as const;
const scores = (of: (measure: string) => string): string =>
  MEASURES.map((measure) => `(${of(measure)})::varchar`).join(' || ');

const CUSTOMERS = (end: string): string => `
  with totals as (
    select customer, count(distinct part) filter (kind = 'order') as orders,
      cast(sum(amount) * 100 as bigint) as net, max(first_placed) filter (kind = 'order') as last
    from lines where customer is not null group by customer
  ), ranked as (
    select *, count(*) over () as n,
      ${MEASURES.map(
        (measure) => `rank() over (order by ${measure}) - 1 as ${measure}_below,
        rank() over (order by ${measure}) - 2 + count(*) over (partition by ${measure}) as ${measure}_up_to`,
      ).join(', ')},
      epoch(timestamp '${end}' - last) / 86400 as days
    from totals where orders > 0
  )
  select regexp_replace(customer, '\\.0$', '') as customer, orders, net, strftime(last, '%Y-%m-%dT%H:%M:%S') as last,
    ${scores((measure) => `1 + (5 * ${measure}_below) // n`)} as quintile,
    ((${passed('days', THRESHOLDS.recency_days)})::varchar || (${reached('orders', THRESHOLDS.frequency)})::varchar
      || (${reached('net', THRESHOLDS.monetary)})::varchar) as fixed,
    ${scores((measure) => tile(`${measure}_below`))} as ntile_least,
    ${scores((measure) => tile(`${measure}_up_to`))} as ntile_most
  from ranked`;

const MONTH = (time: string): string => `(year(${time}) * 12 + month(${time}))`;
const FIRST = `
  first_orders as (
    select customer, min(first_placed) as first from lines
    where kind = 'order' and customer is not null group by customer
  )`;

const RETENTION = `
  with ${FIRST}
  select strftime(first, '%Y-%m') as cohort, ${MONTH('first_placed')} - ${MONTH('first')} as later,
    count(distinct customer) as customers
  from lines join first_orders using (customer) where kind = 'order' group by 1, 2`;

// Money counts when it comes: an order's at its first lines, a refund's at its own time. What a customer got back before
// the first order in the file is of no age.
const MONEY = `
  ${FIRST.trim()}, money as (
    select customer, first, (case kind when 'order' then first_placed else placed end) as moment, amount
    from lines join first_orders using (customer)
  )`;

const VALUE = `
  with ${MONEY}
  select strftime(first, '%Y-%m') as cohort, ${MONTH('moment')} - ${MONTH('first')} as age,
    cast(sum(amount) * 100 as bigint) as net
  from money where moment >= first group by 1, 2`;

const COUNTRIES = `
  ${MONEY}, countries as (
    select customer, arg_min(country, (first_placed, invoice)) as country
    from lines where kind = 'order' and customer is not null group by customer
  )`;
const ROLLING = `
  with ${COUNTRIES}
  select strftime(first, '%Y-%m') as cohort, country, cast(epoch(moment - first) as bigint) // (30 * 86400) as age,
    cast(sum(amount) * 100 as bigint) as net
  from money join countries using (customer) where moment >= first group by 1, 2, 3`;
const SIZES = `
  with ${COUNTRIES}
  select strftime(first, '%Y-%m') as cohort, country, count(*) as customers
  from first_orders join countries using (customer) group by 1, 2`;

/** Asks SQL over the CSV. `end`: until when recency counts, without a zone. */
export async function sqlCustomers(path: string, end: string): Promise<SqlCustomers> {
  const database = await DuckDBInstance.create(':memory:');
  const connection = await database.connect();
  const rows = async (sql: string): Promise<Record<string, unknown>[]> =>
    (await connection.runAndReadAll(sql))
      .getRowObjects()
      .map((row) =>
        Object.fromEntries(
          Object.entries(row).map(([name, value]) => [
            name,
            typeof value === 'bigint' ? Number(value) : value,
          ]),
        ),
      );
  try {
    await connection.run(LINES.replace('$1', `'${path.replaceAll("'", "''")}'`));
    const retention = (await rows(RETENTION)) as { cohort: string; later: number; customers: number }[];
    const value = (await rows(VALUE)) as { cohort: string; age: number; net: number }[];
    const rolling = (await rows(ROLLING)) as { cohort: string; country: string; age: number; net: number }[];
    const sizes = (await rows(SIZES)) as { cohort: string; country: string; customers: number }[];
    return {
      customers: (await rows(CUSTOMERS(end))) as unknown as SqlCustomer[],
      retention: new Map(retention.map(({ cohort, later, customers }) => [`${cohort}/${later}`, customers])),
      value: new Map(value.map(({ cohort, age, net }) => [`${cohort}/${age}`, net])),
      rolling: new Map(rolling.map(({ cohort, country, age, net }) => [`${cohort}/${country}/${age}`, net])),
      sizes: new Map(sizes.map(({ cohort, country, customers }) => [`${cohort}/${country}`, customers])),
    };
  } finally {
    connection.closeSync();
    database.closeSync();
  }
}
