import { DuckDBInstance } from '@duckdb/node-api';

/** What SQL says of one month, of all countries or of one; money in pence. */
export interface SqlCell {
  readonly month: string;
  /** null: all countries. */
  readonly country: string | null;
  readonly revenue_net: number;
  readonly revenue_gross: number;
  readonly refund_amount: number;
  readonly orders_count: number;
  readonly units_sold: number;
  readonly customers_active: number;
}

export interface SqlFacts {
  readonly cells: readonly SqlCell[];
  /** Customers by month of their first order. */
  readonly newCustomers: ReadonlyMap<string, number>;
  /** Gross revenue of orders by stock code, pence. */
  readonly skus: ReadonlyMap<string, number>;
  /** Σ quantity × price of all lines, not rounded before the end, pence. */
  readonly total: number;
  readonly lines: number;
}

/** The lines of the file, told apart into orders, refunds and stock movements; `$1` is its path. */
export const LINES = `
  create table lines as
  with typed as (
    select InvoiceNo as invoice, cast(InvoiceDate as timestamp) as placed, Country as country,
           CustomerID as customer, StockCode as sku, cast(Quantity as integer) as quantity,
           cast(UnitPrice as decimal(18, 4)) as price
    from read_csv($1, header = true, all_varchar = true)
  )
  select *, round(quantity * price, 2) as amount,
    -- An order has 1,000 lines of an invoice at most.
    invoice || '/' || ((row_number() over (partition by invoice order by placed) - 1) // 1000) as part,
    min(placed) over (partition by invoice) as first_placed,
    case
      when (invoice like 'C%' or invoice like 'A%') and sum(quantity * price) over line_group <= 0 then 'refund'
      when count(customer) over line_group = 0 and max(abs(price)) over line_group = 0 then 'stock'
      else 'order'
    end as kind
  from typed
  window line_group as (partition by invoice, placed)`;

// An order counts once, at its first event, so in the month of its first lines, with what was added later.
const CELLS = `
  select strftime(case kind when 'order' then first_placed else placed end, '%Y-%m') as month, country,
    cast(sum(amount) * 100 as bigint) as revenue_net,
    cast(coalesce(sum(amount) filter (kind <> 'refund'), 0) * 100 as bigint) as revenue_gross,
    cast(coalesce(-sum(amount) filter (kind = 'refund'), 0) * 100 as bigint) as refund_amount,
    count(distinct part) filter (kind = 'order') as orders_count,
    cast(coalesce(sum(quantity) filter (kind = 'order'), 0) as bigint) as units_sold,
    count(distinct customer) filter (kind = 'order') as customers_active
  from lines group by grouping sets ((1, 2), (1))`;

const NEW_CUSTOMERS = `
  select strftime(first, '%Y-%m') as month, count(*) as customers
  from (select min(placed) as first from lines where kind = 'order' and customer is not null group by customer)
  group by 1`;

const SKUS = `
  select sku, cast(sum(quantity * round(price * 100)) as bigint) as gross
  from lines where kind = 'order' group by 1`;

const TOTAL = `
  select cast(round(sum(quantity * price), 2) * 100 as bigint) as total, count(*) as lines from lines`;

/** DuckDB makes BIGINTs of whole numbers. */
const plain = (row: Readonly<Record<string, unknown>>): Record<string, unknown> =>
  Object.fromEntries(
    Object.entries(row).map(([name, value]) => [name, typeof value === 'bigint' ? Number(value) : value]),
  );

/** Asks SQL over the CSV for what the engine should answer: it shares no code with the example. */
export async function sqlFacts(path: string): Promise<SqlFacts> {
  const database = await DuckDBInstance.create(':memory:');
  const connection = await database.connect();
  const rows = async (sql: string): Promise<Record<string, unknown>[]> =>
    (await connection.runAndReadAll(sql)).getRowObjects().map(plain);
  try {
    await connection.run(LINES.replace('$1', `'${path.replaceAll("'", "''")}'`));
    const [total] = (await rows(TOTAL)) as [{ total: number; lines: number }];
    const customers = (await rows(NEW_CUSTOMERS)) as { month: string; customers: number }[];
    const skus = (await rows(SKUS)) as { sku: string; gross: number }[];
    return {
      cells: (await rows(CELLS)) as unknown as SqlCell[],
      newCustomers: new Map(customers.map((row) => [row.month, row.customers])),
      skus: new Map(skus.map((row) => [row.sku, row.gross])),
      ...total,
    };
  } finally {
    connection.closeSync();
    database.closeSync();
  }
}
